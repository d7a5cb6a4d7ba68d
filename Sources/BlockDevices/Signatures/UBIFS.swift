/// UBIFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ubifs = Format("ubifs", .fileSystem, Magic([0x31, 0x18, 0x10, 0x06], at: 0))
}
