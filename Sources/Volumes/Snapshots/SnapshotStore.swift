internal import ExactText
public import Secrets

/// Where snapshots and clones are kept: the part of an `ImageStore` that knows them.
///
/// Every call may find what a killed process left; every call may be repeated.
public protocol SnapshotStore: Sendable {
    /// Takes a snapshot of a volume's image, or finds it; the index of names and the record on the image come first.
    ///
    /// Throws `.notFound` when the volume is not there, `.failedPrecondition` when it is not Nacre's, `.alreadyExists`
    /// when the name is that of another image's snapshot, or that of another request. `notes.format` is filled in by the
    /// store.
    func takeSnapshot(
        _ name: String,
        of id: VolumeID,
        notes: SnapshotNotes,
        credentials: Credentials
    ) async throws(VolumeError) -> Snapshot

    /// A snapshot of Nacre's, or `nil` if there is none of that handle.
    func snapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError) -> Snapshot?

    /// Where the pool's index of names leads for a snapshot that a create began for a volume, whether that is there or not.
    ///
    /// `nil` if it leads nowhere, or to what was requested under another name or of another volume.
    func begunSnapshot(
        _ name: String,
        requested requestName: String,
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError) -> SnapshotID?

    /// Removes a snapshot of Nacre's with its record; succeeds if it is not there.
    ///
    /// An image that was kept for it alone goes to the trash. Throws `.failedPrecondition` for a snapshot that is not
    /// Nacre's, and for one that a person has protected.
    func removeSnapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError)

    /// The snapshots of Nacre's that a volume has, oldest first; none if there is no such volume.
    func snapshots(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [Snapshot]

    /// Up to `limit` snapshots, in the order of their clusters, pools and names, after the one named by `cursor`.
    ///
    /// A cluster or pool that cannot be listed is passed over and named in the page, as `ImageStore.images` does it.
    func snapshots(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> SnapshotList

    /// What a volume can be made from, or `nil` if it is not there.
    ///
    /// Throws `.failedPrecondition` when it is not Nacre's.
    func cloneSource(_ origin: CloneOrigin, credentials: Credentials) async throws(VolumeError) -> CloneSource?

    /// Makes an image that reads from its source what nobody wrote to it; of a volume, by a snapshot that goes again.
    ///
    /// Its size, which is returned, is what `sizeBytes` says of that of its source at that moment, and that at least. Throws
    /// `.alreadyExists` if there is an image of that name, or a part of one, `.notFound` if the source is gone.
    func cloneImage(
        _ id: VolumeID,
        of origin: CloneOrigin,
        sized sizeBytes: @Sendable (UInt64) throws(VolumeError) -> UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64

    /// Removes what a killed clone left under a name, if it is no volume yet; returns whether there was such.
    func removeHalfMadeClone(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool

    /// Removes what the making of a clone needed, once the clone is a volume; does nothing where nothing is left.
    func endClone(_ id: VolumeID, of origin: CloneOrigin, credentials: Credentials) async throws(VolumeError)
}

/// What a clone is made from: a `ContentSource` whose handle could be read.
public enum CloneOrigin: Sendable, Hashable, CustomStringConvertible {
    /// A snapshot.
    case snapshot(SnapshotID)
    /// A volume, as it is when the clone is made.
    case volume(VolumeID)

    /// The key of its cluster in config.json.
    public var clusterID: String {
        switch self {
        case .snapshot(let id): id.clusterID
        case .volume(let id): id.clusterID
        }
    }

    /// Its handle.
    public var handle: String {
        switch self {
        case .snapshot(let id): id.description
        case .volume(let id): id.description
        }
    }

    /// For a person: `snapshot 'lab/rbd//1a2b@csi-snap-…'`.
    public var description: String {
        switch self {
        case .snapshot(let id): "snapshot '\(id)'"
        case .volume(let id): "volume '\(id)'"
        }
    }
}

/// What a volume is made from, as the store found it.
public struct CloneSource: Sendable, Hashable {
    /// The size in bytes, which the new volume has at least.
    public var sizeBytes: UInt64
    /// The metadata of the image that it lies on.
    public var metadata: [String: String]

    /// Describes a source.
    public init(sizeBytes: UInt64, metadata: [String: String]) {
        self.sizeBytes = sizeBytes
        self.metadata = metadata
    }
}

/// A part of a list of snapshots.
public struct SnapshotList: Sendable {
    /// The snapshots.
    public var snapshots: [Snapshot]
    /// Clusters and pools that could not be listed, on this page or on those before, by their keys.
    public var missing: [String]

    /// Makes a part.
    public init(_ snapshots: [Snapshot], missing: [String] = []) {
        self.snapshots = snapshots
        self.missing = missing
    }
}
