import LinuxKernel
import Testing

/// All layouts of a Ceph disk, as the real programs make them.
enum Layout: String, CaseIterable, Sendable {
    case raw, rawWithCopies, copiesOnly, database, partitioned, backupTableOnly, foreignSectorTable, volume, encrypted
    case interruptedWipe, extendedPartitions, replacementMarker, grownTable, secondMetadataArea

    static let size = 3 << 30

    /// Makes it on a disk.
    func make(_ disk: Disk, _ lab: DiskLab) throws {
        switch self {
        case .raw: try disk.write(fixture: "bluestore-single")
        case .rawWithCopies:
            try disk.write(fixture: "bluestore-single")
            for copy in [1] as [UInt64] {
                try disk.write(fixture: "bluestore-single", at: copy << 30, count: 4096)
            }
        case .copiesOnly: try disk.write(fixture: "bluestore-single", at: 1 << 30, count: 4096)
        case .database: try disk.write(fixture: "bluestore-block.db")
        case .partitioned:
            try lab.sh("sgdisk -o -n 1:0:+1500M -t 1:F806 -n 2:0:0 -t 2:F807 \(disk.loop)")
            try disk.write(fixture: "bluestore-single", at: 1 << 20)
            try disk.write(fixture: "bluestore-single", at: (1 << 20) + (1 << 30), count: 4096)
        case .backupTableOnly:
            try lab.sh("sgdisk -o -n 1:0:0 -t 1:F806 \(disk.loop)")
            try lab.sh("dd if=/dev/zero of=\(disk.loop) bs=1M count=100 oflag=direct status=none")
        case .foreignSectorTable:
            // Written through the other size of sectors.
            let other = try lab.attach(disk.file, sector: 4096)
            try lab.sh("sgdisk -o -n 1:0:0 -t 1:F806 \(other)")
            try lab.detach(other)
        case .volume:
            try disk.write(fixture: "lvm", count: 16384)
            try disk.write(fixture: "bluestore-single", at: 1 << 20)
            try disk.write(fixture: "bluestore-single", at: (1 << 20) + (1 << 30), count: 4096)
        case .encrypted:
            try lab.sh(
                "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label pvc_name=a "
                    + "--subsystem ceph_fsid=\(DiskLab.cluster) \(disk.file) - <<< secret"
            )
        case .interruptedWipe:
            try disk.write(fixture: "bluestore-single")
            try lab.sh("wipefs -aq \(disk.loop)")
            try disk.write(fixture: "bluestore-single", at: 1 << 30, count: 4096)
        case .extendedPartitions:
            let parts = "mkpart primary 1MiB 101MiB mkpart extended 200MiB 100% mkpart logical 201MiB 301MiB"
            try lab.sh("parted -s \(disk.file) mklabel msdos \(parts)")
            try disk.write(fixture: "bluestore-single", at: 201 << 20)
        case .replacementMarker: try disk.write("CEPH_DEVICE_BEING_REPLACED", at: 0)
        case .grownTable:
            try lab.sh("truncate -s 1G \(disk.file) && sgdisk -o -n 1:0:0 -t 1:F806 \(disk.file)")
            try lab.sh("truncate -s \(Self.size) \(disk.file) && losetup -c \(disk.loop)")
        case .secondMetadataArea:
            try lab.lvm("pvcreate -y --pvmetadatacopies 2", disk.loop)
            try lab.lvm("vgcreate ceph-empty", disk.loop)
        }
        try disk.flush()
    }

    /// The flags that permit erasing it.
    var consents: String {
        switch self {
        case .database: "--unknown-osd \(DiskLab.osd)"
        case .partitioned, .grownTable, .foreignSectorTable: "--fsid \(DiskLab.cluster)"
        case .backupTableOnly, .replacementMarker, .secondMetadataArea: ""
        case .extendedPartitions: "--fsid \(DiskLab.cluster) --content partition"
        default: "--fsid \(DiskLab.cluster)"
        }
    }
}

extension DiskLab {
    /// Runs an LVM command that sees only one device, without the device mapper.
    func lvm(_ command: String, _ device: String) throws {
        let words = command.split(separator: " ", maxSplits: 1)
        let filter = "devices{use_devicesfile=0 scan_lvs=0 filter=[\"a|^\(device)$|\",\"r|.*|\"]}"
        try sh(
            "LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=\(directory)/lvm \(words[0]) --driverloaded n --nolocking "
                + "--config '\(filter) activation{udev_sync=0 udev_rules=0}' \(words.dropFirst().first ?? "") \(device)"
        )
    }
}
