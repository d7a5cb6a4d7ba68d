/// A disk or a part of one that can hold a file system or an OSD of its own: a partition, a logical volume.
public struct Region: Sendable, Hashable {
    /// What kind of part it is.
    public enum Kind: Sendable, Hashable {
        /// The whole device.
        case device
        /// A partition of a table on the device, by its number.
        case partition(Int)
        /// A logical volume, by group and name.
        case logicalVolume(group: String, name: String)
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
    /// Where it lies on the device, in its own order.
    public let extents: [ByteExtent]
    /// Whether those extents are all of it: a volume may go on elsewhere, or be striped.
    public let isWhole: Bool
    /// What a partition table says of it: PARTTYPE, PARTUUID, PARTLABEL.
    public var partition: GPTEntry?
    /// The marks on it, by places inside it.
    public let signatures: [FoundSignature]
    /// What BlueStore left.
    public let blueStore: BlueStoreLabels?
    /// The header of an encrypted device.
    public let luks: LUKSHeader?
    /// The label and metadata of a physical volume.
    public let physicalVolume: LVMPhysicalVolume?
    /// The logical volume, for regions that are one.
    public var logicalVolume: LVMLogicalVolume?
    /// For a logical volume, which may lie on other disks, too: where in the volume each of its parts here begins.
    public var pieces: [Piece] = []
    /// Whether its first and last 64 KiB are zeros, 512 KiB of a whole device.
    public let hasBlankEdges: Bool
    /// Whether it is a partition whose ends are zeros, and 4 KiB at each of 16 places between them, too.
    public let hasBlankSamples: Bool
    /// A checksum of its first 128 KiB and its last 64 KiB: another file system of the same kind is another content.
    public let edgeChecksum: UInt32

    /// For people: `partition 2`, `volume ceph-1/osd-block-2`, `disk`.
    public var name: String {
        switch kind {
        case .device: "disk"
        case .partition(let number): "partition \(number)"
        case .logicalVolume(let group, let name): "volume \(group)/\(name)"
        }
    }

    /// Where a place inside the region is on the device; nothing when it lies elsewhere.
    public func deviceOffset(of offset: UInt64) -> UInt64? {
        extents.mapped(ByteExtent(offset: offset, length: 1)).first?.offset
    }

    /// Looks at a region.
    init(_ kind: Kind, _ source: any ByteSource, extents: [ByteExtent], isWhole: Bool, sectorBytes: UInt64) {
        self.kind = kind
        self.extents = extents
        self.isWhole = isWhole
        signatures = FormatCatalog.signatures(
            on: source,
            logicalSectorBytes: sectorBytes,
            isThorough: kind == .device
        )
        blueStore = BlueStoreLabels(source)
        luks = LUKSHeader(source)
        physicalVolume = LVMPhysicalVolume(source)
        // As much as was read anyway.
        let edge = UInt64(kind == .device ? DiskReader.edgeBytes : 64 << 10)
        let tail = source.sizeBytes - min(source.sizeBytes, edge)
        hasBlankEdges = [0, tail].allSatisfy { offset in
            let bytes = source.bytes(at: offset, count: Int(min(edge, source.sizeBytes)))
            return bytes.count == Int(min(edge, source.sizeBytes)) && bytes.allSatisfy { $0 == 0 }
        }
        hasBlankSamples = hasBlankEdges && kind != .device && Self.areBlank(source, places: 16)
        let last = source.sizeBytes - min(source.sizeBytes, 64 << 10)
        edgeChecksum = [(0, 128 << 10), (last, 64 << 10)].reduce(~0) { checksum, place in
            CRC32.castagnoli(source.bytes(at: place.0, count: Int(min(place.1, source.sizeBytes))), from: checksum)
        }
    }

    private static func areBlank(_ source: any ByteSource, places: UInt64) -> Bool {
        (1...places).allSatisfy { place in
            let offset = source.sizeBytes / (places + 1) * place / 4096 * 4096
            let wanted = Int(min(4096, source.sizeBytes - offset))
            let bytes = source.bytes(at: offset, count: wanted)
            return bytes.count == wanted && bytes.allSatisfy { $0 == 0 }
        }
    }
}
