/// A backing or caching device of bcache.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let bcacheMagic: [UInt8] = [
        0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81,
    ]

    static let bcache = Format("bcache", .other, Magic(bcacheMagic, at: 0x1018))
}
