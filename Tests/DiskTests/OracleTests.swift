import Glibc
import LinuxKernel
import Testing

@Suite(
    "Ceph's and LVM's own tools agree, before a zap and after",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct OracleTests {
    static func has(_ program: String) -> Bool { DiskLab.run("command -v \(program)", limit: 60).status == 0 }

    private func inventory(_ disk: Disk, _ lab: DiskLab) -> Ran {
        // It calls udevadm, whose answers it does not need for a loop device.
        let shim = "\(lab.directory)/bin"
        let make = "mkdir -p \(shim) && printf '#!/bin/sh\\nexit 0\\n' > \(shim)/udevadm && chmod +x \(shim)/udevadm"
        return DiskLab.run(
            // It looks at all devices, and fails where one of another test goes meanwhile.
            "\(make); export PATH=$PATH:\(shim) CEPH_VOLUME_SKIP_RESTORECON=yes CEPH_VOLUME_ALLOW_LOOP_DEVICES=true; "
                + "for i in 1 2 3 4 5 6; do "
                + "out=$(ceph-volume --log-path \(lab.directory) inventory --format json \(disk.loop) 2> \(shim)/errors); s=$?; "
                + "[ $s != 0 ] && grep -q FileNotFoundError \(shim)/errors || break; sleep 1; done; "
                + "echo \"$out\"; cat \(shim)/errors >&2; exit $s",
            limit: 120
        )
    }

    @Test(
        "ceph-volume inventory",
        .enabled(if: has("ceph-volume"), "needs ceph-volume"),
        arguments: [Layout.raw, .rawWithCopies]
    )
    func cephVolume(layout: Layout) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 6 << 30)
        try layout.make(disk, lab)
        let before = inventory(disk, lab)
        try #require(before.status == 0, "\(before.errors)")
        #expect(before.output.contains(#""available": false"#), "\(before.output)")
        let check = lab.nacre("check \(disk.loop)")
        #expect(check.status == 1)
        for reason in ["Has BlueStore device label", "Has a FileSystem"] {
            #expect(before.output.contains(reason) && check.output.contains(reason))
        }
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster)")
        #expect(ran.status == 0, "\(ran.errors)")
        let after = inventory(disk, lab)
        #expect(after.output.contains(#""available": true"#), "\(after.output)")
    }

    @Test(
        "ceph-bluestore-tool show-label",
        .enabled(if: has("ceph-bluestore-tool"), "needs ceph-bluestore-tool"),
        arguments: ["bluestore-single", "bluestore-block.db"]
    )
    func label(fixture: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 2 << 30)
        try disk.write(fixture: fixture)
        let before = DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60)
        try #require(before.status == 0, "\(before.errors)")
        let inspect = lab.nacre("inspect -o json \(disk.loop)").output
        #expect(before.output.contains(DiskLab.osd) && inspect.contains(DiskLab.osd))
        #expect(inspect.contains("ceph_bluestore"))
        let ran = lab.nacre(
            "zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster) --unknown-osd \(DiskLab.osd)"
        )
        #expect(ran.status == 0, "\(ran.errors)")
        let after = DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60)
        #expect(after.status != 0 && after.errors.contains("unable to read label"), "\(after.output) \(after.errors)")
    }

    @Test("pvs", .enabled(if: has("pvs"), "needs lvm2"))
    func physicalVolume() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 1 << 30)
        try lab.lvm("pvcreate -y", disk.loop)
        try lab.lvm("vgcreate ceph-oracle", disk.loop)
        #expect(lab.physicalVolumes([disk]).contains("ceph-oracle"))
        let inspect = lab.nacre("inspect \(disk.loop)").output
        #expect(inspect.contains("LVM2_member") && inspect.contains("volume group ceph-oracle"))
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file)").status == 0)
        #expect(!lab.physicalVolumes([disk]).contains("loop"))
    }

    @Test(
        "A volume group on two disks goes when both are named, and not before",
        .enabled(if: has("pvs"), "needs lvm2")
    )
    func group() throws {
        let lab = try DiskLab()
        let (first, second) = (try lab.disk("first", 512 << 20), try lab.disk("second", 512 << 20))
        try lab.group("ceph-two", [first, second])
        let before = [try first.fingerprint(), try second.fingerprint()]
        let consent = "--fsid \(DiskLab.cluster)"
        // Loop devices are inspected only if they are named; the other one is, by its plan, as a member of the group.
        let alone = lab.nacre("zap \(first.loop) --serial \(first.file) \(consent)")
        #expect(alone.status == 77)
        #expect([try first.fingerprint(), try second.fingerprint()] == before)
        let proofs = "--serial \(first.file) --serial \(second.file)"
        let both = lab.nacre("zap \(first.loop) \(second.loop) \(proofs) \(consent)")
        #expect(both.status == 0, "\(both.errors)")
        try first.flush()
        try second.flush()
        #expect(first.magics.isEmpty && second.magics.isEmpty)
        #expect(!lab.physicalVolumes([first, second]).contains("loop"))
    }
}

extension DiskLab {
    private func lvm(_ words: String, seeing disks: [Disk]) -> String {
        let accepted = disks.map { "\"a|^\($0.loop)$|\"," }.joined()
        let filter = "devices{use_devicesfile=0 scan_lvs=0 filter=[\(accepted)\"r|.*|\"]}"
        let parts = words.split(separator: " ", maxSplits: 1)
        return "LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=\(directory)/lvm \(parts[0]) --driverloaded n --nolocking "
            + "--config '\(filter) activation{udev_sync=0 udev_rules=0}' \(parts.dropFirst().first ?? "")"
    }

    /// The output of pvs for disks.
    func physicalVolumes(_ disks: [Disk]) -> String {
        Self.run(lvm("pvs --noheadings -o pv_name,vg_name", seeing: disks), limit: 60).output
    }

    /// Makes a volume group on several disks, with an OSD's volume across all of them.
    func group(_ name: String, _ disks: [Disk]) throws {
        let names = disks.map(\.loop).joined(separator: " ")
        for disk in disks { try sh(lvm("pvcreate -y \(disk.loop)", seeing: disks)) }
        try sh(lvm("vgcreate \(name) \(names)", seeing: disks))
        let tags = [
            "ceph.type=block", "ceph.cluster_fsid=\(Self.cluster)", "ceph.osd_id=7", "ceph.osd_fsid=\(Self.osd)",
        ]
        let flags = tags.map { "--addtag \($0)" }.joined(separator: " ")
        try sh(lvm("lvcreate -an -Zn -Wn -y -l 100%FREE -n osd-block-x \(flags) \(name)", seeing: disks))
    }
}
