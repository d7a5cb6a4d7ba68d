/// exFAT.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let exFAT = Format("exfat", .fileSystem, Magic("EXFAT   ", at: 3))
}
