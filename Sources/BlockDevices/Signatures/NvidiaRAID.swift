/// NVIDIA MediaShield, in the last sector but one: 30 words whose sum is 0.
///
/// See: util-linux libblkid/src/superblocks/nvidia_raid.c.
extension Format {
    static let nvidiaRAID = Format("nvidia_raid_member", .raid, minimumBytes: 64 << 10) { device in
        let offset = (device.sizeBytes / 512 - 2) * 512
        let block = device.bytes(offset, 120)
        guard block.holds("NVIDIA  ", at: 0), block.little(UInt32.self, at: 8) == 30 else { return [] }
        let sum = (0..<30).reduce(UInt32(0)) { $0 &+ (block.little(UInt32.self, at: 4 * $1) ?? 0) }
        return [Mark(offset, 8, sum == 0 ? nil : Mark.wrongChecksum)]
    }
}
