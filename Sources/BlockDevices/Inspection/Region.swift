/// A disk, or a part of one that can hold a file system or an OSD: a partition, a logical volume.
public struct Region: Sendable, Hashable {
    /// What kind of part it is.
    public enum Kind: Sendable, Hashable {
        /// The whole device.
        case device
        /// A partition of a table on the device, by its number.
        case partition(Int)
        /// A partition of a table in a part of the device, as on a virtual machine's disk; the part by its name.
        case nestedPartition(Int, in: String)
        /// Space outside of a table's partitions, by its offset in the part that has the table; `nil` for the device.
        case freeSpace(offset: UInt64, in: String?)
        /// A logical volume, by group and name.
        case logicalVolume(group: String, name: String)
        /// The data after a format's header, such as a RAID's; the part with the header, `nil` for the device.
        case dataArea(format: String, in: String?)

        /// Whether it is a partition of any table.
        public var isPartition: Bool {
            switch self {
            case .partition, .nestedPartition: true
            default: false
            }
        }
    }

    /// A part of a logical volume.
    public struct Piece: Sendable, Hashable {
        /// Where in the volume it begins.
        public let start: UInt64
        /// Where it lies on the device.
        public let extent: ByteExtent
    }

    /// What kind of part it is.
    public let kind: Kind
    /// How many parts it lies in.
    public let depth: Int
    /// Where it lies on the device, in its own order.
    public let extents: [ByteExtent]
    /// Whether those extents are complete: a volume may continue elsewhere, or be striped.
    public let isWhole: Bool
    /// What a partition table says of it: PARTTYPE, PARTUUID, PARTLABEL.
    public var partition: GPTEntry?
    /// The marks on it, by places inside it.
    public let signatures: [FoundSignature]
    /// The partition tables in it.
    public let tables: PartitionTables
    /// What BlueStore left.
    public let blueStore: BlueStoreLabels?
    /// The header of an encrypted device.
    public let luks: LUKSHeader?
    /// The label and metadata of a physical volume.
    public let physicalVolume: LVMPhysicalVolume?
    /// The logical volume, for regions that are one.
    public var logicalVolume: LVMLogicalVolume?
    /// For a logical volume, which may be on several disks: where in the volume each part on this disk begins.
    public var pieces: [Piece] = []
    /// Whether its first and last 64 KiB are zeros, 512 KiB of a whole device.
    public let hasBlankEdges: Bool
    /// Whether it is a partition whose ends, and 4 KiB at each of 16 places between them, are zeros.
    public let hasBlankSamples: Bool
    /// The first byte at its ends (in the range of ``hasBlankEdges``) that is not zero and does not belong to a
    /// partition table, a partition or an unfinished zap; `nil` if there is none.
    public let strayOffset: UInt64?
    /// The first byte where a GPT of this device has its bytes that is not zero and not a table's, a partition's or an
    /// unfinished zap's; `nil` if there is none, and for parts of a device.
    public let strayTableOffset: UInt64?
    /// As ``strayTableOffset``, where the partitions' bytes count, too: those of one that is taken out are nobody's any more.
    public let strayTableOffsetInPartitions: UInt64?
    /// A checksum of its first 128 KiB and last 64 KiB, which tells file systems of the same kind apart.
    public let edgeChecksum: UInt32

    /// Whether it has no marks but those of partition tables and an unfinished zap.
    public var hasOnlyTables: Bool {
        signatures.allSatisfy { $0.usage == .partitionTable || $0.format == "nacre_zap" }
    }

    /// Whether it is the data after a format's header.
    public var isDataArea: Bool { if case .dataArea = kind { true } else { false } }

    /// In words: `partition 2`, `volume ceph-1/osd-block-2`, `disk`.
    public var name: String {
        switch kind {
        case .device: "disk"
        case .partition(let number): "partition \(number)"
        case .nestedPartition(let number, let place): "partition \(number) in the \(place)"
        case .freeSpace(let offset, let place):
            "free space at byte \(offset)\(place.map { " of the \($0)" } ?? "")"
        case .dataArea(let format, let place): "data of \(format)\(place.map { " in the \($0)" } ?? "")"
        case .logicalVolume(let group, let name): "volume \(group)/\(name)"
        }
    }

    /// Where a place inside the region is on the device; `nil` if it lies elsewhere.
    public func deviceOffset(of offset: UInt64) -> UInt64? {
        extents.mapped(ByteExtent(offset: offset, length: 1)).first?.offset
    }

    /// Looks at a region.
    init(
        _ kind: Kind,
        _ source: any ByteSource,
        extents: [ByteExtent],
        isWhole: Bool,
        sectorBytes: UInt64,
        depth: Int = 0
    ) {
        self.kind = kind
        self.depth = depth
        self.extents = extents
        self.isWhole = isWhole
        signatures = FormatCatalog.signatures(
            on: source,
            logicalSectorBytes: sectorBytes,
            isThorough: kind == .device
        )
        let isRecord = signatures.contains { $0.format == "dos" || $0.format == "PMBR" }
        tables = PartitionTables(source, sectorBytes: sectorBytes, isRecord: isRecord)
        blueStore = BlueStoreLabels(source)
        luks = LUKSHeader(source)
        physicalVolume = LVMPhysicalVolume(source)
        // As much as was read anyway.
        let edges = RegionEdges(source, bytes: Self.edgeBytes(of: kind))
        hasBlankEdges = edges.areBlank
        hasBlankSamples = edges.areBlank && kind.isPartition && RegionEdges.areSamplesBlank(source, places: 16)
        let marker = signatures.filter { $0.format == "nacre_zap" }
            .map { ByteExtent(offset: $0.mark.offset, length: UInt64(ZapMarker.bytes)) }
        strayOffset = edges.firstStray(known: tables.ownBytes + tables.partitions.map(\.extent) + marker)
        let table = kind == .device ? RegionEdges(source, table: sectorBytes) : nil
        let own = tables.tableBytes + marker
        strayTableOffset = table?.firstStray(known: own + tables.partitions.map(\.extent))
        strayTableOffsetInPartitions = table?.firstStray(known: own)
        let last = source.sizeBytes - min(source.sizeBytes, 64 << 10)
        edgeChecksum = [(0, 128 << 10), (last, 64 << 10)].reduce(~0) { checksum, place in
            CRC32.castagnoli(source.bytes(at: place.0, count: Int(min(place.1, source.sizeBytes))), from: checksum)
        }
    }
}
