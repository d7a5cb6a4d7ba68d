/// F2FS: two super blocks.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let f2fs = Format(
        "f2fs",
        .fileSystem,
        Magic([0x10, 0x20, 0xF5, 0xF2], at: 0x400),
        Magic([0x10, 0x20, 0xF5, 0xF2], at: 0x1400)
    )
}
