/// Adaptec's RAID: two words of its structure in the last sector.
///
/// See: util-linux libblkid/src/superblocks/adaptec_raid.c; big-endian.
extension Format {
    static let adaptecRAID = Format("adaptec_raid_member", .raid, minimumBytes: 64 << 10) { device in
        guard let offset = device.beforeEnd(512) else { return [] }
        let sector = device.bytes(offset, 512)
        let isReal = sector.big(UInt32.self, at: 0) == 0x37FC_4D1E && sector.holds("DPTM", at: 256)
        return isReal ? [Mark(offset, 4)] : []
    }
}
