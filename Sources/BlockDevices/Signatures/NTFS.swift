/// NTFS: plausible parameters, and the file table where they say.
///
/// See: util-linux libblkid/src/superblocks/ntfs.c.
extension Format {
    static let ntfs = Format("ntfs", .fileSystem, Magic("NTFS    ", at: 3), Magic([0x55, 0xAA], at: 510)) { device in
        let head = device.bytes(0, 84)
        guard head.holds("NTFS    ", at: 3), let sectorBytes = head.little(UInt16.self, at: 11),
            (256...4096).contains(sectorBytes), sectorBytes.nonzeroBitCount == 1,
            // Reserved sectors, tables, root entries, sectors; sectors of a table; large sectors: all of FAT.
            head[14..<21].allSatisfy({ $0 == 0 }), head[22..<24].allSatisfy({ $0 == 0 }),
            head[32..<36].allSatisfy({ $0 == 0 }), let table = head.little(UInt64.self, at: 48)
        else { return false }
        // Beyond 240 it is the exponent of a power of two.
        let sectors: UInt64 =
            switch head[13] {
            case 240...249: 1 << (256 - UInt64(head[13]))
            case let count where count.nonzeroBitCount == 1: UInt64(count)
            default: 0
            }
        let (place, isTooFar) = table.multipliedReportingOverflow(by: UInt64(sectorBytes) * sectors)
        return sectors > 0 && !isTooFar && device.source.holds("FILE", at: place)
    }
}
