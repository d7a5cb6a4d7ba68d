/// Silicon Image's RAID: a word at 96 of the last sector, a disk number below 8 and a checksum.
///
/// See: util-linux libblkid/src/superblocks/silicon_raid.c.
extension Format {
    static let siliconRAID = Format("silicon_medley_raid_member", .raid, minimumBytes: 64 << 10) { device in
        guard let offset = device.beforeEnd(512) else { return [] }
        let sector = device.bytes(offset, 512)
        guard sector.little(UInt32.self, at: 0x60) == 0x2F00_0000, sector.count == 512, sector[0x116] < 8 else {
            return []
        }
        let sum = (0..<(0x13E / 2)).reduce(UInt16(0)) { $0 &+ (sector.little(UInt16.self, at: 2 * $1) ?? 0) }
        let isSound = 0 &- sum == sector.little(UInt16.self, at: 0x13E)
        return [Mark(offset + 0x60, 4, isSound ? nil : Mark.wrongChecksum)]
    }
}
