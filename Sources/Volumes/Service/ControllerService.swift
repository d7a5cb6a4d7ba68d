public import Secrets

/// What the cluster does with volumes, wherever they are used.
///
/// CSI: the Controller service.
///
/// Every call may be repeated at any time, also after success and after a crash, and then gives the same answer.
/// A call that finds an equal one under way joins it; one that reaches its deadline leaves it to go on.
public protocol ControllerService: Sendable {
    /// Makes a volume, or finds the one that an earlier call of that name made.
    ///
    /// CSI: CreateVolume.
    func createVolume(
        _ request: CreateVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Volume

    /// The handle that the volume of a name and a class has, whether it is there or not; asks nobody.
    ///
    /// Throws `.invalidArgument` for what no volume can be made of.
    func handle(of name: String, parameters: [String: String]) throws(VolumeError) -> VolumeID

    /// What the volume's image says of it, by the keys of `ImageMetadataKey` and ceph-csi's; asked as the user of
    /// `credentials`, or as the service's own.
    ///
    /// Throws `.notFound` when there is no such image.
    func metadata(
        of volumeID: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> [String: String]

    /// Writes on the volume's image which claim has it.
    func setClaim(
        _ claim: ClaimName,
        of volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Moves the volume's image to the trash; a volume that is gone is a success, and one that is not ours is refused.
    ///
    /// CSI: DeleteVolume.
    func deleteVolume(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Grows the volume; one that is large enough stays as it is.
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
    /// `maxEntries` is the longest page wanted, 0 for our choice; `startingToken` is empty for the first page,
    /// otherwise the token that came with the page before. Throws `.aborted` for a token that is not ours.
    func listVolumes(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage

    /// Room left for volumes of these parameters; of all clusters and pools together without any.
    ///
    /// Asked as the user of `credentials`, or as the service's own.
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
    /// Whether a node that has it mounted must grow the file system.
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
    /// Who we are to Ceph; the service's own credentials when nothing is given.
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
