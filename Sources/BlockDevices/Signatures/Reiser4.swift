/// Reiser4.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let reiser4 = Format("reiser4", .fileSystem, Magic("ReIsEr4", at: 0x10000))
}
