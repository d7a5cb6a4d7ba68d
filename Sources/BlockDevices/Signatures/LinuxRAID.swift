/// A member of a Linux software RAID.
///
/// | version | where its super block is |
/// | --- | --- |
/// | 1.1 | 0 |
/// | 1.2 | 4096 |
/// | 1.0 | 8 KiB before the end rounded down to 4 KiB |
/// | 0.90 | 64 KiB before the end rounded down to 64 KiB, in either byte order |
///
/// See: <linux/raid/md_p.h>. Version 1 says its own place (in sectors, at 128); a copy elsewhere, as inside a
/// partition that starts late, is not the device's.
extension Format {
    static let linuxRAID = Format("linux_raid_member", .raid, minimumBytes: 128 << 10) { device in
        let rounded = device.sizeBytes / 4096 * 4096
        let newer = [(0, "1.1"), (4096, "1.2"), (rounded - 8192, "1.0")].compactMap { place, version -> Mark? in
            let block = device.bytes(UInt64(place), 256)
            guard block.little(UInt32.self, at: 0) == 0xA92B_4EFC, block.little(UInt32.self, at: 4) == 1,
                block.little(UInt64.self, at: 128) == UInt64(place) / 512
            else { return nil }
            return Mark(UInt64(place), 4, "version \(version)")
        }
        let old = device.sizeBytes / 65536 * 65536 - 65536
        let block = device.bytes(old, 8)
        let isOld = [block.little(UInt32.self, at: 0), block.big(UInt32.self, at: 0)].contains(0xA92B_4EFC)
        return newer + (isOld ? [Mark(old, 4, "version 0.90")] : [])
    }
}
