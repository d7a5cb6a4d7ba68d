/// cramfs, in either byte order.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let cramFS = Format(
        "cramfs",
        .fileSystem,
        Magic([0x45, 0x3D, 0xCD, 0x28], at: 0),
        Magic([0x28, 0xCD, 0x3D, 0x45], at: 0)
    )
}
