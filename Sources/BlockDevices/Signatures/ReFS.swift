/// ReFS of Windows.
///
/// See: util-linux libblkid/src/superblocks/refs.c.
extension Format {
    static let refs = Format("ReFS", .fileSystem, Magic("\0\0\0ReFS\0", at: 0))
}
