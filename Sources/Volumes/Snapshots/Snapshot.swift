public import Secrets

/// What a caller asks of a new snapshot.
///
/// CSI: CreateSnapshotRequest.
public struct CreateSnapshotRequest: Sendable {
    /// The caller's name for it; makes repeats the same snapshot.
    public var name: String
    /// The handle of the volume to take it of.
    public var source: String
    /// The VolumeSnapshotClass' parameters, as given.
    public var parameters: [String: String]
    /// Who we are to Ceph.
    public var credentials: Credentials
    /// What is written on the image beside it, such as the names that it has in Kubernetes; short texts.
    public var notes: [String: String]

    /// Puts a request together.
    public init(
        name: String,
        source: String,
        parameters: [String: String] = [:],
        credentials: Credentials,
        notes: [String: String] = [:]
    ) {
        self.name = name
        self.source = source
        self.parameters = parameters
        self.credentials = credentials
        self.notes = notes
    }
}

/// A snapshot as the caller gets to see it.
///
/// CSI: Snapshot.
public struct Snapshot: Sendable, Hashable {
    /// Its handle.
    public var id: SnapshotID
    /// The volume that it was taken of; `nil` when that was deleted since, and its image is kept for its snapshots.
    public var source: VolumeID?
    /// The handle of the volume that it was taken of, as it was then; there also when that volume is deleted.
    public var sourceHandle: String
    /// The size of a volume made from it, at least, in bytes.
    public var sizeBytes: UInt64
    /// When it was taken, since 1970.
    public var created: Duration
    /// Whether a volume can be made from it.
    public var isReady: Bool
    /// The name under which it was requested; empty when that is not known.
    public var name: String
    /// What was noted with the create, such as the names that it has in Kubernetes.
    public var notes: [String: String]

    /// Describes a snapshot.
    public init(
        id: SnapshotID,
        source: VolumeID?,
        sourceHandle: String,
        sizeBytes: UInt64,
        created: Duration,
        isReady: Bool = true,
        name: String = "",
        notes: [String: String] = [:]
    ) {
        self.id = id
        self.source = source
        self.sourceHandle = sourceHandle
        self.sizeBytes = sizeBytes
        self.created = created
        self.isReady = isReady
        self.name = name
        self.notes = notes
    }
}

/// A page of snapshots.
///
/// CSI: ListSnapshotsResponse.
public struct SnapshotPage: Sendable {
    /// The snapshots, in the order of their clusters, pools and names.
    public var snapshots: [Snapshot]
    /// Where the next page starts; empty after the last.
    public var nextToken: String

    /// Makes a page.
    public init(snapshots: [Snapshot], nextToken: String) {
        self.snapshots = snapshots
        self.nextToken = nextToken
    }
}
