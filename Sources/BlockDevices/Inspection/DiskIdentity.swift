public import LinuxKernel

/// Who a disk is, so that it cannot be taken for another after a reboot or a hot plug.
public struct DiskIdentity: Sendable, Hashable {
    /// The kernel's name; it may be another disk's tomorrow.
    public let name: String
    /// Its number, until the next boot.
    public let device: DeviceNumber
    /// A number that no other disk has until the next boot.
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
    }

    /// What a person types to say that it is this disk: its serial number, or the best that it has.
    ///
    /// Partitions are called by their disk's word and their number.
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
