/// VxFS, in either byte order; HP-UX has its super block at 8 KiB.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let vxfs = Format(
        "vxfs",
        .fileSystem,
        Magic([0xF5, 0xFC, 0x01, 0xA5], at: 0x400),
        Magic([0xA5, 0x01, 0xFC, 0xF5], at: 0x2000)
    )
}
