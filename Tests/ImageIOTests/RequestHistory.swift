/// What callers asked for and were told, and so what bytes may be where.
struct RequestHistory {
    /// A request of a caller's; a write's bytes are all its number, which is 1 or more.
    struct Request {
        let kind: Kind
        let range: Range<Int>
    }

    enum Kind { case write, durableWrite, read, flush }

    let requests: [Int: Request]
    /// Those that were begun, each with the set of those that had been answered before.
    private(set) var begun: [Int: UInt64] = [:]
    private(set) var answered: UInt64 = 0

    init(_ requests: [Int: Request]) { self.requests = requests }

    mutating func begin(_ number: Int) { begun[number] = answered }

    /// Whether it was the first answer.
    mutating func answer(_ number: Int) -> Bool {
        guard answered & 1 << number == 0 else { return false }
        answered |= 1 << number
        return true
    }

    /// Whether neither of two was answered when the other was begun, so that they may be carried out in any order, or at once.
    func areConcurrent(_ one: Int, _ other: Int) -> Bool {
        (begun[one] ?? 0) & 1 << other == 0 && (begun[other] ?? 0) & 1 << one == 0
    }

    /// Those that were begun and not answered.
    var unanswered: [Int] { begun.keys.sorted().filter { answered & 1 << $0 == 0 } }

    /// A word for it.
    var digest: UInt64 { begun.reduce(answered) { $0 &+ mix(UInt64($1.key), $1.value) } }

    /// What is wrong with bytes that begin at a place, or nothing.
    ///
    /// Each byte is of a write that was begun, and that no later write must have replaced: one that was begun after the
    /// other's answer, and is itself among `certain`. Where the same writes cover two neighbours, both are of one.
    func fault(of bytes: [UInt8], at begin: Int, certain: UInt64) -> String? {
        for (index, byte) in bytes.enumerated() {
            let place = begin + index
            let writers = writers(of: place)
            let found = Int(byte)
            guard found == 0 || writers.contains(found) else { return "byte \(place) is \(found), which nobody wrote" }
            for later in writers where later != found && certain & 1 << later != 0 {
                guard found != 0, begun[later].map({ $0 & 1 << found == 0 }) ?? true else {
                    return "byte \(place) is \(found), but \(later) was written after it: \(bytes)"
                }
            }
            if index > 0, bytes[index - 1] != byte, self.writers(of: place - 1) == writers {
                return "torn at byte \(place): \(bytes)"
            }
        }
        return nil
    }

    private func writers(of place: Int) -> [Int] {
        begun.keys.sorted().filter {
            guard let request = requests[$0] else { return false }
            return (request.kind == .write || request.kind == .durableWrite) && request.range.contains(place)
        }
    }
}
