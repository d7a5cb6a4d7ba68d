/// A member of a Linux software RAID.
///
/// | version | where its super block is |
/// | --- | --- |
/// | 1.1 | 0 |
/// | 1.2 | 4096 |
/// | 1.0 | 8 KiB before the end rounded down to 4 KiB |
/// | 0.90 | 64 KiB before the end rounded down to 64 KiB, in either byte order |
///
/// See: <linux/raid/md_p.h>. Version 1 says its own place; a copy elsewhere, as inside a partition that starts late, is
/// not the device's.
extension Format {
    static let linuxRAID = Format("linux_raid_member", .raid, minimumBytes: 128 << 10) { device in
        let newer = LinuxRAIDMember.all(on: device.source).map { member in
            let name = member.name.isEmpty ? "" : ", array \(member.name)"
            return Mark(member.offset, 4, "version \(member.version)\(name)")
        }
        let old = device.sizeBytes / 65536 * 65536 - 65536
        let block = device.bytes(old, 8)
        let isOld = [block.little(UInt32.self, at: 0), block.big(UInt32.self, at: 0)].contains(0xA92B_4EFC)
        return newer + (isOld ? [Mark(old, 4, "version 0.90")] : [])
    }
}
