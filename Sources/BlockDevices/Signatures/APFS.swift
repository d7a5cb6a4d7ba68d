/// APFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let apfs = Format("apfs", .fileSystem, Magic("NXSB", at: 32))
}
