import TestSupport

/// What is asked of the services.
enum Action: Sendable, Hashable {
    /// Stage and publish, each tried once; where another node has the volume, it is to be refused.
    case up(node: Int)
    /// Stage and publish, again and again: the node that had the volume is gone, or stands still.
    case failOver(node: Int)
    case write(node: Int)
    case read(node: Int)
    case down(node: Int)
    case expand
    /// Deleted and had back after some seconds; of a class that keeps deleted volumes for an hour.
    case deleteAndUndelete(seconds: Int)
    /// Deleted while a node has it: to be refused.
    case deleteInUse
    /// A write of every node that has lost the volume: to fail.
    case lateWrites
    /// Files of a node's state directory are deleted, all or those of volumes; all that it has must come down then.
    case forget(node: Int, all: Bool)
    /// `rbd trash mv` and `restore` by hand.
    case trashByHand
    /// `rbd rename` there and back.
    case renameByHand
    /// `rbd lock add` and `rm`.
    case lockByHand
    /// A person's client opens the image, as `rbd map` does, and is killed: meanwhile the volume is nobody else's.
    case openByHand
    /// The volume gets another claim: other places on nodes, and what is known by its handle alone.
    case rebind
    /// A second Kubernetes cluster on the pool, which knows no claim, looks for orphans and tries to remove the volume.
    case neighbour
}

/// What befalls them.
enum Fault: Sendable, Hashable {
    case killService(node: Int)
    case killController
    /// One process of those that serve images.
    case killOneServer(node: Int)
    /// All of them, with their keepers: the devices are dead.
    case killServers(node: Int)
    case pauseService(node: Int, milliseconds: Int)
    case pauseServers(node: Int, milliseconds: Int)
    case cut(node: Int, milliseconds: Int)
    /// Nothing that it sends reaches the cluster; it hears all.
    case cutOneWay(node: Int, milliseconds: Int)
    /// It reaches the cluster, but no other node and not the controller.
    case cutFromPeers(node: Int, milliseconds: Int)
    /// Its time of day jumps, and stays so; a controller's (the host behind the nodes) is started again with it.
    case clock(host: Int, hours: Int)
    /// Another program of other settings takes its service over; the former one's file is gone.
    case upgrade(node: Int)
    case reboot(node: Int)
    case freezeOSD(milliseconds: Int)
}

/// One step: an action on a volume, and what befalls the services some time after it was begun.
struct Step: Sendable, Hashable, CustomStringConvertible {
    let action: Action
    let volume: Int
    var fault: Fault?
    var milliseconds = 0

    var description: String {
        "volume \(volume): \(action)" + (fault.map { ", after \(milliseconds) ms \($0)" } ?? "")
    }
}

/// A sequence of steps, wholly told by its seed.
struct Plan: Sendable, CustomStringConvertible {
    /// What a volume is used as.
    enum Kind: String, Sendable, CaseIterable { case ext4, xfs, block }

    struct Volume: Sendable {
        let kind: Kind
        /// Of a class that keeps deleted volumes for an hour.
        let isKept: Bool
    }

    static let nodes = 3
    static let longest = 14

    let seed: UInt64
    let volumes: [Volume]
    /// Whether node 2 is a copy of node 0: it has its number, and a boot of its own.
    let hasClone: Bool
    private(set) var steps: [Step] = []

    /// - Parameters:
    ///   - seed: Tells the whole plan.
    ///   - most: How many actions at most; a shorter plan is the beginning of a longer one.
    init(seed: UInt64, most: Int = longest) {
        var random = SeededRandom(seed: seed)
        self.seed = seed
        hasClone = Int.random(in: 0..<4, using: &random) == 0
        volumes = (0..<Int.random(in: 1...2, using: &random)).map { _ in
            let kind: Kind =
                switch Int.random(in: 0..<10, using: &random) {
                case 0: .xfs
                case 1...3: .block
                default: .ext4
                }
            return Volume(kind: kind, isKept: Bool.random(using: &random))
        }
        // Where each volume would be if all went well.
        var place = [Int?](repeating: nil, count: volumes.count)
        for _ in 0..<min(most, Int.random(in: 6...Self.longest, using: &random)) {
            let volume = Int.random(in: 0..<volumes.count, using: &random)
            steps += Self.steps(volume, &place[volume], &random)
        }
    }

    var description: String {
        let kinds = volumes.map { $0.kind.rawValue + ($0.isKept ? ", kept" : "") }.joined(separator: "; ")
        return "seed \(seed): \(kinds)\(hasClone ? "; node 2 is a copy of node 0" : "")"
    }

    private static func steps(_ volume: Int, _ place: inout Int?, _ random: inout SeededRandom) -> [Step] {
        var steps: [Step] = []
        func add(_ action: Action, _ fault: Fault? = nil, _ milliseconds: Int = 0) {
            steps.append(Step(action: action, volume: volume, fault: fault, milliseconds: milliseconds))
        }
        let delay = Int.random(in: 0...600, using: &random)
        guard let node = place else {
            switch Int.random(in: 0..<16, using: &random) {
            case 0: add(.expand, fault(nil, &random), delay)
            case 1: add(.deleteAndUndelete(seconds: 0), Bool.random(using: &random) ? .killController : nil, delay)
            case 2: add(.deleteAndUndelete(seconds: 5), .clock(host: Self.nodes, hours: hours(&random)), delay)
            case 3, 4:
                let all: [Action] = [.trashByHand, .renameByHand, .lockByHand, .openByHand]
                add(all.randomElement(using: &random) ?? .lockByHand)
            case 5, 6:
                let next = Int.random(in: 0..<nodes, using: &random)
                place = next
                add(.rebind)
                add(.up(node: next), fault(next, &random), delay)
                add(.read(node: next))
            default:
                let next = Int.random(in: 0..<nodes, using: &random)
                place = next
                add(.up(node: next), fault(next, &random), delay)
                add(.write(node: next))
            }
            return steps
        }
        let other = (node + Int.random(in: 1..<nodes, using: &random)) % nodes
        switch Int.random(in: 0..<13, using: &random) {
        case 0...2:
            add(.write(node: node), fault(node, &random), delay / 4)
            add(.read(node: node))
        case 3: add(.up(node: other), fault(other, &random), delay)
        case 4: add(.expand, fault(node, &random), delay / 4)
        case 5: add(.deleteInUse)
        case 6, 7:
            add(.write(node: node), longFault(node, &random), delay / 4)
            add(.failOver(node: other))
            add(.read(node: other))
            add(.write(node: other))
            add(.lateWrites)
            place = other
        case 8:
            add(.down(node: node), fault(node, &random), delay / 4)
            add(.up(node: other), fault(other, &random), delay)
            add(.read(node: other))
            place = other
        case 9:
            add(.down(node: node), fault(node, &random), delay / 4)
            place = nil
        case 10: add(.up(node: node), fault(node, &random), delay)
        case 11: add(.neighbour, fault(node, &random), delay)
        default: add(.forget(node: node, all: Int.random(in: 0..<3, using: &random) == 0))
        }
        return steps
    }

    /// Something that a node gets over, or nothing.
    private static func fault(_ node: Int?, _ random: inout SeededRandom) -> Fault? {
        let short = Int.random(in: 200...1500, using: &random)
        guard let node else { return Bool.random(using: &random) ? .killController : nil }
        return switch Int.random(in: 0..<20, using: &random) {
        case 0, 1, 2: .killService(node: node)
        case 3, 4: .killOneServer(node: node)
        case 5: .killServers(node: node)
        case 6: .pauseService(node: node, milliseconds: short)
        case 7: .pauseServers(node: node, milliseconds: short)
        case 8: .cut(node: node, milliseconds: short)
        case 9: .freezeOSD(milliseconds: short)
        case 10: .reboot(node: node)
        case 11, 12: .upgrade(node: node)
        case 13, 14: .clock(host: node, hours: hours(&random))
        case 15: .cutOneWay(node: node, milliseconds: short)
        case 16: .cutFromPeers(node: node, milliseconds: short)
        default: nil
        }
    }

    /// How far a clock jumps: within a day, and beyond the day that e2fsck forgives.
    private static func hours(_ random: inout SeededRandom) -> Int {
        [-720, -30, -3, -1, 1, 2, 3, 30, 720].randomElement(using: &random) ?? 3
    }

    /// Something that lasts longer than a watch, or for ever.
    private static func longFault(_ node: Int, _ random: inout SeededRandom) -> Fault {
        let long = Int.random(in: 6500...10_000, using: &random)
        return switch Int.random(in: 0..<6, using: &random) {
        case 0, 1: .cut(node: node, milliseconds: long)
        case 2: .cutOneWay(node: node, milliseconds: long)
        case 3: .pauseServers(node: node, milliseconds: long)
        case 4: .killServers(node: node)
        default: .reboot(node: node)
        }
    }
}
