public import BlockDevices
public import LinuxKernel

/// What a zap will erase on one device, in bytes, or why it refuses.
public struct ZapPlan: Sendable {
    /// The path by which the device was named.
    public let path: String
    /// What was found.
    public let inspection: DiskInspection
    /// Who would lose an OSD.
    public let owners: [OSDOwner]
    /// How it is erased.
    public let method: ZapMethod
    /// Mappings to remove before, the topmost first.
    public let teardown: [TeardownStep]
    /// What is erased, ordered by offset; the ranges do not overlap.
    public let ranges: [ByteExtent]
    /// Why each place is among them.
    public let reasons: [PlannedPlace]
    /// Structures worth a backup, in order.
    public let headers: [ByteExtent]
    /// Why it will not be done; empty if it can be.
    public let refusals: [Refusal]
    /// What a person should know before agreeing.
    public let warnings: [String]
    /// Whether an earlier zap of this disk did not finish.
    public let isResumed: Bool
    /// Clusters that have an OSD on the device, or had when an earlier zap began.
    public let clusters: [String]
    /// The names of its partitions and physical volumes, including those that it had when an earlier zap began.
    let parts: [String]
    /// Whether an earlier zap may have overwritten the first bytes with random data.
    let hasNoise: Bool
    /// Whether an earlier zap may have overwritten anything else with random data.
    let hasNoiseAnywhere: Bool

    /// Who the device is.
    public var identity: DiskIdentity { inspection.identity }
    /// How much is erased.
    public var bytesToErase: UInt64 { ranges.reduce(0) { $0 + $1.length } }
    /// Whether the device has nothing that must be erased.
    public var isBlank: Bool { inspection.contents?.isBlank ?? false }
}

/// A place that is erased, and what is or may be there.
public struct PlannedPlace: Sendable, Hashable {
    /// Where.
    public let extent: ByteExtent
    /// Why: `head of partition 2`, `BlueStore label copy of disk`.
    public let reason: String
}

/// A mapping that must be removed before its disk can be erased.
public struct TeardownStep: Sendable, Hashable {
    /// The kernel's name.
    public let node: String
    /// Its number.
    public let device: DeviceNumber
    /// Its name below `/dev/mapper`.
    public let mapping: String
    /// Its creator and identifier; must be unchanged when it is removed.
    public let uuid: String
    /// `LVM`, `CRYPT` or `linear`.
    public let kind: String
}
