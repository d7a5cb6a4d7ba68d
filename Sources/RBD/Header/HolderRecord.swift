internal import ExactText
internal import Timestamps

/// Which node holds an image: what the node writes into the cookie of its lock, as `rados lock info` on the header
/// object shows it.
///
/// Ceph itself knows only the client's address. The record is in the lock and not in the image's metadata, because it
/// then exists exactly as long as the lock, and because a clone inherits its parent's metadata.
///
/// Words `name=value`, separated by spaces:
///
/// | name | value |
/// | --- | --- |
/// | node | the node's name |
/// | address | the client's address in the cluster: `10.0.0.7:0/123456` |
/// | since | when it took the image: `2026-11-21T08:09:47Z` |
/// | mapper | `krbd`, `nbd`, `fuse` |
/// | host | a random number that the node keeps in its state directory; node names can be reused |
/// | boot | `/proc/sys/kernel/random/boot_id` |
/// | uid | the uid of the Node object of Kubernetes; absent where there is none |
/// | process | `PID/START` of the process that serves the image; absent where the kernel does |
/// | keeper | `PID/START` of the first keeper; a keeper that replaces it keeps this value |
public struct HolderRecord: Sendable, Hashable, Codable {
    /// The node's name.
    public var node: String
    /// The client's address in the cluster.
    public var address: String
    /// When it took the image, in seconds since 1970.
    public var since: Int64
    /// What makes a device of the image.
    public var mapper: String
    /// The node's state directory, by a random number.
    public var host: String
    /// The node's boot.
    public var bootID: String
    /// The uid of the Node object of Kubernetes, where that is known.
    public var nodeUID: String?
    /// The process that serves the image: its number and its start in clock ticks since the boot.
    public var process: ServingProcess?
    /// The process that starts such processes, one after the other.
    public var keeper: ServingProcess?

    /// A process of a node.
    public struct ServingProcess: Sendable, Hashable, Codable {
        /// Its number.
        public let pid: Int32
        /// Clock ticks from boot to its start.
        public let startTime: UInt64

        /// Names a process.
        public init(pid: Int32, startTime: UInt64) {
            self.pid = pid
            self.startTime = startTime
        }

        init?(parsing word: String) {
            let numbers = word.parts(at: "/", omittingEmpty: true)
            guard numbers.count == 2, let pid = Int32(numbers[0]), let start = UInt64(numbers[1]) else { return nil }
            self.init(pid: pid, startTime: start)
        }
    }

    /// Puts a record together.
    public init(
        node: String,
        address: String,
        since: Int64,
        mapper: String,
        host: String,
        bootID: String,
        nodeUID: String? = nil,
        process: ServingProcess? = nil,
        keeper: ServingProcess? = nil
    ) {
        self.node = node
        self.address = address
        self.since = since
        self.mapper = mapper
        self.host = host
        self.bootID = bootID
        self.nodeUID = nodeUID
        self.process = process
        self.keeper = keeper
    }

    /// Reads what `text` writes; `nil` if a word is missing.
    ///
    /// Words that are not known are passed over.
    public init?(parsing text: String) {
        var words: [String: String] = [:]
        for word in text.parts(at: " ", omittingEmpty: true) {
            let sides = word.parts(at: "=", most: 1)
            guard sides.count == 2 else { return nil }
            words[sides[0]] = sides[1]
        }
        guard let node = words["node"], let address = words["address"], let mapper = words["mapper"],
            let host = words["host"], let boot = words["boot"],
            let since = words["since"].flatMap(Timestamp.seconds(parsing:))
        else { return nil }
        self.init(
            node: node,
            address: address,
            since: since,
            mapper: mapper,
            host: host,
            bootID: boot,
            nodeUID: words["uid"],
            process: words["process"].flatMap(ServingProcess.init(parsing:)),
            keeper: words["keeper"].flatMap(ServingProcess.init(parsing:))
        )
    }

    /// Who may share the lock: the kernel of one boot, or the servers of one keeper, of which only one is alive at a
    /// time.
    ///
    /// A successor takes its share of the lock before it breaks the dead server's share, so the image is held at every
    /// moment.
    public var tenure: String { "\(host) \(bootID) \(keeper.map { "\($0.pid)/\($0.startTime)" } ?? mapper)" }

    /// The record as it is written down.
    public var text: String {
        var words = [
            "node=\(Self.word(node))", "address=\(Self.word(address))", "since=\(Timestamp.text(.seconds(since)))",
            "mapper=\(Self.word(mapper))", "host=\(Self.word(host))", "boot=\(Self.word(bootID))",
        ]
        if let nodeUID { words.append("uid=\(Self.word(nodeUID))") }
        if let process { words.append("process=\(process.pid)/\(process.startTime)") }
        if let keeper { words.append("keeper=\(keeper.pid)/\(keeper.startTime)") }
        return words.joined(separator: " ")
    }

    /// When it took the image, for people: `2026-11-21T08:09:47Z`.
    public var sinceTime: String { Timestamp.text(.seconds(since)) }

    /// Replaces spaces, which separate the words, and gives an empty word a value, because a record must have all
    /// words.
    private static func word(_ text: String) -> String {
        let word = String(text.unicodeScalars.map { $0.value > 0x20 && $0.value != 0x7F ? Character($0) : "_" })
        return word.isEmpty ? "-" : word
    }
}
