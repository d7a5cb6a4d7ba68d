/// Everything that stands on a device, found without the kernel's help: tables, parts, labels, marks.
public struct DeviceContents: Sendable, Hashable {
    /// More partitions and volumes than this are not looked into: foreign bytes could claim any number.
    static let maximumRegions = 512

    /// How large the device is.
    public let sizeBytes: UInt64
    /// The unit of addresses.
    public let sectorBytes: UInt64
    /// A GUID partition table, in the device's own unit.
    public let gpt: GPT?
    /// One in the other unit (512 or 4096): the disk was behind another controller.
    public let foreignGPT: GPT?
    /// A master boot record.
    public let mbr: MBR?
    /// The device first, then its parts, each before its own parts.
    public let regions: [Region]

    /// Looks at a device.
    public init(_ source: any ByteSource, sectorBytes: UInt64) {
        sizeBytes = source.sizeBytes
        self.sectorBytes = sectorBytes
        gpt = GPT(source, sectorBytes: sectorBytes)
        foreignGPT = GPT(source, sectorBytes: sectorBytes == 512 ? 4096 : 512)
        let device = Region(
            .device,
            source,
            extents: [ByteExtent(offset: 0, length: source.sizeBytes)],
            isWhole: true,
            sectorBytes: sectorBytes
        )
        let isTable = device.signatures.contains { $0.format == "dos" || $0.format == "PMBR" }
        mbr = isTable ? MBR(source, sectorBytes: sectorBytes) : nil
        var regions = [device]
        // Kernels with Atari's parser see partitions in BlueStore's data; they are none.
        if device.blueStore?.current == nil {
            regions += Self.partitions(source, gpt ?? foreignGPT, mbr, sectorBytes)
        }
        for region in regions where regions.count < Self.maximumRegions {
            guard let volume = region.physicalVolume else { continue }
            regions += Self.volumes(source, region, volume, sectorBytes)
        }
        self.regions = Array(regions.prefix(Self.maximumRegions))
    }

    private static func partitions(
        _ source: any ByteSource,
        _ gpt: GPT?,
        _ mbr: MBR?,
        _ sectorBytes: UInt64
    ) -> [Region] {
        func region(_ number: Int, _ extent: ByteExtent) -> Region {
            let window = Window(source, [extent])
            return Region(.partition(number), window, extents: [extent], isWhole: true, sectorBytes: sectorBytes)
        }
        if let gpt {
            return gpt.partitions.prefix(maximumRegions).compactMap { number, entry in
                guard let extent = gpt.extent(of: entry) else { return nil }
                var found = region(number, extent)
                found.partition = entry
                return found
            }
        }
        let end = source.sizeBytes
        return (mbr?.entries ?? []).compactMap { entry in
            let start = entry.startLBA.multipliedReportingOverflow(by: sectorBytes)
            let length = entry.sectors.multipliedReportingOverflow(by: sectorBytes)
            guard !entry.isExtended, entry.type != 0xEE, !start.overflow, !length.overflow,
                start.partialValue < end, length.partialValue > 0
            else { return nil }
            let extent = ByteExtent(
                offset: start.partialValue,
                length: min(length.partialValue, end - start.partialValue)
            )
            return region(entry.number, extent)
        }
    }

    private static func volumes(
        _ source: any ByteSource,
        _ region: Region,
        _ physical: LVMPhysicalVolume,
        _ sectorBytes: UInt64
    ) -> [Region] {
        guard let group = physical.group else { return [] }
        let size = region.extents.reduce(0) { $0 + $1.length }
        return group.logicalVolumes.prefix(maximumRegions).compactMap { volume in
            let (inner, starts, isWhole) = physical.extents(of: volume, size: size)
            let extents = inner.flatMap { region.extents.mapped($0) }
            guard !extents.isEmpty else { return nil }
            var found = Region(
                .logicalVolume(group: group.name, name: volume.name),
                Window(source, extents),
                extents: extents,
                isWhole: isWhole,
                sectorBytes: sectorBytes
            )
            found.logicalVolume = volume
            found.pieces = zip(inner, starts).compactMap { extent, start in
                let parts = region.extents.mapped(extent)
                return parts.count == 1 ? Region.Piece(start: start, extent: parts[0]) : nil
            }
            return found
        }
    }

    /// Where partition tables stand: every copy of a GPT in either unit, the MBR, extended boot records.
    public var tablePlaces: [ByteExtent] {
        let gpts = [gpt, foreignGPT].compactMap(\.self).flatMap(\.extents)
        let chain = (mbr?.chain ?? []).map { ByteExtent(offset: $0 * sectorBytes, length: sectorBytes) }
        return gpts + chain + (mbr == nil ? [] : [ByteExtent(offset: 0, length: 512)])
    }

    /// Whether nothing at all was found.
    public var isBlank: Bool {
        regions.count == 1 && regions[0].signatures.isEmpty && regions[0].blueStore == nil && regions[0].hasBlankEdges
    }
}
