/// What is known of one volume: who has it, which writes were acknowledged, and which may have arrived.
///
/// Knows nothing of Ceph. The runner tells it what it begins and what comes back; it says what must not be.
struct VolumeModel: Sendable {
    /// How a write is.
    enum Outcome: Sendable, Hashable {
        case underWay
        case acknowledged
        /// It failed, or nobody heard how it ended: it may have arrived, or may arrive later.
        case maybe
    }

    /// A write of the register.
    struct Write: Sendable, Hashable {
        let node: Int
        /// Another node had got the volume before this was begun.
        let isAfterFence: Bool
        var outcome = Outcome.underWay
    }

    /// What a node has of the volume.
    enum Hold: Sendable, Hashable {
        case none
        /// A call failed or was not answered: anything may be.
        case maybe
        /// Staged; `isWell` until something befalls the node that may cost it the volume.
        case held(isWell: Bool)
        /// Another node has got the volume since.
        case lost
    }

    /// Its name, for people.
    let name: String
    /// All writes; each has a number of its own, beginning with 1.
    private(set) var writes: [Write] = []
    /// The highest number that was acknowledged; 0 before the first.
    private(set) var acknowledged = 0
    /// What each node has, by its number.
    private(set) var holds: [Int: Hold] = [:]
    /// The file system's UUID, once it was mounted.
    private(set) var fileSystem: String?

    init(_ name: String) { self.name = name }

    /// What a node has.
    func hold(_ node: Int) -> Hold { holds[node, default: .none] }

    /// Whether a node has it and may write.
    func isHeld(by node: Int) -> Bool {
        if case .held = hold(node) { true } else { false }
    }

    /// The node that has it for certain.
    var holder: Int? { holds.keys.sorted().first(where: isHeld) }
}

extension VolumeModel {
    /// A write is begun; returns its number.
    mutating func beginWrite(on node: Int) -> Int {
        writes.append(Write(node: node, isAfterFence: hold(node) == .lost))
        return writes.count
    }

    /// A write has ended, or nobody waits for it any more; what was given up may still be acknowledged later.
    mutating func endWrite(_ number: Int, isAcknowledged: Bool) -> Violation? {
        let write = writes[number - 1]
        guard isAcknowledged else {
            if write.outcome == .underWay { writes[number - 1].outcome = .maybe }
            return nil
        }
        writes[number - 1].outcome = .acknowledged
        guard !write.isAfterFence else {
            return .writeAfterFence(volume: name, node: write.node, number: number)
        }
        acknowledged = max(acknowledged, number)
        return nil
    }

    /// A node that has the volume has read the register; nothing when there is none.
    func judgeRead(_ found: Int?) -> Violation? {
        guard let found, found > 0 else {
            return acknowledged == 0 ? nil : .lostWrite(volume: name, acknowledged: acknowledged, found: nil)
        }
        guard found <= writes.count, !writes[found - 1].isAfterFence else {
            return .strangeWrite(volume: name, found: found)
        }
        guard found >= acknowledged else {
            return .lostWrite(volume: name, acknowledged: acknowledged, found: found)
        }
        return nil
    }
}

extension VolumeModel {
    /// A stage was answered with success; the UUID is that of what is mounted now, and nothing where it cannot be read.
    mutating func staged(on node: Int, fileSystem uuid: String?) -> [Violation] {
        if hold(node) == .lost, let other = holder {
            // What is mounted there may be what it had, which nobody has told it of yet: its writes will show.
            if holds[other] != .held(isWell: true) { holds[node] = .maybe }
            return []
        }
        var violations: [Violation] = []
        for (other, hold) in holds where other != node {
            switch hold {
            case .held(let isWell):
                if isWell { violations.append(.twoHolders(volume: name, first: other, second: node)) }
                holds[other] = .lost
            case .maybe: holds[other] = .lost
            case .none, .lost: break
            }
        }
        holds[node] = .held(isWell: true)
        if let uuid {
            if let fileSystem, fileSystem != uuid {
                violations.append(.formattedAgain(volume: name, before: fileSystem, now: uuid))
            }
            fileSystem = uuid
        }
        return violations
    }

    /// A stage or unstage failed or was not answered.
    mutating func isUncertain(on node: Int) {
        switch hold(node) {
        case .none: holds[node] = .maybe
        case .held: holds[node] = .held(isWell: false)
        case .maybe, .lost: break
        }
    }

    /// A stage of what the node had not was refused and undone: what it had before is as it was.
    mutating func unstaged(on node: Int) { holds[node] = Hold.none }

    /// Something befell a node that may cost it the volume: it was cut off, or stood still for longer than a watch.
    mutating func isEndangered(on node: Int) {
        if isHeld(by: node) { holds[node] = .held(isWell: false) }
    }

    /// A delete was answered with success.
    mutating func deleted() -> Violation? {
        for (node, hold) in holds where hold == .held(isWell: true) {
            return .deletedInUse(volume: name, node: node)
        }
        return nil
    }
}
