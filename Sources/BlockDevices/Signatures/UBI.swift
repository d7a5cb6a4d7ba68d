/// A UBI device: the header of its first block and its checksum.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ubi = Format(
        "ubi",
        .other,
        Magic("UBI#", at: 0),
        isSound: { device in
            let header = device.bytes(0, 64)
            return header.big(UInt32.self, at: 60) == CRC32.ieee(header.prefix(60), from: ~0)
        }
    )
}
