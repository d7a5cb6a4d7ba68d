internal import ExactText
internal import Volumes

/// Where what lies at a destination.
///
/// | key | what |
/// | --- | --- |
/// | `backups/VOLUME/ID.json` | the manifest of a backup; while it is there, the backup is |
/// | `data/VOLUME/chain.json` | the chain's id, by which snapshots on the image are known |
/// | `data/VOLUME/lock` | who works on the volume's backups now |
/// | `data/VOLUME/chunks/HH/SHA256` | chunks, by the first two digits of their names |
/// | `data/VOLUME/maps/SHA256` | maps, in the form of chunks |
/// | `data/VOLUME/partial/ID/plan` | what an unfinished backup is going to read |
/// | `data/VOLUME/partial/ID/NNNNNNNN` | what it has stored of that |
/// | `data/VOLUME/discarded/ID` | what a backup that is removed or dropped had, and what goes when nothing else needs it |
///
/// VOLUME is `cluster/pool/namespace/image`. Of every name, bytes other than letters, digits, `.`, `_` and `-` are written as
/// `~` and two hexadecimal digits; an empty namespace is `~`.
struct BackupKeys: Sendable {
    let volume: String

    init(_ id: VolumeID) {
        volume = [id.clusterID, id.pool, id.namespace, id.image].map(Self.encoded).joined(separator: "/")
    }

    /// What all manifests begin with.
    static let manifests = "backups/"

    /// What the manifests of the volume begin with.
    var manifests: String { "\(Self.manifests)\(volume)/" }
    /// What all else of the volume begins with.
    var data: String { "data/\(volume)/" }
    var chain: String { "data/\(volume)/chain.json" }
    var lock: String { "data/\(volume)/lock" }
    var chunks: String { "data/\(volume)/chunks/" }
    var maps: String { "data/\(volume)/maps/" }
    var partials: String { "data/\(volume)/partial/" }

    var discards: String { "data/\(volume)/discarded/" }

    func discarded(_ backup: String) -> String { "\(discards)\(backup)" }

    func manifest(_ backup: String) -> String { "\(manifests)\(backup).json" }

    func chunk(_ digest: Digest) -> String {
        let name = "\(digest)"
        return "\(chunks)\(name.prefix(2))/\(name)"
    }

    func map(_ digest: Digest) -> String { "\(maps)\(digest)" }

    func plan(_ backup: String) -> String { "\(partials)\(backup)/plan" }

    func mark(_ backup: String, _ index: Int) -> String {
        let digits = String(index)
        return "\(partials)\(backup)/\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits)"
    }

    /// Whether a text can be one of these keys, which stand in paths of files and of S3 as they are.
    static func isKey(_ text: String) -> Bool {
        text.parts(at: "/").allSatisfy { step in
            step.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "~") } && !isDots(step)
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Whether a name is of dots alone, or empty: it would be a step in a path.
    private static func isDots(_ name: String) -> Bool { name.utf8.allSatisfy { $0 == UInt8(ascii: ".") } }

    private static func encoded(_ name: String) -> String {
        guard !name.isEmpty else { return "~" }
        let isDots = isDots(name)
        return name.utf8.map { byte in
            switch byte {
            case _ where isPlain(byte): return String(UnicodeScalar(byte))
            case UInt8(ascii: ".") where !isDots: return "."
            default:
                let digits = String(byte, radix: 16)
                return "~\(digits.utf8.count < 2 ? "0" : "")\(digits)"
            }
        }
        .joined()
    }
}
