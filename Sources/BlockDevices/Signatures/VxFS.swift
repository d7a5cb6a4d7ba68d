/// VxFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let vxfs = Format("vxfs", .fileSystem, Magic([0xF5, 0xFC, 0x01, 0xA5], at: 0x400))
}
