/// zonefs.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let zoneFS = Format(
        "zonefs",
        .fileSystem,
        Magic("SFOZ", at: 0),
        isSound: { device in
            var block = device.bytes(0, 4096)
            guard block.count == 4096, let sum = block.little(UInt32.self, at: 4) else { return false }
            block.replaceSubrange(4..<8, with: [0, 0, 0, 0])
            return CRC32.ieee(block, from: ~0) == sum
        }
    )
}
