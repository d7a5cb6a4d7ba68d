/// FAT12, FAT16 and FAT32: names that mkfs.fat and Windows write, or a jump and 55 AA, before a plausible block of
/// parameters.
///
/// See: util-linux libblkid/src/superblocks/vfat.c.
extension Format {
    static let fat = Format("vfat", .fileSystem) { device in
        let sector = device.bytes(0, 512)
        guard isFAT(sector), BitLocker.isOn(device) == false else { return [] }
        let names = [
            Magic("MSWIN", at: 82), Magic("FAT32   ", at: 82), Magic("MSDOS", at: 54), Magic("FAT16   ", at: 54),
            Magic("FAT12   ", at: 54), Magic("FAT     ", at: 54),
        ].compactMap { $0.mark(on: device) }
        let isBoot = sector.slice(510, 2)?.elementsEqual([0x55, 0xAA]) ?? false
        // HPFS and JFS of OS/2 begin with a boot sector that looks like it.
        let isOther = sector.holds("JFS     ", at: 54) || sector.holds("HPFS    ", at: 54)
        guard !names.isEmpty || isBoot && !isOther else { return [] }
        let jump = [0xEB, 0xE9].contains(sector[0]) ? [Mark(0, 1, "the jump of its boot sector")] : []
        return names + jump + (isBoot ? [Mark(510, 2, "the end of its boot sector")] : [])
    }

    private static func isFAT(_ sector: [UInt8]) -> Bool {
        guard sector.count == 512, let sectorBytes = sector.little(UInt16.self, at: 11),
            sectorBytes.nonzeroBitCount == 1,
            (512...4096).contains(sectorBytes), sector[13].nonzeroBitCount == 1,
            let reserved = sector.little(UInt16.self, at: 14), reserved > 0, sector[16] > 0,
            sector[21] >= 0xF8 || sector[21] == 0xF0, let small = sector.little(UInt16.self, at: 19),
            let large = sector.little(UInt32.self, at: 32), let shortTable = sector.little(UInt16.self, at: 22),
            let longTable = sector.little(UInt32.self, at: 36), let entries = sector.little(UInt16.self, at: 17)
        else { return false }
        let total = Int64(small == 0 ? large : UInt32(small))
        let tables = Int64(shortTable == 0 ? longTable : UInt32(shortTable)) * Int64(sector[16])
        let directory = (Int64(entries) * 32 + Int64(sectorBytes) - 1) / Int64(sectorBytes)
        let clusters = (total - Int64(reserved) - tables - directory) / Int64(sector[13])
        return clusters >= 0 && clusters <= (shortTable == 0 && longTable != 0 ? 0x0FFF_FFF6 : 0xFFF4)
    }
}
