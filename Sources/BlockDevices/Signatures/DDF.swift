/// SNIA's Disk Data Format: an anchor in the last sector, or 257 sectors before the end, that names its primary header.
///
/// See: SNIA DDF 2.0 §4.2. The LBA of the primary header stands at 96, big-endian.
extension Format {
    static let ddf = Format("ddf_raid_member", .raid, minimumBytes: 256 << 10) { device in
        let magic: [UInt8] = [0xDE, 0x11, 0xDE, 0x11]
        return [512, 257 * 512].flatMap { distance -> [Mark] in
            guard let anchor = Magic(magic, beforeEnd: distance).mark(on: device) else {
                return []
            }
            let primary = device.bytes(anchor.offset, 128).big(UInt64.self, at: 96)
                .flatMap { $0 <= device.sizeBytes / 512 ? Magic(magic, at: $0 * 512).mark(on: device) : nil }
            return [Mark(anchor.offset, anchor.length, isSound(device, anchor) ? nil : Mark.wrongChecksum)]
                + [primary].compactMap(\.self)
        }
    }

    /// Its checksum is made with ones in the place of the checksum.
    private static func isSound(_ device: ProbedDevice, _ anchor: Mark) -> Bool {
        var header = device.bytes(anchor.offset, 512)
        guard header.count == 512, let sum = header.big(UInt32.self, at: 4) else { return false }
        header.replaceSubrange(4..<8, with: [0xFF, 0xFF, 0xFF, 0xFF])
        return CRC32.zlib(header) == sum
    }
}
