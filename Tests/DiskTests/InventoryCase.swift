import LinuxKernel
import Testing

/// A disk that ceph-volume judges, as the real programs make it.
struct InventoryCase: Sendable {
    /// A device that is asked for.
    struct Named {
        let name: String
        let device: String
        var isPartition = false
    }

    let name: String
    var size = 6 << 30
    var isReadOnly = false
    /// Partitions that the kernel is told of, from the first MiB on: the host's kernel reads no table.
    var partitions = 0
    var make: @Sendable (Disk, DiskLab) throws -> Void = { _, _ in }

    /// Makes it: the disk, and then its partitions.
    func disks(_ lab: DiskLab) throws -> [Named] {
        var disk = try lab.disk("\(name.filter { $0.isLetter || $0.isNumber })-\(UInt16.random(in: 0 ... .max))", size)
        try make(disk, lab)
        try disk.flush()
        if isReadOnly {
            try lab.detach(disk.loop)
            disk = Disk(file: disk.file, loop: try lab.attach(disk.file, readOnly: true))
        }
        let loop = disk.loop
        if partitions == 1 { _ = try lab.addPartition(of: loop, length: 5500 << 20) }
        let parts = (0..<partitions).map {
            Named(name: "partition \($0 + 1) of \(name)", device: "\(loop)p\($0 + 1)", isPartition: true)
        }
        return [Named(name: name, device: loop)] + parts
    }

    private static func shell(_ name: String, _ command: String, size: Int = 6 << 30, partitions: Int = 0)
        -> InventoryCase
    {
        InventoryCase(name: name, size: size, partitions: partitions) { disk, lab in
            try lab.sh(command.replacing("DISK", with: disk.loop))
        }
    }

    private static func fixture(_ name: String, _ fixture: String, at offset: UInt64 = 0, partitions: Int = 0)
        -> InventoryCase
    {
        InventoryCase(name: name, partitions: partitions) { disk, _ in
            try disk.write(fixture: fixture, at: offset, count: offset == 0 ? 8192 : 4096)
        }
    }

    private static func volumes(_ name: String, _ commands: [String]) -> InventoryCase {
        InventoryCase(name: name) { disk, lab in
            for command in commands { try lab.lvm(command, disk.loop) }
        }
    }

    /// What `nacre-disk prepare` makes.
    static let prepared = InventoryCase(name: "prepared", size: 12 << 30, partitions: 2) { disk, lab in
        let ran = lab.nacre("prepare \(disk.loop) --serial \(disk.file) --part ceph-db:6G --part ceph-block:0")
        try #require(ran.status == 0, "\(ran)")
    }

    private static let contents = [
        InventoryCase(name: "blank"), InventoryCase(name: "too small", size: 1 << 30),
        InventoryCase(name: "5 GiB", size: 5 << 30), InventoryCase(name: "a page less", size: 5 << 30 - 4096),
        InventoryCase(name: "read-only", isReadOnly: true),
        shell("ext4", "mkfs.ext4 -q DISK"), shell("xfs", "mkfs.xfs -q DISK"), shell("swap", "mkswap -q DISK"),
        InventoryCase(name: "mounted") { disk, lab in
            let place = "\(lab.directory)/mounted"
            try lab.sh("mkfs.ext4 -q \(disk.loop) && mkdir \(place) && timeout 10 mount \(disk.loop) \(place)")
            lab.atEnd { _ = DiskLab.run("umount -l \(place)", limit: 60) }
        },
        shell("luks", "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 DISK - <<< secret"),
        fixture("BlueStore", "bluestore-single"), fixture("db", "bluestore-block.db"),
        fixture("a copy of a label", "bluestore-single", at: 1 << 30),
        fixture("RAID 0.90", "md-0.90", at: 6 << 30 - 65536), fixture("RAID 1.2", "md-1.2", at: 4096),
        InventoryCase(name: "being replaced") { disk, _ in try disk.write("CEPH_DEVICE_BEING_REPLACED", at: 0) },
        InventoryCase(name: "unknown data") { disk, _ in try disk.write("important", at: 5000) },
    ]

    private static let tables = [
        shell("empty GPT", "sgdisk -o DISK"), shell("GPT", "sgdisk -n 1:0:+5500M DISK"),
        shell(
            "backup alone",
            "sgdisk -n 1:0:+100M DISK; dd if=/dev/zero of=DISK bs=1M count=1 conv=notrunc,fsync status=none"
        ),
        shell(
            "GPT without MBR",
            "sgdisk -n 1:0:+100M DISK; dd if=/dev/zero of=DISK bs=512 count=1 conv=notrunc,fsync status=none"
        ),
        shell(
            "GPT without backup",
            "sgdisk -n 1:0:+100M DISK; dd if=/dev/zero of=DISK bs=1M seek=6143 count=1 conv=notrunc,fsync status=none"
        ),
        // parted tells the kernel.
        shell("MBR", "parted -s DISK mklabel msdos mkpart primary 1MiB 100%"),
        shell(
            "MBR that the kernel does not show",
            "parted -s DISK mklabel msdos mkpart primary 1MiB 100%; timeout 10 partx -d DISK"
        ),
        shell("blank partition", "sgdisk -n 1:1M:+5500M DISK", partitions: 1),
        shell("ceph-disk's type alone", "sgdisk -n 1:1M:+5500M -t 1:F806 DISK", partitions: 1),
        shell("ceph-disk's type and name", "sgdisk -n 1:1M:+5500M -t 1:F800 -c '1:ceph data' DISK", partitions: 1),
        shell("partition named as Ceph's", "sgdisk -n 1:1M:+5500M -c '1:my ceph' DISK", partitions: 1),
        shell("file system in it", "sgdisk -n 1:1M:+5500M DISK; mkfs.ext4 -q -E offset=1048576 DISK 5G", partitions: 1),
        fixture("partition over a label", "bluestore-single", partitions: 1),
        fixture("partition over a copy of a label", "bluestore-single", at: 1 << 30, partitions: 1),
        prepared,
    ]

    /// A name that no other test has on this machine.
    private static let group = "ceph-\(UInt32.random(in: 0 ... .max))"

    private static let groups = [
        volumes("physical volume", ["pvcreate -y"]), volumes("empty group", ["pvcreate -y", "vgcreate \(group)"]),
        InventoryCase(name: "full group") { disk, lab in
            let tags = [
                "type=block", "osd_id=7", "osd_fsid=\(DiskLab.osd)", "cluster_fsid=\(DiskLab.cluster)",
                "block_uuid=x", "cluster_name=ceph", "encrypted=0",
            ]
            try lab.lvm("pvcreate -y", disk.loop)
            try lab.lvm("vgcreate \(group)-full", disk.loop)
            let flags = tags.map { "--addtag ceph.\($0)" }.joined(separator: " ")
            // Another command than lvm(_:_:) makes: the device is not its last word.
            try lab.sh(
                "LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=\(lab.directory)/lvm lvcreate --driverloaded n --nolocking --config "
                    + "'devices{use_devicesfile=0 scan_lvs=0 filter=[\"a|^\(disk.loop)$|\",\"r|.*|\"]} "
                    + "activation{udev_sync=0 udev_rules=0}' -an -Zn -Wn -y -l 100%FREE -n osd-block-x \(flags) \(group)-full"
            )
        },
    ]

    static let all = contents + tables + groups
}
