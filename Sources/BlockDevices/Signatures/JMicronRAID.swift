/// JMicron's RAID: two letters in the last sector, whose 64 words have the sum 0 or 1.
///
/// See: util-linux libblkid/src/superblocks/jmicron_raid.c.
extension Format {
    static let jMicronRAID = Format("jmicron_raid_member", .raid, minimumBytes: 64 << 10) { device in
        guard let offset = device.beforeEnd(512) else { return [] }
        let sector = device.bytes(offset, 128)
        guard sector.count == 128, sector.holds("JM", at: 0), sector[0x30] <= 5 else { return [] }
        let sum = (0..<64).reduce(UInt16(0)) { $0 &+ (sector.little(UInt16.self, at: 2 * $1) ?? 0) }
        return [Mark(offset, 2, sum <= 1 ? nil : Mark.wrongChecksum)]
    }
}
