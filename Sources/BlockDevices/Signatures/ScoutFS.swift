/// ScoutFS of Versity: devices of metadata and of data have the same super block at 64 KiB, but for a flag.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | CRC of the other bytes of 4096, without the final inversion |
/// | 4 | 4 | magic |
/// | 48 | 8 | flags: 1 for metadata |
///
/// See: util-linux libblkid/src/superblocks/scoutfs.c.
extension Format {
    static let scoutFSMetadata = scoutFS("scoutfs_meta", isMetadata: true)
    static let scoutFSData = scoutFS("scoutfs_data", isMetadata: false)

    private static func scoutFS(_ name: String, isMetadata: Bool) -> Format {
        Format(name, .fileSystem, minimumBytes: 128 << 10) { device in
            let block = device.bytes(0x10000, 4096)
            guard let mark = Magic([0x8B, 0x42, 0x3C, 0x10], at: 0x10004).mark(on: device),
                let flags = block.little(UInt64.self, at: 48), (flags & 1 != 0) == isMetadata
            else { return [] }
            let isSound = block.little(UInt32.self, at: 0) == CRC32.ceph(block.dropFirst(4))
            return [Mark(mark.offset, mark.length, isSound ? nil : Mark.wrongChecksum)]
        }
    }
}
