/// NILFS2: super blocks at 1024 and in the last whole block of 4 KiB; the checksum decides.
///
/// See: <linux/nilfs2_ondisk.h>: magic u16 at 6, bytes u16 at 8, seed u32 at 12, sum u32 at 16.
extension Format {
    static let nilfs2 = Format("nilfs2", .fileSystem, minimumBytes: 128 << 10) { device in
        let second = (device.sizeBytes / 512 - 8) * 512
        return [1024, second].filter { Self.isSuperBlock(device.bytes($0, 1024)) }.map { Mark($0 + 6, 2) }
    }

    private static func isSuperBlock(_ block: [UInt8]) -> Bool {
        guard block.little(UInt16.self, at: 6) == 0x3434, let length = block.little(UInt16.self, at: 8),
            length >= 20, let covered = block.slice(0, Int(length)), let seed = block.little(UInt32.self, at: 12)
        else { return false }
        let head = CRC32.ieee(covered.prefix(16), from: seed)
        let hole = CRC32.ieee([0, 0, 0, 0], from: head)
        return CRC32.ieee(covered.dropFirst(20), from: hole) == block.little(UInt32.self, at: 16)
    }
}
