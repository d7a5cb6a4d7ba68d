internal import ExactText

/// One block device as sysfs shows it: a disk, a partition, a mapping.
public struct BlockNode: Sendable, Hashable {
    /// The kernel's name: `sda`, `nvme0n1p2`, `dm-3`.
    public var name: String
    /// Its number.
    public var device: DeviceNumber
    /// Its size in bytes.
    public var sizeBytes: UInt64 = 0
    /// Whether the kernel refuses writes.
    public var isReadOnly = false
    /// Whether its medium can be taken out.
    public var isRemovable = false
    /// Its number as a partition; `nil` for whole devices.
    public var partitionNumber: Int?
    /// Where a partition starts on its disk, in bytes.
    public var startBytes: UInt64?
    /// The disk of a partition.
    public var parent: String?
    /// Devices made of this one.
    public var holders: [String] = []
    /// Devices that this one is made of.
    public var slaves: [String] = []
    /// A number that is unique until the next boot.
    public var diskSequence: UInt64?
    /// The name and uuid of a mapping of the device mapper.
    public var mapping: Mapping?
    /// The level of a software RAID; `nil` for other devices.
    public var raidLevel: String?
    /// Whether it is a bcache device.
    public var isBcache = false
    /// The file behind a loop device.
    public var backingFile: String?
    /// What the hardware says of itself.
    public var hardware = Hardware()
    /// What the request queue says.
    public var queue = Queue()

    /// A mapping of the device mapper.
    public struct Mapping: Sendable, Hashable {
        /// Its name below `/dev/mapper`.
        public var name: String
        /// Its creator and an identifier: `LVM-…`, `CRYPT-LUKS2-…`, `mpath-…`.
        public var uuid: String

        /// A mapping by its name and uuid.
        public init(name: String, uuid: String) {
            self.name = name
            self.uuid = uuid
        }
    }

    /// Who a disk is.
    public struct Hardware: Sendable, Hashable {
        /// The model, without padding.
        public var model: String?
        /// The vendor, without padding.
        public var vendor: String?
        /// The serial number.
        public var serial: String?
        /// The world-wide name.
        public var worldWideName: String?
        /// Whether it comes and goes with a USB plug.
        public var isUSB = false
    }

    /// What the request queue tells.
    public struct Queue: Sendable, Hashable {
        /// Whether it has rotating media.
        public var isRotational = false
        /// The unit of addresses, in bytes.
        public var logicalSectorBytes = 512
        /// The unit of the medium, in bytes.
        public var physicalSectorBytes = 512
        /// The longest discard; 0 when there is none.
        public var discardMaxBytes: UInt64 = 0
        /// The longest offloaded write of zeros; 0 when the kernel writes them itself.
        public var writeZeroesMaxBytes: UInt64 = 0
        /// `none`, `host-aware` or `host-managed`.
        public var zoneModel = "none"
    }

    /// A node with a name and a number.
    public init(name: String, device: DeviceNumber) {
        self.name = name
        self.device = device
    }

    /// `/dev/` and the name.
    public var path: String { "/dev/\(name)" }
    /// Whether it is a partition.
    public var isPartition: Bool { partitionNumber != nil }
    /// Whether it is a loop device.
    public var isLoop: Bool { name.startsExactly(with: "loop") && !isPartition }
}
