import LinuxKernel

extension WrongDisk {
    private static let other = "99999999-2222-3333-4444-555555555555"

    /// It belongs to another or an unknown cluster.
    static let owners: [WrongDisk] = [
        WrongDisk("an OSD, no cluster named", says: "belongs to osd.7 of the cluster", "DISK --serial FILE") {
            disk,
            _ in
            try disk.write(fixture: "bluestore-single")
            return ""
        },
        WrongDisk(
            "an OSD of another cluster",
            says: "belongs to osd.7 of the cluster",
            "DISK --serial FILE --fsid \(other)"
        ) {
            disk,
            _ in
            try disk.write(fixture: "bluestore-single")
            return ""
        },
        WrongDisk("another foreign cluster named", says: "belongs to", "DISK --serial FILE --foreign-fsid \(other)") {
            disk,
            _ in
            try disk.write(fixture: "bluestore-single")
            return ""
        },
        WrongDisk(
            "a copy of a foreign label at 1 GiB",
            says: "belongs to",
            "DISK --serial FILE --fsid \(other)",
            size: 2 << 30
        ) {
            disk,
            _ in
            try disk.write(fixture: "bluestore-single", at: 1 << 30, count: 4096)
            return ""
        },
        WrongDisk(
            "a foreign OSD in a partition",
            says: "the partition 1 belongs to",
            "DISK --serial FILE --fsid \(other)"
        ) {
            disk,
            lab in
            try lab.sh("sgdisk -o -n 1:0:0 \(disk.loop)")
            try disk.write(fixture: "bluestore-single", at: 1 << 20)
            return ""
        },
        WrongDisk(
            "foreign volumes by their tags",
            says: "osd-db-x belongs to osd.8",
            "DISK --serial FILE --fsid \(other)",
            size: 3 << 30
        ) {
            disk,
            _ in
            try disk.write(fixture: "lvm", count: 16384)
            return ""
        },
        WrongDisk("a foreign closed encrypted device", says: "belongs to", "DISK --serial FILE --fsid \(other)") {
            disk,
            _ in
            try disk.write(fixture: "luks2", count: 4096)
            return ""
        },
        WrongDisk("a label that contradicts its volume's tags", says: "says two things about its owner", size: 3 << 30)
        { disk, lab in
            try disk.write(fixture: "lvm", count: 16384)
            // The label of osd.7 in the volume of osd.8.
            try disk.write(fixture: "bluestore-single", at: (1 << 20) + (2 << 30))
            return ""
        },
        WrongDisk("two valid labels of different OSDs", says: "says two things", size: 2 << 30) { disk, lab in
            try disk.write(fixture: "bluestore-block.db", at: 1 << 30, count: 4096)
            try disk.write(fixture: "bluestore-single")
            // Same OSD in the fixtures: make the copy another's, with its checksum.
            try lab.relabel(disk, at: 1 << 30)
            return ""
        },
        WrongDisk("a db of an unknown cluster", says: "the db of an OSD whose cluster is not known") { disk, _ in
            try disk.write(fixture: "bluestore-block.db")
            return ""
        },
        WrongDisk("a wal of an unknown cluster", says: "the wal of an OSD whose cluster is not known") { disk, _ in
            try disk.write(fixture: "bluestore-block.wal")
            return ""
        },
        WrongDisk("another unknown OSD named", says: "whose cluster is not known", "\(willing) --unknown-osd \(other)")
        { disk, _ in
            try disk.write(fixture: "bluestore-block.db")
            return ""
        },
        WrongDisk("only a BlueFS super block is left", says: "whose cluster is not known") { disk, _ in
            try disk.write(fixture: "bluestore-block.db")
            try disk.write([UInt8](repeating: 0, count: 4096), at: 0)
            return ""
        },
        WrongDisk("a partition of ceph-disk", says: "the block of an OSD whose cluster is not known") { disk, lab in
            try lab.sh("sgdisk -o -n 1:0:0 -t 1:F806 \(disk.loop)")
            return ""
        },
    ]

    /// A partition table is in front of it, or contains it.
    static let hidden: [WrongDisk] = [
        content("linux_raid_member", "a member of a RAID behind 55 AA") { disk, _ in
            try disk.write(fixture: "md-1.2", at: 4096)
            try disk.write([0x55, 0xAA], at: 510)
        },
        content("linux_raid_member", "a member of a RAID behind an empty GPT") { disk, lab in
            try lab.sh("sgdisk -o \(disk.loop)")
            try disk.write(fixture: "md-0.90", at: (64 << 20) - 65536)
        },
        content("data of an unknown kind (at byte 5000 of the disk)", "unknown data behind 55 AA") { disk, _ in
            try disk.write("important", at: 5000)
            try disk.write([0x55, 0xAA], at: 510)
        },
        content("data of an unknown kind (at byte 20000 of the disk)", "unknown data behind an empty GPT") {
            disk,
            lab in
            try lab.sh("sgdisk -o \(disk.loop)")
            try disk.write("important", at: 20000)
        },
        content("data of an unknown kind", "unknown data before the backup of an empty GPT") { disk, lab in
            try lab.sh("sgdisk -o \(disk.loop)")
            try disk.write("important", at: (64 << 20) - 20000)
        },
        content("data of an unknown kind", "a GPT whose entries are somebody else's bytes") { disk, lab in
            try lab.sh("sgdisk -o \(disk.loop)")
            try disk.write("important", at: 5000)
        },
        content("data of an unknown kind", "a label of PC-98 with a partition") { disk, lab in
            try lab.sh("parted -s \(disk.file) mklabel pc98 mkpart ext2 8MiB 40MiB")
            try disk.flush()
        },
        content("data of an unknown kind", "unknown data behind the table of another kind of machine") { disk, lab in
            try lab.sh("parted -s \(disk.file) mklabel sun")
            try disk.write("important", at: 5000)
        },
        content("the partition 1 in the partition 1 holds ext4", "a virtual machine's disk in a partition") {
            disk,
            lab in
            let inner = try lab.image("vm", 40 << 20)
            try lab.sh("sgdisk -o -n 1:0:0 \(inner) && mkfs.ext4 -q -E offset=1048576 \(inner) 30M")
            try lab.sh("sgdisk -o -n 1:0:+50M \(disk.loop) && dd if=\(inner) of=\(disk.file) bs=1M seek=1 conv=notrunc")
            try disk.flush()
        },
        content("the partition 1 is not one of Ceph's", "a partition with an empty table in it") { disk, lab in
            let inner = try lab.image("vm", 40 << 20)
            try lab.sh("sgdisk -o \(inner)")
            try lab.sh("sgdisk -o -n 1:0:+40M \(disk.loop) && dd if=\(inner) of=\(disk.file) bs=1M seek=1 conv=notrunc")
            try disk.flush()
        },
        content("the partition 1 holds data of an unknown kind", "unknown data behind 55 AA in a partition") {
            disk,
            lab in
            try lab.sh("sgdisk -o -n 1:0:+40M \(disk.loop)")
            try disk.write([0x55, 0xAA], at: (1 << 20) + 510)
            try disk.write("important", at: (1 << 20) + 5000)
        },
        content("the free space at byte 1048576 holds ext4", "ext4 in a partition that is gone from the table") {
            disk,
            lab in
            try lab.sh("sgdisk -o -n 1:0:0 \(disk.loop) && mkfs.ext4 -q -E offset=1048576 \(disk.file) 40M")
            try disk.flush()
            try lab.sh("sgdisk -d 1 \(disk.loop)")
        },
        content("the free space at byte 11534336 holds data of an unknown kind", "unknown data behind a partition") {
            disk,
            lab in
            try lab.sh("sgdisk -o -n 1:0:+10M -t 1:F806 -c \"1:ceph block\" \(disk.loop)")
            try disk.write("important", at: (11 << 20) + 5000)
        },
    ]

    /// It has other content.
    static let contents: [WrongDisk] = [
        content("ext4", "ext4") { try $1.sh("mkfs.ext4 -q \($0.loop)") },
        content("ext2", "ext2") { try $1.sh("mkfs.ext2 -q \($0.loop)") },
        WrongDisk("XFS", says: "the disk holds xfs", "\(willing) --content ext4", size: 320 << 20) { disk, lab in
            try lab.sh("mkfs.xfs -q \(disk.loop)")
        },
        content("swap", "swap space that is not in use") { try $1.sh("mkswap -q \($0.loop)") },
        content("crypto_LUKS", "LUKS1, which knows no cluster") { disk, _ in
            try disk.write(fixture: "luks1", at: 0, count: 4096)
        },
        content("crypto_LUKS", "LUKS2 without Rook's note") { disk, lab in
            try lab.sh(
                "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \(disk.file) - <<< secret"
            )
            try disk.flush()
        },
        content("LVM2_member", "LVM of somebody else") { disk, lab in
            try lab.lvm("pvcreate -y", disk.loop)
            try lab.lvm("vgcreate data", disk.loop)
        },
        content("LVM2_member", "a physical volume in no group") { try $1.lvm("pvcreate -y", $0.loop) },
        content("lvm2_metadata", "metadata of LVM without a label") { disk, lab in
            try lab.lvm("pvcreate -y", disk.loop)
            try lab.lvm("vgcreate data", disk.loop)
            try disk.write([UInt8](repeating: 0, count: 512), at: 512)
        },
        content("linux_raid_member", "a member of a RAID that does not run, version 1.2") { disk, _ in
            try disk.write(fixture: "md-1.2", at: 4096)
        },
        content("linux_raid_member", "the same, version 1.1") { disk, _ in try disk.write(fixture: "md-1.1") },
        content("linux_raid_member", "the same, version 1.0, at the end") { disk, _ in
            try disk.write(fixture: "md-1.0", at: (64 << 20) - 8192)
        },
        content("linux_raid_member", "the same, version 0.90, at the end") { disk, _ in
            try disk.write(fixture: "md-0.90", at: (64 << 20) - 65536)
        },
        content("btrfs", "Btrfs") { disk, _ in try disk.write("_BHRfS_M", at: 0x10040) },
        content("zfs_member", "a ZFS label at the end") { disk, _ in
            try disk.write([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x24], at: (64 << 20) - (256 << 10) + 16384)
        },
        content("drbd", "DRBD") { disk, _ in try disk.write([0x83, 0x74, 0x02, 0x6D], at: (64 << 20) - 4036) },
        content("minix", "Minix") { disk, lab in
            try lab.sh("mkfs.minix \(disk.file)")
            try disk.flush()
        },
        content("VMFS", "VMFS") { disk, _ in try disk.write([0x5E, 0xF1, 0xAB, 0x2F], at: 2 << 20) },
        content("bcache", "a bcache backing device") { disk, _ in
            let magic: [UInt8] = [
                0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81,
            ]
            try disk.write(magic, at: 0x1018)
            try disk.write([8], at: 0x1008)
        },
        content("data of an unknown kind", "data without a name") { disk, _ in try disk.write("important", at: 5000) },
        content("data of an unknown kind", "data at the very end") { disk, _ in try disk.write("x", at: (64 << 20) - 1)
        },
        content("the partition 1 holds ext4", "ext4 in a partition of a GPT") { disk, lab in
            try lab.sh("sgdisk -o -n 1:0:0 \(disk.loop) && mkfs.ext4 -q -E offset=1048576 \(disk.file) 40M")
            try disk.flush()
        },
        content("the partition 2 holds data of an unknown kind", "unknown data in a second partition") { disk, lab in
            try lab.sh("sgdisk -o -n 1:0:+10M -n 2:0:0 \(disk.loop)")
            try disk.write("important", at: (11 << 20) + 5000)
        },
        content("the partition 1 is not one of Ceph's", "a partition of somebody else, with something in its middle") {
            disk,
            lab in
            try lab.sh("sgdisk -o -n 1:0:0 \(disk.loop)")
            try disk.write("important", at: 30 << 20)
        },
        content("the partition 5 holds ext4", "ext4 in a logical partition") { disk, lab in
            try lab.sh("parted -s \(disk.file) mklabel msdos mkpart extended 1MiB 100% mkpart logical 2MiB 40MiB")
            try lab.sh("mkfs.ext4 -q -E offset=$((2 << 20)) \(disk.file) 38M")
            try disk.flush()
        },
        WrongDisk("a volume of somebody else among those of OSDs", says: "holds LVM2_member", size: 3 << 30) {
            disk,
            lab in
            try disk.write(fixture: "lvm", count: 16384)
            try lab.lvm("pvs", disk.loop)
            let group = "ceph-3ab6549f-9c8a-4000-8000-000000000001"
            try lab.sh(
                "LVM_SYSTEM_DIR=\(lab.directory)/lvm lvcreate --driverloaded n --nolocking --config "
                    + "'devices{use_devicesfile=0 scan_lvs=0 filter=[\"a|^\(disk.loop)$|\",\"r|.*|\"]} "
                    + "activation{udev_sync=0 udev_rules=0}' -an -Zn -Wn -y -L 64M -n mine \(group) 2> /dev/null"
            )
            return ""
        },
    ]
}

extension DiskLab {
    /// Changes a label to another OSD, with a valid checksum.
    func relabel(_ disk: Disk, at offset: UInt64) throws {
        let script = """
            import struct, sys
            f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = bytearray(f.read(4096))
            b[23:31] = b"99999999"; b[66:70] = bytes([0x99] * 4)
            end = 66 + struct.unpack_from("<I", b, 62)[0]
            crc = 0xFFFFFFFF
            for x in b[:end]:
                crc ^= x
                for _ in range(8): crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
            struct.pack_into("<I", b, end, crc)
            f.seek(int(sys.argv[2])); f.write(b)
            """
        try sh("/usr/bin/python3 - \(disk.file) \(offset) <<'END'\n\(script)\nEND")
        try disk.flush()
    }
}
