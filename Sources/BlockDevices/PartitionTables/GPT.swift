/// What of a GUID partition table stands on a device: two copies, and one that was left behind when the device grew.
public struct GPT: Sendable, Hashable {
    /// The unit of its addresses, in bytes.
    public let sectorBytes: UInt64
    /// How many of them the device has.
    public let blocks: UInt64
    /// At block 1.
    public let primary: GPTCopy
    /// At the last block.
    public let backup: GPTCopy
    /// Where the primary says its backup is, if that is elsewhere and there is one.
    public let stray: GPTCopy?

    /// What a copy whose signature was wiped left behind, as the whole copy proves.
    let remnants: [ByteExtent]

    /// What stands before the partitions of the MBR: boot code and the disk's signature; nothing where there is no MBR.
    public let bootCode: [UInt8]

    /// Looks for a table in units of `sectorBytes`; `nil` if no copy has even its signature.
    public init?(_ source: any ByteSource, sectorBytes: UInt64) {
        let blocks = source.sizeBytes / max(sectorBytes, 1)
        guard sectorBytes >= 512, blocks > 2 else { return nil }
        self.sectorBytes = sectorBytes
        bootCode = Self.bootCode(of: source.bytes(at: 0, count: 512))
        self.blocks = blocks
        primary = GPTCopy(source, lba: 1, sectorBytes: sectorBytes)
        backup = GPTCopy(source, lba: blocks - 1, sectorBytes: sectorBytes)
        var stray: GPTCopy?
        if let other = primary.header?.alternateLBA, other != blocks - 1, other > 1, other < blocks {
            let copy = GPTCopy(source, lba: other, sectorBytes: sectorBytes)
            if copy.header != nil { stray = copy }
        }
        self.stray = stray
        remnants = [(primary, backup), (backup, primary)].flatMap { lost, whole in
            Self.remnants(of: lost, source, sectorBytes: sectorBytes, beside: whole)
        }
        guard primary.header != nil || backup.header != nil else { return nil }
    }

    /// Where the bytes of a copy without a signature are still those of the other one's table.
    ///
    /// wipefs takes away the signature alone, and writing the table anew loses nothing there.
    private static func remnants(
        of lost: GPTCopy,
        _ source: any ByteSource,
        sectorBytes: UInt64,
        beside whole: GPTCopy
    ) -> [ByteExtent] {
        guard lost.header == nil, whole.isValid, let header = whole.header else { return [] }
        let place = ByteExtent(offset: lost.lba * sectorBytes, length: sectorBytes)
        let sector = source.bytes(at: place.offset, count: Int(sectorBytes))
        let signed = Array(GPTHeader.signature.utf8) + sector.dropFirst(GPTHeader.signature.utf8.count)
        let isOurs = GPTHeader(sector: signed).map { $0.diskGUID == header.diskGUID && $0.myLBA == lost.lba }
        let bytes = UInt64(header.entryCount) * UInt64(header.entryBytes)
        let length = (bytes + sectorBytes - 1) / sectorBytes * sectorBytes
        // Behind the primary header, and before the backup's.
        let start = lost.lba == 1 ? place.end : place.offset - min(length, place.offset)
        let found = source.bytes(at: start, count: Int(bytes))
        return (isOurs == true ? [place] : [])
            + (CRC32.zlib(found) == header.entriesCRC ? [ByteExtent(offset: start, length: length)] : [])
    }

    /// The copy to go by: the primary if it is valid, else the backup, else the one left behind.
    public var current: GPTCopy? {
        [primary, backup, stray].compactMap(\.self).first(where: \.isValid)
    }

    /// How much of the first sector is no table, in bytes.
    private static let bootBytes = 446

    /// The boot code in a first sector; empty where that is no MBR.
    static func bootCode(of sector: [UInt8]) -> [UInt8] {
        sector.slice(510, 2).map { Array($0) == [0x55, 0xAA] } ?? false ? Array(sector.prefix(bootBytes)) : []
    }

    /// The copy by which the table can be made anew: ``current``, or one that is whole and of a larger disk.
    var restorable: GPTCopy? { current ?? [primary, backup].first(where: \.isOfLargerDisk) }

    /// Which copy of a table.
    public enum Side: String, Sendable, Hashable, CaseIterable {
        /// The one at the disk's beginning.
        case primary
        /// The one at its end.
        case backup
    }

    /// Whether the two copies are whole and of different tables, and none can be preferred.
    ///
    /// So it is after the used part of a larger disk was copied to a smaller one that had a table: its old backup is
    /// still at its end, and is valid there.
    public var isContradictory: Bool {
        guard primary.isOfLargerDisk, backup.isValid else { return false }
        return primary.header?.diskGUID != backup.header?.diskGUID || primary.entries != backup.entries
    }

    /// The copy to make the table anew by.
    ///
    /// - Parameter side: The one that was chosen; without it the one to prefer.
    /// - Returns: Nothing when that is not whole, or none can be preferred.
    public func restorable(from side: Side?) -> GPTCopy? {
        guard let side else { return isContradictory ? nil : restorable }
        let copy = side == .primary ? primary : backup
        return copy.isValid || copy.isOfLargerDisk ? copy : nil
    }

    /// Partitions by number, from a valid copy, or from what is left of the primary.
    public var partitions: [(number: Int, entry: GPTEntry)] {
        let copy = current ?? (primary.header != nil ? primary : backup)
        return copy.entries.sorted { $0.key < $1.key }.map { ($0.key + 1, $0.value) }
    }

    /// Where a partition lies, cut where the device ends; `nil` if that is no byte of it.
    public func extent(of entry: GPTEntry) -> ByteExtent? {
        guard entry.firstLBA <= entry.lastLBA, entry.firstLBA < blocks else { return nil }
        let last = min(entry.lastLBA, blocks - 1)
        return ByteExtent(offset: entry.firstLBA * sectorBytes, length: (last - entry.firstLBA + 1) * sectorBytes)
    }

    /// Every place that has to be erased so that no reader finds a copy.
    public var extents: [ByteExtent] {
        [primary, backup, stray].compactMap(\.self).flatMap(extents)
    }

    /// Header and entries of a copy.
    func extents(of copy: GPTCopy) -> [ByteExtent] {
        guard let header = copy.header else { return [] }
        let bytes = UInt64(header.entryCount) * UInt64(header.entryBytes)
        let own = ByteExtent(offset: copy.lba * sectorBytes, length: sectorBytes)
        guard bytes <= GPTCopy.maximumEntriesBytes, header.entriesLBA < blocks else { return [own] }
        let length = (bytes + sectorBytes - 1) / sectorBytes * sectorBytes
        let start = header.entriesLBA * sectorBytes
        return [own, ByteExtent(offset: start, length: min(length, blocks * sectorBytes - start))]
    }
}
