/// Everything on a device, found without the kernel: tables, parts, labels, marks.
public struct DeviceContents: Sendable, Hashable {
    /// The limit of inspected partitions and volumes: untrusted bytes could claim any number.
    static let maximumRegions = 512

    /// How large the device is.
    public let sizeBytes: UInt64
    /// The unit of addresses.
    public let sectorBytes: UInt64
    /// The device first, then its parts, each before its own parts.
    public let regions: [Region]

    /// Looks at a device.
    public init(_ source: any ByteSource, sectorBytes: UInt64) {
        sizeBytes = source.sizeBytes
        self.sectorBytes = sectorBytes
        let device = Region(
            .device,
            source,
            extents: [ByteExtent(offset: 0, length: source.sizeBytes)],
            isWhole: true,
            sectorBytes: sectorBytes
        )
        var regions = [device]
        var index = 0
        while index < regions.count, regions.count < Self.maximumRegions {
            regions += regions[index].parts(on: source, sectorBytes: sectorBytes)
            index += 1
        }
        self.regions = Array(regions.prefix(Self.maximumRegions))
    }

    private var tables: PartitionTables { regions[0].tables }
    /// A GUID partition table, in the device's own unit.
    public var gpt: GPT? { tables.gpt }
    /// A table in the other unit (512 or 4096), from a time when the disk had another controller.
    public var foreignGPT: GPT? { tables.foreignGPT }
    /// A master boot record.
    public var mbr: MBR? { tables.mbr }

    /// The extents of the device's own partition tables: every copy of a GPT in either unit, the MBR, extended boot
    /// records.
    public var tablePlaces: [ByteExtent] { tables.places }

    /// Whether nothing at all was found.
    public var isBlank: Bool {
        regions.count == 1 && regions[0].signatures.isEmpty && regions[0].blueStore == nil && regions[0].hasBlankEdges
    }
}
