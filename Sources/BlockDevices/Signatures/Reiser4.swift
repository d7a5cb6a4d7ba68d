/// Reiser4.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let reiser4 = Format("reiser4", .fileSystem, Magic("ReIsEr4", at: 0x10000)) { device in
        // Its block size, in units of 256 bytes.
        device.bytes(0x10013, 1).contains { $0 >= 2 }
    }
}
