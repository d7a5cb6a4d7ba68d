internal import ExactText

/// An image, by names.
public struct ImageAddress: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The cluster's name here, to tell equal images of two clusters apart.
    public let clusterID: String
    /// The pool.
    public let pool: String
    /// The RADOS namespace; empty for the default one.
    public let namespace: String
    /// The image.
    public let name: String

    /// Names an image.
    public init(clusterID: String, pool: String, namespace: String, name: String) {
        self.clusterID = clusterID
        self.pool = pool
        self.namespace = namespace
        self.name = name
    }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool {
        one.clusterID.isExactly(other.clusterID) && one.pool.isExactly(other.pool)
            && one.namespace.isExactly(other.namespace) && one.name.isExactly(other.name)
    }

    /// Feeds the names' bytes.
    public func hash(into hasher: inout Hasher) {
        for part in [clusterID, pool, namespace, name] { hasher.combine(ExactText(part)) }
    }

    /// As Ceph's tools write it: `pool/namespace/image`.
    public var description: String { namespace.isEmpty ? "\(pool)/\(name)" : "\(pool)/\(namespace)/\(name)" }

    /// A file name that is this image's alone: `cluster~pool~namespace~image`, other characters as `%XX`.
    public var fileName: String { Self.fileName(of: "\(clusterID)/\(pool)/\(namespace)/\(name)") }

    /// The file name for a volume's handle.
    public static func fileName(of handle: String) -> String {
        var escaped = ""
        for byte in handle.utf8 {
            switch byte {
            case UInt8(ascii: "/"): escaped += "~"
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                escaped += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        guard escaped.utf8.count > 200 else { return escaped }
        // A handle has 128 bytes at most, so only names of many escapes come here.
        return "\(escaped.prefix(180))~\(String(FNV.hash64(escaped), radix: 16))"
    }
}
