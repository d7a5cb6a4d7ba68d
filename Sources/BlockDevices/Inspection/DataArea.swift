/// Where a format that has a header of its own keeps its data.
///
/// Erasing only the header does not destroy the data: created again with the same options, the device has the same
/// content. Formats whose data begins at byte 0 (RAID 0.90 and 1.0, DRBD) are not listed, because their content is
/// visible on the device itself. VDO scatters its blocks, so without its index they cannot be found.
struct DataArea: Sendable, Hashable {
    /// The format, by its name in the catalog.
    let format: String
    /// Where its data lie, in their own order.
    let extents: [ByteExtent]
    /// Whether those are all of them.
    let isWhole: Bool

    private init(_ format: String, from offset: UInt64, length: UInt64? = nil, on size: UInt64) {
        self.format = format
        let rest = size - min(size, offset)
        extents = [ByteExtent(offset: min(offset, size), length: min(rest, length ?? rest))].filter { $0.length > 0 }
        isWhole = true
    }

    private init(_ format: String, extents: [ByteExtent]) {
        self.format = format
        self.extents = extents
        isWhole = false
    }

    /// The areas of every such format on a device or a part of one.
    static func all(in source: any ByteSource) -> [DataArea] {
        let raids = LinuxRAIDMember.all(on: source).filter { $0.dataOffset > 0 }.map {
            DataArea("linux_raid_member", from: $0.dataOffset, length: $0.dataBytes, on: source.sizeBytes)
        }
        let others = [bcache(source), luks(source), integrity(source)].compactMap(\.self)
        return (raids + others).filter { !$0.extents.isEmpty }
    }

    /// A backing device of bcache: in version 1 the data begins at 8 KiB, versions 4 and 6 store the offset.
    ///
    /// See: linux drivers/md/bcache/bcache_ondisk.h, `struct cache_sb_disk`.
    private static func bcache(_ source: any ByteSource) -> DataArea? {
        let block = source.bytes(at: 4096, count: 256)
        guard block.slice(24, 16)?.elementsEqual(Format.bcacheMagic) ?? false,
            let version = block.little(UInt64.self, at: 16), let said = block.little(UInt64.self, at: 184)
        else { return nil }
        switch version {
        case 1: return DataArea("bcache", from: 16 * 512, on: source.sizeBytes)
        case 4, 6:
            let (offset, overflow) = said.multipliedReportingOverflow(by: 512)
            return overflow ? nil : DataArea("bcache", from: offset, on: source.sizeBytes)
        default: return nil
        }
    }

    private static func luks(_ source: any ByteSource) -> DataArea? {
        guard let offset = LUKSHeader(source)?.dataOffset, offset > 0 else { return nil }
        return DataArea("crypto_LUKS", from: offset, on: source.sizeBytes)
    }

    /// A dm-integrity device without a separate device for tags: tags and data alternate.
    ///
    /// The first runs are enough: the marks that identify the content are in them. See: linux
    /// drivers/md/dm-integrity.c, `struct superblock`, `calculate_journal_section_size`.
    private static func integrity(_ source: any ByteSource) -> DataArea? {
        let block = source.bytes(at: 0, count: 512)
        guard block.holds("integrt\0", at: 0), let interleave = block.slice(9, 1)?.first, (3...31).contains(interleave),
            let tagBytes = block.little(UInt16.self, at: 10), let sections = block.little(UInt32.self, at: 12),
            let flags = block.little(UInt32.self, at: 24), let blockShift = block.slice(28, 1)?.first, blockShift <= 3
        else { return nil }
        // A journal with a MAC uses 8 bytes of each sector for it.
        let room: UInt64 = 512 - 8 - (flags & 1 != 0 ? 8 : 0)
        let entry = (8 + 8 << UInt64(blockShift) + UInt64(tagBytes) + 7) / 8 * 8
        let section = (room / entry * 8) << UInt64(blockShift) + 8
        let start = 8 + section * UInt64(sections)
        let padding: UInt64 = flags & 8 != 0 ? 8 : 256
        let tags = (UInt64(tagBytes) << UInt64(interleave - blockShift) + 511) / 512
        let tagRun = (tags + padding - 1) / padding * padding
        let dataRun = UInt64(1) << UInt64(interleave)
        let runs = (0..<UInt64(16)).map { index in
            let first = start + (index + 1) * tagRun + index * dataRun
            return ByteExtent(offset: first * 512, length: dataRun * 512)
        }
        let whole = ByteExtent(offset: 0, length: source.sizeBytes)
        return DataArea("DM_integrity", extents: runs.compactMap { $0.intersection(whole) })
    }
}
