/// A rigid disk block of the Amiga in one of the first 16 sectors; the words that it counts have the sum 0.
///
/// The kernel and parted read it, libblkid does not. See: linux block/partitions/amiga.c; big-endian.
extension Format {
    static let amigaTable = Format("amiga", .partitionTable) { device in
        let head = device.bytes(0, 16 * 512)
        return stride(from: 0, to: head.count - 511, by: 512).compactMap { offset in
            let sector = head[offset..<(offset + 512)]
            guard sector.holds("RDSK", at: 0), let words = sector.big(UInt32.self, at: 4), (1...128).contains(words)
            else {
                return nil
            }
            let sum = (0..<Int(words)).reduce(UInt32(0)) { $0 &+ (sector.big(UInt32.self, at: 4 * $1) ?? 0) }
            return sum == 0 ? Mark(UInt64(offset), 4) : nil
        }
    }
}
