public import LinuxKernel

/// A disk's identity, so that it cannot be confused with another one after a reboot or hot plug.
public struct DiskIdentity: Sendable, Hashable {
    /// The kernel's name, which may belong to another disk after a reboot.
    public let name: String
    /// Its number, until the next boot.
    public let device: DeviceNumber
    /// A number that is unique until the next boot.
    public let diskSequence: UInt64?
    /// Its size.
    public let sizeBytes: UInt64
    /// The unit of addresses.
    public let sectorBytes: Int
    /// What it is.
    public let model: String?
    /// Its serial number.
    public let serial: String?
    /// Its world-wide name.
    public let worldWideName: String?
    /// The file behind a loop device.
    public let backingFile: String?
    /// For a partition: where it begins on its disk.
    public let startBytes: UInt64?
    /// The names that tell it from every other disk, also from a copy of it, as `BlockNode.tellingNames` has them.
    public let tellingNames: [String]

    /// Who a node is.
    public init(_ node: BlockNode) {
        name = node.name
        device = node.device
        diskSequence = node.diskSequence
        sizeBytes = node.sizeBytes
        sectorBytes = node.queue.logicalSectorBytes
        model = node.hardware.model
        serial = node.hardware.serial
        worldWideName = node.hardware.worldWideName
        backingFile = node.backingFile
        startBytes = node.startBytes
        tellingNames = node.tellingNames
    }

    /// What a person types to confirm the disk: its serial number, or the best identifier that it has.
    ///
    /// A partition is confirmed by its disk's identifier and its number.
    public var proof: String {
        serial ?? worldWideName ?? backingFile ?? diskSequence.map { "diskseq-\($0)" } ?? "\(name)-\(sizeBytes)"
    }

    /// What the word is that ``proof`` takes.
    public var proofKind: String {
        if serial != nil { return "serial number" }
        if worldWideName != nil { return "world-wide name" }
        if backingFile != nil { return "backing file" }
        return diskSequence != nil ? "disk sequence number" : "name and size"
    }
}
