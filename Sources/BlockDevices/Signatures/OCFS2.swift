/// OCFS2: its super block is in the third block of the device.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ocfs2 = Format(
        "ocfs2",
        .fileSystem,
        Magic("OCFSV2", at: 0x400),
        Magic("OCFSV2", at: 0x800),
        Magic("OCFSV2", at: 0x1000),
        Magic("OCFSV2", at: 0x2000)
    )
}
