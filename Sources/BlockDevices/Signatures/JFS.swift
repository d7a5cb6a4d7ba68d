/// JFS: two super blocks, whose sizes and logarithms agree; blkid reads the first.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let jfs = Format("jfs", .fileSystem, minimumBytes: 16 << 20) { device in
        [0x8000, 0xF000].compactMap { (offset: UInt64) in
            let block = device.bytes(offset, 64)
            guard block.holds("JFS1", at: 0), let size = block.little(UInt32.self, at: 16),
                let log = block.little(UInt16.self, at: 20), let factor = block.little(UInt16.self, at: 22),
                let physical = block.little(UInt32.self, at: 24), let physicalLog = block.little(UInt16.self, at: 28)
            else { return nil }
            let isReal =
                log <= 31 && physicalLog <= 31 && size == UInt32(1) << log && physical == UInt32(1) << physicalLog
                && Int(log) - Int(physicalLog) == Int(factor)
            return isReal ? Mark(offset, 4) : nil
        }
    }
}
