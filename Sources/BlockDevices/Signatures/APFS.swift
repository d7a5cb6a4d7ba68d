/// APFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let apfs = Format(
        "apfs",
        .fileSystem,
        Magic("NXSB", at: 32),
        if: { device in
            // The type of the object, its subtype, padding, and the size of a block.
            let block = device.bytes(0, 48)
            return block.little(UInt16.self, at: 24) == 1 && block.little(UInt16.self, at: 28) == 0
                && block.little(UInt32.self, at: 36) == 4096
        },
        isSound: { device in
            let block = device.bytes(0, 4096)
            // Fletcher's checksum of all but its own eight bytes.
            var (low, high) = (UInt64(0), UInt64(0))
            for offset in stride(from: 8, to: 4096, by: 4) {
                low = (low + UInt64(block.little(UInt32.self, at: offset) ?? 0)) % 0xFFFF_FFFF
                high = (high + low) % 0xFFFF_FFFF
            }
            let first = 0xFFFF_FFFF - (low + high) % 0xFFFF_FFFF
            let second = 0xFFFF_FFFF - (low + first) % 0xFFFF_FFFF
            return block.little(UInt64.self, at: 0) == second << 32 | first
        }
    )
}
