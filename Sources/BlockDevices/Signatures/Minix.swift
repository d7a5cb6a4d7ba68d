/// Minix file systems, versions 1 to 3, in either byte order.
///
/// Sixteen bits are a weak magic, so the counts and the block size must be plausible too. See: <linux/minix_fs.h>.
extension Format {
    static let minix = Format("minix", .fileSystem, minimumBytes: 10 << 10) { device in
        let block = device.bytes(1024, 64)
        let old: [UInt16] = [0x137F, 0x138F, 0x2468, 0x2478]
        for read in [block.little, block.big] as [(UInt16.Type, Int) -> UInt16?] {
            if let magic = read(UInt16.self, 16), old.contains(magic), let inodes = read(UInt16.self, 0), inodes > 0,
                let maps = read(UInt16.self, 4), maps > 0, read(UInt16.self, 10) == 0
            {
                return [Mark(1024 + 16, 2)]
            }
            if read(UInt16.self, 24) == 0x4D5A, let size = read(UInt16.self, 28), size >= 1024, size % 1024 == 0 {
                return [Mark(1024 + 24, 2)]
            }
        }
        return []
    }
}
