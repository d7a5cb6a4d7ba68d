public import Secrets

/// What a node does with volumes: device, staging path, pod.
///
/// CSI: the Node service.
///
/// Handles are passed unparsed: a node must be able to release a volume whose handle it cannot parse.
public protocol NodeService: Sendable {
    /// Maps the image, makes a file system on a blank device, mounts it at the staging path.
    ///
    /// CSI: NodeStageVolume.
    func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError)

    /// Unmounts the staging path and unmaps the image; succeeds if neither is there.
    ///
    /// CSI: NodeUnstageVolume.
    func unstage(volumeID: String, stagingPath: String, deadline: ContinuousClock.Instant) async throws(VolumeError)

    /// Bind-mounts the staged volume at the pod's path.
    ///
    /// CSI: NodePublishVolume.
    func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError)

    /// Removes the pod's path; succeeds if it is not there.
    ///
    /// CSI: NodeUnpublishVolume.
    func unpublish(volumeID: String, targetPath: String, deadline: ContinuousClock.Instant) async throws(VolumeError)

    /// Grows device and file system to the image's size and returns it in bytes.
    ///
    /// CSI: NodeExpandVolume.
    func expand(_ request: NodeExpandRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> UInt64

    /// How full the volume at a path is, and how it is.
    ///
    /// CSI: NodeGetVolumeStats.
    func stats(_ request: StatsRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStats

    /// Who this node is.
    ///
    /// CSI: NodeGetInfo.
    var info: NodeInfo { get }
}

/// CSI: NodeStageVolumeRequest.
public struct StageRequest: Sendable {
    /// The volume's handle, as given.
    public var volumeID: String
    /// An absolute path to an existing directory, kubelet's `globalmount`.
    public var stagingPath: String
    /// How it is used.
    public var capability: VolumeCapability
    /// Who we are to Ceph.
    public var credentials: Credentials
    /// The PV's volumeAttributes.
    public var context: [String: String]

    /// A key of `context` by which a volume that was made for a file system is staged as a raw device, `true`: so that a
    /// person can check and repair it.
    public static let repair = "nacre.io/repair"

    /// Puts it together.
    public init(
        volumeID: String,
        stagingPath: String,
        capability: VolumeCapability,
        credentials: Credentials,
        context: [String: String]
    ) {
        self.volumeID = volumeID
        self.stagingPath = stagingPath
        self.capability = capability
        self.credentials = credentials
        self.context = context
    }
}

/// CSI: NodePublishVolumeRequest.
public struct PublishRequest: Sendable {
    /// The volume's handle, as given.
    public var volumeID: String
    /// Where it is staged.
    public var stagingPath: String
    /// An absolute path; made when missing.
    public var targetPath: String
    /// How it is used.
    public var capability: VolumeCapability
    /// Whether the pod may only read.
    public var isReadOnly: Bool
    /// The PV's volumeAttributes.
    public var context: [String: String]

    /// Puts it together.
    public init(
        volumeID: String,
        stagingPath: String,
        targetPath: String,
        capability: VolumeCapability,
        isReadOnly: Bool,
        context: [String: String]
    ) {
        self.volumeID = volumeID
        self.stagingPath = stagingPath
        self.targetPath = targetPath
        self.capability = capability
        self.isReadOnly = isReadOnly
        self.context = context
    }
}

/// CSI: NodeExpandVolumeRequest.
public struct NodeExpandRequest: Sendable {
    /// The volume's handle, as given.
    public var volumeID: String
    /// Where the volume is published or staged.
    public var volumePath: String
    /// Empty when not given.
    public var stagingPath: String
    /// The sizes wanted, if given.
    public var range: CapacityRange?
    /// How it is used, if given.
    public var capability: VolumeCapability?

    /// The words of the refusal of an ext4 that cannot grow while it is mounted.
    ///
    /// What comes from a service is a sentence, so the sentence is what tells it.
    public static let lackOfCapability = "lacks CAP_SYS_RESOURCE"

    /// The words of the refusal of what is mounted or mapped read-only, which grows when it is next used writable.
    public static let keepsSize = "so its device keeps its"

    /// Whether a refusal is no fault: the file system follows when the volume is used anew.
    public static func isLater(_ error: VolumeError) -> Bool {
        error.code == .failedPrecondition
            && (error.message.contains(lackOfCapability) || error.message.contains(keepsSize))
    }

    /// Puts it together.
    public init(
        volumeID: String,
        volumePath: String,
        stagingPath: String,
        range: CapacityRange?,
        capability: VolumeCapability?
    ) {
        self.volumeID = volumeID
        self.volumePath = volumePath
        self.stagingPath = stagingPath
        self.range = range
        self.capability = capability
    }
}

/// CSI: NodeGetVolumeStatsRequest.
public struct StatsRequest: Sendable {
    /// The volume's handle, as given.
    public var volumeID: String
    /// Where the volume is published or staged.
    public var volumePath: String
    /// Empty when not given.
    public var stagingPath: String

    /// Puts it together.
    public init(volumeID: String, volumePath: String, stagingPath: String) {
        self.volumeID = volumeID
        self.volumePath = volumePath
        self.stagingPath = stagingPath
    }
}

/// CSI: NodeGetVolumeStatsResponse.
public struct VolumeStats: Sendable {
    /// One kind of thing that runs out.
    ///
    /// CSI: VolumeUsage.
    public struct Usage: Sendable, Hashable {
        /// Left.
        public var available: UInt64
        /// In all.
        public var total: UInt64
        /// Taken.
        public var used: UInt64

        /// Puts it together.
        public init(available: UInt64, total: UInt64, used: UInt64) {
            self.available = available
            self.total = total
            self.used = used
        }
    }

    /// In bytes; `nil` where the mount cannot be read.
    public var bytes: Usage?
    /// Nothing for a raw block device.
    public var inodes: Usage?
    /// How the volume is.
    public var condition: VolumeCondition

    /// Puts it together.
    public init(bytes: Usage?, inodes: Usage?, condition: VolumeCondition) {
        self.bytes = bytes
        self.inodes = inodes
        self.condition = condition
    }
}

/// CSI: NodeGetInfoResponse.
public struct NodeInfo: Sendable, Hashable {
    /// The node's name, at most 128 bytes.
    public var nodeID: String
    /// 0 for no limit of our own.
    public var maxVolumes: Int64

    /// Puts it together.
    public init(nodeID: String, maxVolumes: Int64) {
        self.nodeID = nodeID
        self.maxVolumes = maxVolumes
    }
}
