/// JFS: two super blocks.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let jfs = Format("jfs", .fileSystem, Magic("JFS1", at: 0x8000), Magic("JFS1", at: 0xF000))
}
