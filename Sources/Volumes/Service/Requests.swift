public import Secrets

/// What a caller asks of a new volume.
///
/// CSI: CreateVolumeRequest.
public struct CreateVolumeRequest: Sendable {
    /// The caller's name for it; makes repeats the same volume.
    public var name: String
    /// The sizes it accepts.
    public var range: CapacityRange
    /// How it will be used; at least one.
    public var capabilities: [VolumeCapability]
    /// The StorageClass' parameters, as given.
    public var parameters: [String: String]
    /// Who we are to Ceph.
    public var credentials: Credentials
    /// What to make it from; `nil` for an empty volume.
    public var source: ContentSource?

    /// Puts a request together.
    public init(
        name: String,
        range: CapacityRange,
        capabilities: [VolumeCapability],
        parameters: [String: String],
        credentials: Credentials,
        source: ContentSource? = nil
    ) {
        self.name = name
        self.range = range
        self.capabilities = capabilities
        self.parameters = parameters
        self.credentials = credentials
        self.source = source
    }
}

/// A page of volumes.
///
/// CSI: ListVolumesResponse.
public struct VolumePage: Sendable {
    /// The volumes, in the order of their handles' clusters, pools and names.
    public var volumes: [Volume]
    /// Where the next page starts; empty after the last.
    public var nextToken: String

    /// Makes a page.
    public init(volumes: [Volume], nextToken: String) {
        self.volumes = volumes
        self.nextToken = nextToken
    }
}

/// Room for volumes.
///
/// CSI: GetCapacityResponse.
public struct Capacity: Sendable, Hashable {
    /// Bytes that can still be written to volumes, after replication.
    public var availableBytes: UInt64
    /// The largest volume we make, in bytes.
    public var largestVolumeBytes: UInt64
    /// The smallest volume we make, in bytes.
    public var smallestVolumeBytes: UInt64

    /// Makes a statement of capacity.
    ///
    /// - Parameters:
    ///   - availableBytes: Bytes that can still be written.
    ///   - largestVolumeBytes: The largest volume that is made.
    public init(availableBytes: UInt64, largestVolumeBytes: UInt64 = CapacityRange.largestBytes) {
        self.availableBytes = availableBytes
        self.largestVolumeBytes = largestVolumeBytes
        smallestVolumeBytes = CapacityRange.granularityBytes
    }
}

/// A volume and how it is.
///
/// CSI: ControllerGetVolumeResponse.
public struct VolumeStatus: Sendable {
    /// The volume.
    public var volume: Volume
    /// How it is.
    public var condition: VolumeCondition

    /// Pairs a volume with its condition.
    public init(volume: Volume, condition: VolumeCondition) {
        self.volume = volume
        self.condition = condition
    }
}

/// Whether a volume is well, and its state in words.
///
/// CSI: VolumeCondition.
public struct VolumeCondition: Sendable, Hashable {
    /// Whether something is wrong with it.
    public var isAbnormal: Bool
    /// One sentence, never empty.
    public var message: String

    /// States a condition.
    public init(isAbnormal: Bool, message: String) {
        self.isAbnormal = isAbnormal
        self.message = message
    }

    /// The words of a condition in which an image cannot be deleted.
    ///
    /// What comes from a service is a sentence, so the sentence is what tells it: by `it cannot be deleted` or
    /// `volume cannot be deleted` where a part of it begins.
    public static let undeletable = "cannot be deleted"

    /// The words of a condition before those who have the image in use.
    public static let inUse = "in use by"

    /// Why the image cannot be deleted as it is; `nil` if the sentence knows no reason.
    public var obstacleToDeletion: String? {
        // Elsewhere, the words may be part of a name that somebody gave.
        let text = "; " + message
        let found = ["; it ", "; volume ", ", so it ", "; until then it "].compactMap { lead in
            text.firstRange(of: lead + Self.undeletable)
        }
        guard let words = found.min(by: { $0.lowerBound < $1.lowerBound }) else { return nil }
        let rest = text[words.upperBound...]
        return rest.starts(with: ": ") ? String(rest.dropFirst(2)) : message
    }
}

/// The answer to whether capabilities suit a volume.
///
/// CSI: ValidateVolumeCapabilitiesResponse.
public enum CapabilityVerdict: Sendable {
    /// They all do.
    case confirmed
    /// They do not, for this reason.
    case refused(String)
}

/// A volume as the caller gets to see it.
///
/// CSI: Volume.
public struct Volume: Sendable, Hashable {
    /// Its handle.
    public var id: VolumeID
    /// Its size in bytes.
    public var capacityBytes: UInt64
    /// What the node needs to know: the PV's volumeAttributes.
    public var context: [String: String]
    /// What its image says, in lists and queries; `nil` in the answer to a create.
    public var facts: VolumeFacts
    /// What it was made from; `nil` if it was made empty, or that is not known.
    public var source: ContentSource?

    /// Describes a volume.
    public init(
        id: VolumeID,
        capacityBytes: UInt64,
        context: [String: String] = [:],
        facts: VolumeFacts = VolumeFacts(),
        source: ContentSource? = nil
    ) {
        self.id = id
        self.capacityBytes = capacityBytes
        self.context = context
        self.facts = facts
        self.source = source
    }
}
