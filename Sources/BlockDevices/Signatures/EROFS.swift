/// EROFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let erofs = Format("erofs", .fileSystem, Magic([0xE2, 0xE1, 0xF5, 0xE0], at: 0x400)) { device in
        // The logarithm of the block size.
        device.bytes(0x40C, 1).contains { (9...16).contains($0) }
    }
}
