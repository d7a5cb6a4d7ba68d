internal import ExactText

/// The handle of a snapshot: `clusterID/pool/namespace/imageID@csi-snap-UUID`.
///
/// | field | what | may be empty |
/// | --- | --- | --- |
/// | clusterID | key into config.json | no |
/// | pool | the RBD pool | no |
/// | namespace | the RADOS namespace in that pool | yes: the default namespace |
/// | imageID | the id of the image that it was taken of, not its name: a deleted source loses its name, and keeps its id | no |
/// | name | the snapshot's name on the image | no |
///
/// At most 128 bytes in all (CSI: size limits).
public struct SnapshotID: Sendable, Hashable, CustomStringConvertible {
    /// The longest handle that CSI allows, in bytes.
    public static let longestBytes = 128

    /// The cluster's key in config.json.
    public let clusterID: String
    /// The pool's name.
    public let pool: String
    /// The RADOS namespace in the pool; empty for the default one.
    public let namespace: String
    /// The id of the image that it was taken of.
    public let imageID: String
    /// Its name on the image: `csi-snap-UUID`.
    public let name: String

    /// Puts a handle together and checks every part.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` that names the part at fault.
    public init(
        clusterID: String,
        pool: String,
        namespace: String,
        imageID: String,
        name: String
    ) throws(VolumeError) {
        let what = "snapshot handle"
        try VolumeID.check("clusterID", clusterID, of: what)
        try VolumeID.check("pool", pool, of: what)
        if !namespace.isEmpty { try VolumeID.check("namespace", namespace, of: what) }
        try VolumeID.check("image id", imageID, of: what)
        try VolumeID.check("snapshot name", name, of: what)
        let parts = [
            ("clusterID", clusterID), ("pool", pool), ("namespace", namespace), ("image id", imageID),
            ("snapshot name", name),
        ]
        let length = parts.reduce(4) { $0 + $1.1.utf8.count }
        guard length <= Self.longestBytes else {
            let longest = parts.dropLast(2).max { $0.1.utf8.count < $1.1.utf8.count } ?? parts[0]
            throw .invalid(
                "snapshot handle would be \(length) bytes, the limit is \(Self.longestBytes): "
                    + "the longest part is \(longest.0) with \(longest.1.utf8.count) bytes; shorten it"
            )
        }
        self.clusterID = clusterID
        self.pool = pool
        self.namespace = namespace
        self.imageID = imageID
        self.name = name
    }

    /// The handle of a snapshot of an image in the same pool as a volume.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` when it would be too long.
    public init(of volume: VolumeID, imageID: String, name: String) throws(VolumeError) {
        try self.init(
            clusterID: volume.clusterID,
            pool: volume.pool,
            namespace: volume.namespace,
            imageID: imageID,
            name: name
        )
    }

    /// Reads a handle.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` when `handle` is not one.
    public init(parsing handle: String) throws(VolumeError) {
        guard handle.utf8.count <= Self.longestBytes else {
            throw .invalid("snapshot handle has \(handle.utf8.count) bytes, the limit is \(Self.longestBytes)")
        }
        let parts = handle.parts(at: "/")
        let last = parts.last?.parts(at: "@") ?? []
        guard parts.count == 4, last.count == 2 else {
            throw .invalid("snapshot handle '\(handle.printable)' is not clusterID/pool/namespace/imageID@snapshot")
        }
        try self.init(clusterID: parts[0], pool: parts[1], namespace: parts[2], imageID: last[0], name: last[1])
    }

    /// The handle.
    public var description: String { "\(clusterID)/\(pool)/\(namespace)/\(imageID)@\(name)" }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool { one.description.isExactly(other.description) }

    /// Feeds the handle's bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(ExactText(description)) }

    /// The pool as Ceph's tools write it: `pool` or `pool/namespace`.
    public var poolSpec: String { namespace.isEmpty ? pool : "\(pool)/\(namespace)" }

    /// The snapshot of an image with this name as Ceph's tools write it: `pool/image@snapshot`.
    public func spec(ofImage image: String) -> String { "\(poolSpec)/\(image)@\(name)" }
}
