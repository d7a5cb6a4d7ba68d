/// cramfs, in either byte order; of version 2 the checksum is compared.
///
/// See: util-linux libblkid/src/superblocks/cramfs.c.
extension Format {
    static let cramFS = Format(
        "cramfs",
        .fileSystem,
        Magic([0x45, 0x3D, 0xCD, 0x28], at: 0),
        Magic([0x28, 0xCD, 0x3D, 0x45], at: 0),
        isSound: { device in
            let head = device.bytes(0, 76)
            let isLittle = head.first == 0x45
            func word(_ offset: Int) -> UInt32? {
                isLittle ? head.little(UInt32.self, at: offset) : head.big(UInt32.self, at: offset)
            }
            guard let size = word(4), let flags = word(8), let sum = word(32) else { return false }
            // libblkid compares the checksum of images up to 64 KiB and passes over larger ones, which kernels mount.
            guard flags & 1 != 0, size <= 65536 else { return true }
            var image = device.bytes(0, Int(size))
            guard image.count >= 76 else { return false }
            image.replaceSubrange(32..<36, with: [0, 0, 0, 0])
            return CRC32.zlib(image) == sum
        }
    )
}
