public import Secrets

/// The operations on volumes that do not concern a node.
///
/// CSI: the Controller service.
///
/// Every call may be repeated at any time, also after success and after a crash, and then gives the same answer. A call
/// that finds an equal one under way joins it. When a call reaches its deadline, the operation continues.
public protocol ControllerService: Sendable {
    /// Creates a volume, or finds the one that an earlier call with that name created.
    ///
    /// CSI: CreateVolume.
    func createVolume(
        _ request: CreateVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Volume

    /// The handle that a volume with this name and class has, whether it exists or not; sends no request.
    ///
    /// Throws `.invalidArgument` if no volume can be made of these.
    func handle(of name: String, parameters: [String: String]) throws(VolumeError) -> VolumeID

    /// The metadata of the volume's image, with the keys of `ImageMetadataKey` and of ceph-csi; read as the user of
    /// `credentials`, or as the service's own user.
    ///
    /// Throws `.notFound` when there is no such image.
    func metadata(
        of volumeID: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> [String: String]

    /// Writes on the volume's image what Kubernetes says of it now: which claim has it, and what its PersistentVolume says.
    func setNotes(
        _ notes: [String: String],
        of volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Moves the volume's image to the trash; succeeds if the volume does not exist, and refuses one that is not
    /// Nacre's.
    ///
    /// CSI: DeleteVolume.
    ///
    /// An image that is kept for a while says `notes`, for who wants it back.
    func deleteVolume(
        _ volumeID: String,
        noting notes: [String: String],
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Grows the volume; does nothing if it is large enough.
    ///
    /// CSI: ControllerExpandVolume.
    func expandVolume(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume

    /// Whether the volume exists and can be used so.
    ///
    /// CSI: ValidateVolumeCapabilities.
    func validateCapabilities(
        _ request: ValidateCapabilitiesRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> CapabilityVerdict

    /// A page of the volumes that there are.
    ///
    /// CSI: ListVolumes.
    ///
    /// `maxEntries` is the longest page wanted, 0 for the default; `startingToken` is empty for the first page,
    /// otherwise the token of the page before. Throws `.aborted` for an unknown token.
    func listVolumes(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage

    /// The free capacity for volumes with these parameters; without parameters, that of all clusters and pools
    /// together.
    ///
    /// Read as the user of `credentials`, or as the service's own user.
    ///
    /// CSI: GetCapacity.
    func capacity(
        parameters: [String: String],
        capabilities: [VolumeCapability],
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Capacity

    /// A volume and how it is.
    ///
    /// CSI: ControllerGetVolume.
    func status(of volumeID: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStatus

    /// Takes a snapshot of a volume, or finds the one that an earlier call with that name took.
    ///
    /// CSI: CreateSnapshot.
    ///
    /// Throws `.alreadyExists` when the name is that of a snapshot of another volume.
    func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot

    /// What a create with that name has begun for a volume, also when the volume was deleted since; `nil` if there is nothing of it.
    ///
    /// It may be a part of a snapshot only, which `snapshot` does not show and `deleteSnapshot` removes.
    func begunSnapshot(
        named name: String,
        of source: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotID?

    /// Removes a snapshot; succeeds if it does not exist. Volumes that were made from it stay whole.
    ///
    /// CSI: DeleteSnapshot.
    ///
    /// As the user of `credentials`, or as the service's own user.
    func deleteSnapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// A snapshot; throws `.notFound` when there is none of that handle.
    ///
    /// CSI: GetSnapshot.
    func snapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot

    /// A page of the snapshots that there are.
    ///
    /// CSI: ListSnapshots.
    ///
    /// `source` is the handle of a volume, for its snapshots alone; `maximum` is the longest page wanted, 0 for the
    /// default; `token` is empty for the first page, otherwise the token of the page before. Throws `.aborted` for an
    /// unknown token.
    func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage
}

/// CSI: ControllerExpandVolumeRequest.
public struct ExpandVolumeRequest: Sendable {
    /// The volume's handle.
    public var volumeID: String
    /// The sizes wanted.
    public var range: CapacityRange
    /// How it is used, if the caller says so.
    public var capability: VolumeCapability?
    /// Who we are to Ceph.
    public var credentials: Credentials

    /// Puts a request together.
    public init(volumeID: String, range: CapacityRange, capability: VolumeCapability?, credentials: Credentials) {
        self.volumeID = volumeID
        self.range = range
        self.capability = capability
        self.credentials = credentials
    }
}

/// CSI: ControllerExpandVolumeResponse.
public struct ExpandedVolume: Sendable, Hashable {
    /// The volume's size now, in bytes.
    public var capacityBytes: UInt64
    /// Whether a node on which it is mounted must grow the file system.
    public var nodeExpansionRequired: Bool

    /// States a size.
    public init(capacityBytes: UInt64, nodeExpansionRequired: Bool) {
        self.capacityBytes = capacityBytes
        self.nodeExpansionRequired = nodeExpansionRequired
    }
}

/// CSI: ValidateVolumeCapabilitiesRequest.
public struct ValidateCapabilitiesRequest: Sendable {
    /// The volume's handle.
    public var volumeID: String
    /// At least one.
    public var capabilities: [VolumeCapability]
    /// The StorageClass' parameters, if the caller has them.
    public var parameters: [String: String]
    /// The PV's volumeAttributes, if the caller has them.
    public var context: [String: String]
    /// The Ceph user; the service's own user if none is given.
    public var credentials: Credentials?

    /// Puts a request together.
    public init(
        volumeID: String,
        capabilities: [VolumeCapability],
        parameters: [String: String],
        context: [String: String],
        credentials: Credentials?
    ) {
        self.volumeID = volumeID
        self.capabilities = capabilities
        self.parameters = parameters
        self.context = context
        self.credentials = credentials
    }
}

extension ControllerService {
    /// The same, and the image says nothing more.
    public func deleteVolume(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await deleteVolume(volumeID, noting: [:], credentials: credentials, deadline: deadline)
    }
}
