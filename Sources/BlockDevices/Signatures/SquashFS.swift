/// SquashFS, also of version 3.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let squashFS = Format(
        "squashfs",
        .fileSystem,
        Magic("hsqs", at: 0),
        Magic("sqsh", at: 0),
        Magic("sqlz", at: 0),
        Magic("qshs", at: 0)
    )
}
