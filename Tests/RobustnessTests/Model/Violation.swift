/// What must never be, whatever fails.
enum Violation: Error, Hashable, CustomStringConvertible {
    /// A read shows less than what was acknowledged; nothing when it shows no register at all.
    case lostWrite(volume: String, acknowledged: Int, found: Int?)
    /// A read shows what nobody wrote.
    case strangeWrite(volume: String, found: Int)
    /// A node got the volume while another one, which nothing had befallen, had it.
    case twoHolders(volume: String, first: Int, second: Int)
    /// A write that was begun after another node had got the volume was acknowledged.
    case writeAfterFence(volume: String, node: Int, number: Int)
    /// A file system that was mounted was made anew.
    case formattedAgain(volume: String, before: String, now: String)
    /// A volume was deleted that a node had, which nothing had befallen.
    case deletedInUse(volume: String, node: Int)
    /// A volume that was there is gone, or one that was made is another.
    case lostVolume(volume: String, message: String)
    /// What must be refused was done to a volume.
    case notRefused(volume: String, what: String)
    /// What was asked for did not come to pass in time, with all faults over.
    case stuck(what: String, message: String)
    /// What should have gone is still there.
    case leak(String)

    var description: String {
        switch self {
        case .lostWrite(let volume, let acknowledged, let found):
            "\(volume): write \(acknowledged) was acknowledged, read: \(found.map(String.init) ?? "no register")"
        case .strangeWrite(let volume, let found): "\(volume): nobody wrote \(found)"
        case .twoHolders(let volume, let first, let second):
            "\(volume): node \(second) got it while node \(first) had it, well and unfenced"
        case .writeAfterFence(let volume, let node, let number):
            "\(volume): node \(node)'s write \(number), begun after another node had got the volume, was acknowledged"
        case .formattedAgain(let volume, let before, let now): "\(volume): formatted again: \(before), now \(now)"
        case .deletedInUse(let volume, let node): "\(volume): deleted while node \(node) had it"
        case .lostVolume(let volume, let message): "\(volume): lost: \(message)"
        case .notRefused(let volume, let what): "\(volume): should have been refused: \(what)"
        case .stuck(let what, let message): "\(what): not within its time, with all faults over: \(message)"
        case .leak(let what): "left behind: \(what)"
        }
    }
}
