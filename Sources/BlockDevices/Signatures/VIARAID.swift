/// VIA's RAID: a word in the last sector, a version up to 2 and a checksum.
///
/// See: util-linux libblkid/src/superblocks/via_raid.c.
extension Format {
    static let viaRAID = Format("via_raid_member", .raid, minimumBytes: 64 << 10) { device in
        guard let offset = device.beforeEnd(512) else { return [] }
        let sector = device.bytes(offset, 64)
        guard sector.count == 64, sector.little(UInt16.self, at: 0) == 0xAA55, sector[2] <= 2 else { return [] }
        let sum = sector[..<50].reduce(UInt8(0)) { $0 &+ $1 }
        return [Mark(offset, 2, sum == sector[50] ? nil : Mark.wrongChecksum)]
    }
}
