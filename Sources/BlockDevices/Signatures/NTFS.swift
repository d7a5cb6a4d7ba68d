/// NTFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ntfs = Format("ntfs", .fileSystem, Magic("NTFS    ", at: 3))
}
