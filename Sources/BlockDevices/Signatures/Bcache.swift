/// A backing or caching device of bcache.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let bcacheMagic: [UInt8] = [
        0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81,
    ]

    // The super block says its own place, in sectors.
    static let bcache = Format("bcache", .other, Magic(bcacheMagic, at: 0x1018)) { device in
        device.bytes(0x1008, 8).little(UInt64.self, at: 0) == 8
    }
}
