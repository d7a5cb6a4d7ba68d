/// zonefs.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let zoneFS = Format("zonefs", .fileSystem, Magic("SFOZ", at: 0))
}
