/// BeFS, in either byte order.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let befs = Format(
        "befs",
        .fileSystem,
        Magic("BFS1", at: 32),
        Magic("1SFB", at: 32),
        Magic("BFS1", at: 544),
        Magic("1SFB", at: 544)
    )
}
