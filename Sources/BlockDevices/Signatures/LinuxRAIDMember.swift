/// The super block of a member of a Linux software RAID, of version 1.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic, A92B4EFC |
/// | 4 | 4 | major version, 1 |
/// | 16 | 16 | UUID of the array |
/// | 32 | 32 | its name |
/// | 128 | 8 | where the data begin, in sectors of 512 bytes |
/// | 136 | 8 | how long they are, in sectors |
/// | 144 | 8 | where this super block is, in sectors |
///
/// See: <linux/raid/md_p.h>, `struct mdp_superblock_1`.
struct LinuxRAIDMember: Sendable, Hashable {
    /// `1.0`, `1.1` or `1.2`.
    let version: String
    /// Where the super block is, in bytes.
    let offset: UInt64
    /// The array's name, mostly with its host's.
    let name: String
    /// Where the data begin, in bytes.
    let dataOffset: UInt64
    /// How long they are, in bytes.
    let dataBytes: UInt64

    private init?(_ source: any ByteSource, at offset: UInt64, _ version: String) {
        let block = source.bytes(at: offset, count: 256)
        guard block.little(UInt32.self, at: 0) == 0xA92B_4EFC, block.little(UInt32.self, at: 4) == 1,
            block.little(UInt64.self, at: 144) == offset / 512,
            let start = block.little(UInt64.self, at: 128), let length = block.little(UInt64.self, at: 136)
        else { return nil }
        self.version = version
        self.offset = offset
        name = block.text(32, 32)
        let (first, isTooFar) = start.multipliedReportingOverflow(by: 512)
        let (bytes, isTooLong) = length.multipliedReportingOverflow(by: 512)
        dataOffset = isTooFar ? 0 : first
        dataBytes = isTooLong ? .max : bytes
    }

    /// The super blocks of version 1 at their three places.
    static func all(on source: any ByteSource) -> [LinuxRAIDMember] {
        let rounded = source.sizeBytes / 4096 * 4096
        guard rounded >= 16384 else { return [] }
        return [(0, "1.1"), (4096, "1.2"), (rounded - 8192, "1.0")].compactMap {
            LinuxRAIDMember(source, at: $0, $1)
        }
    }
}
