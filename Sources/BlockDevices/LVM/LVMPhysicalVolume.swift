/// A physical volume of LVM2, read without lvm2 and without the device mapper.
///
/// The label is one of the first four sectors of 512 bytes:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | `LABELONE` |
/// | 8 | 8 | its sector |
/// | 16 | 4 | CRC of bytes 20 to 511 |
/// | 20 | 4 | where the header begins, 32 |
/// | 24 | 8 | `LVM2 001` |
/// | 32 | 32 | id of the volume |
/// | 64 | 8 | size of the device |
/// | 72 | | data areas, then metadata areas: offset u64, size u64; a zero pair ends each list |
///
/// See: lvm2 lib/format_text/layout.h.
public struct LVMPhysicalVolume: Sendable, Hashable {
    /// Where the label stands, in bytes.
    public let labelOffset: UInt64
    /// Whether its checksum is right.
    public let isLabelValid: Bool
    /// Its id, without dashes.
    public let id: String
    /// Where its metadata areas lie.
    public let metadataAreas: [ByteExtent]
    /// Its group; `nil` if it has none, or if no copy of the metadata is complete.
    public let group: LVMVolumeGroup?

    /// Looks for a label.
    public init?(_ source: any ByteSource) {
        guard let (offset, sector) = Self.label(source) else { return nil }
        labelOffset = offset
        isLabelValid = CRC32.lvm(sector.dropFirst(20)) == sector.little(UInt32.self, at: 16)
        id = sector.text(32, 32)
        metadataAreas = Self.areas(sector, size: source.sizeBytes)
        group = metadataAreas.compactMap { LVMMetadataArea(source, $0)?.group }
            .max { $0.sequenceNumber < $1.sequenceNumber }
    }

    private static func label(_ source: any ByteSource) -> (UInt64, [UInt8])? {
        for sector in 0..<UInt64(4) {
            let bytes = source.bytes(at: sector * 512, count: 512)
            if bytes.count == 512, bytes.holds("LABELONE", at: 0), bytes.holds("LVM2 001", at: 24) {
                return (sector * 512, bytes)
            }
        }
        return nil
    }

    private static func areas(_ sector: [UInt8], size: UInt64) -> [ByteExtent] {
        var lists = 0
        var found: [ByteExtent] = []
        for offset in stride(from: 72, to: 512 - 16, by: 16) {
            guard let start = sector.little(UInt64.self, at: offset),
                let length = sector.little(UInt64.self, at: offset + 8)
            else { break }
            if start == 0, length == 0 {
                lists += 1
                if lists == 2 { break }
            } else if lists == 1, start < size, length >= 512 {
                found.append(ByteExtent(offset: start, length: min(length, size - start)))
            }
        }
        return found
    }

    /// The parts of a logical volume on this physical volume, in order, where in the volume each begins, and whether
    /// they are complete.
    public func extents(
        of volume: LVMLogicalVolume,
        size: UInt64
    ) -> (extents: [ByteExtent], starts: [UInt64], isWhole: Bool) {
        guard let group, let own = group.physicalVolumes.first(where: { $0.value.id == id }) else {
            return ([], [], false)
        }
        var extents: [ByteExtent] = []
        var starts: [UInt64] = []
        var isWhole = !volume.segments.isEmpty
        for segment in volume.segments {
            guard segment.stripes.count == 1, segment.type == "striped" || segment.type == "linear",
                segment.stripes[0].physicalVolume == own.key,
                let extent = Self.extent(segment, own.value, group.extentBytes), extent.end <= size,
                case let (start, isTooFar) = segment.startExtent.multipliedReportingOverflow(by: group.extentBytes),
                !isTooFar
            else {
                isWhole = false
                continue
            }
            extents.append(extent)
            starts.append(start)
        }
        return (extents, starts, isWhole)
    }

    private static func extent(
        _ segment: LVMLogicalVolume.Segment,
        _ volume: LVMVolumeGroup.PhysicalVolume,
        _ extentBytes: UInt64
    ) -> ByteExtent? {
        let (start, overflow) = segment.stripes[0].startExtent.multipliedReportingOverflow(by: extentBytes)
        let (length, tooLong) = segment.extentCount.multipliedReportingOverflow(by: extentBytes)
        let (offset, tooFar) = start.addingReportingOverflow(volume.firstExtentOffset)
        return overflow || tooLong || tooFar ? nil : ByteExtent(offset: offset, length: length)
    }
}

extension LVMPhysicalVolume {
    /// An id as LVM prints it: 6-4-4-4-4-4-6.
    public static func dashed(_ id: String) -> String {
        var rest = id[...]
        let groups = [6, 4, 4, 4, 4, 4, 6].map { length in
            defer { rest = rest.dropFirst(length) }
            return String(rest.prefix(length))
        }
        return rest.isEmpty && id.count == 32 ? groups.joined(separator: "-") : id
    }
}
