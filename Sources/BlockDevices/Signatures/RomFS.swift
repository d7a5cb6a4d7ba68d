/// romfs.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let romFS = Format("romfs", .fileSystem, Magic("-rom1fs-", at: 0))
}
