internal import ExactText

/// The handle of a volume: `clusterID/pool/namespace/image`, in names, so that it survives mirroring to another cluster.
///
/// | field | what | may be empty |
/// | --- | --- | --- |
/// | clusterID | key into config.json | no |
/// | pool | the RBD pool | no |
/// | namespace | the RADOS namespace in that pool | yes: the default namespace |
/// | image | the image's name | no |
///
/// At most 128 bytes in all (CSI: size limits).
public struct VolumeID: Sendable, Hashable, CustomStringConvertible {
    /// The longest handle that CSI allows, in bytes.
    public static let longestBytes = 128

    /// The cluster's key in config.json.
    public let clusterID: String
    /// The pool's name.
    public let pool: String
    /// The RADOS namespace in the pool; empty for the default one.
    public let namespace: String
    /// The image's name.
    public let image: String

    /// Puts a handle together and checks every part.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` that names the part at fault.
    public init(clusterID: String, pool: String, namespace: String, image: String) throws(VolumeError) {
        try Self.check("clusterID", clusterID)
        try Self.check("pool", pool)
        if !namespace.isEmpty { try Self.check("namespace", namespace) }
        try Self.check("image", image)
        let length = clusterID.utf8.count + pool.utf8.count + namespace.utf8.count + image.utf8.count + 3
        guard length <= Self.longestBytes else {
            let parts = [("clusterID", clusterID), ("pool", pool), ("namespace", namespace), ("image", image)]
            let longest = parts.max { $0.1.utf8.count < $1.1.utf8.count } ?? parts[0]
            throw .invalid(
                "volume handle would be \(length) bytes, the limit is \(Self.longestBytes): "
                    + "the longest part is \(longest.0) with \(longest.1.utf8.count) bytes; shorten it"
            )
        }
        self.clusterID = clusterID
        self.pool = pool
        self.namespace = namespace
        self.image = image
    }

    /// Reads a handle.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` when `handle` is not one.
    public init(parsing handle: String) throws(VolumeError) {
        guard handle.utf8.count <= Self.longestBytes else {
            throw .invalid(
                "volume handle has \(handle.utf8.count) bytes, the limit is \(Self.longestBytes)"
            )
        }
        let parts = handle.parts(at: "/")
        guard parts.count == 4 else {
            throw .invalid("volume handle '\(handle.printable)' is not clusterID/pool/namespace/image")
        }
        try self.init(clusterID: parts[0], pool: parts[1], namespace: parts[2], image: parts[3])
    }

    /// Whether a handle is one of ceph-csi's, whose image Nacre cannot derive:
    /// `0001-0009-rook-ceph-0000000000000001-9a7ea1f3-…`.
    ///
    /// See: ceph-csi, internal/util/volid.go: version, length of the cluster's id, that id, the pool's number, a UUID.
    public static func isOfCephCSI(_ handle: String) -> Bool {
        let bytes = Array(handle.utf8)
        func isHexadecimal(_ part: ArraySlice<UInt8>) -> Bool {
            part.allSatisfy { byte in
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20
            }
        }
        // Four digits, four digits, …, sixteen digits and a UUID, separated by hyphens.
        guard bytes.count > 4 + 1 + 4 + 1 + 1 + 16 + 1 + 36, isHexadecimal(bytes[0..<4]), bytes[4] == UInt8(ascii: "-"),
            isHexadecimal(bytes[5..<9]), bytes[9] == UInt8(ascii: "-"),
            let length = Int(String(decoding: bytes[5..<9], as: UTF8.self), radix: 16),
            bytes.count == 10 + length + 1 + 16 + 1 + 36
        else { return false }
        let rest = bytes[(10 + length)...]
        return rest.first == UInt8(ascii: "-") && isHexadecimal(rest.dropFirst().prefix(16))
            && rest.dropFirst(17).first == UInt8(ascii: "-") && ImageName.endsInUUID(handle.lowercased())
    }

    /// Why the handles of volumes could not name this cluster and namespace; `nil` if they can.
    public static func refusal(clusterID: String, namespace: String) -> String? {
        do throws(VolumeError) {
            // The shortest pool, and an image that is a UUID alone.
            let uuid = String(repeating: "0", count: 36)
            _ = try VolumeID(clusterID: clusterID, pool: "p", namespace: namespace, image: uuid)
            return nil
        } catch {
            return error.message
        }
    }

    /// The handle.
    public var description: String { "\(clusterID)/\(pool)/\(namespace)/\(image)" }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool { one.description.isExactly(other.description) }

    /// Feeds the handle's bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(ExactText(description)) }

    /// The image as Ceph's tools write it: `pool/image` or `pool/namespace/image`.
    public var imageSpec: String {
        namespace.isEmpty ? "\(pool)/\(image)" : "\(pool)/\(namespace)/\(image)"
    }

    /// The name of what a node has of it below a directory of ours: `clusterID@pool@namespace@image`.
    ///
    /// The handle can be derived from it, because no part holds an `@`.
    public var directoryName: String { [clusterID, pool, namespace, image].joined(separator: "@") }

    /// Characters that have a special meaning in Ceph's image specs, in file names or in the handle.
    static func check(_ part: String, _ value: String, of what: String = "volume handle") throws(VolumeError) {
        guard !value.isEmpty else { throw .invalid("\(part) of a \(what) is empty") }
        guard !value.isExactly("."), !value.isExactly("..") else {
            throw .invalid("\(part) of a \(what) is '\(value)', which is not a name")
        }
        for scalar in value.unicodeScalars where scalar.isControl || scalar == "/" || scalar == "@" {
            throw .invalid("\(part) '\(value.printable)' of a \(what) holds a control character, '/' or '@'")
        }
    }
}
