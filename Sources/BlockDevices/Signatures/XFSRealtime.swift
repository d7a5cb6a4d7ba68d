/// The realtime device of an XFS, which has a label of its own since groups of realtime space.
///
/// libblkid 2.42.4, with which MatrixTests compares, does not know it. See: fs/xfs/libxfs/xfs_format.h, `xfs_rtsb`: magic
/// u32, CRC u32, padding u32, name, UUID at 24; big-endian.
extension Format {
    static let xfsRealtime = Format("xfs_realtime", .fileSystem, Magic("Frog", at: 0)) { device in
        let block = device.bytes(0, 40)
        return block.big(UInt32.self, at: 8) == 0 && block.dropFirst(24).contains { $0 != 0 }
    }
}
