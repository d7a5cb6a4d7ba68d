import Glibc
import LinuxKernel
import Testing

@Suite(
    "The OSD of a failed disk is replaced by what is left of it",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: OracleTests.has("pvs"), "needs lvm2")
)
struct ReplaceTests {
    private static let other = "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"

    /// Volumes with the tags of ceph-volume: the OSD's data on one disk, its db and another OSD's on the other.
    private func make(
        _ lab: DiskLab,
        isEncrypted: Bool = false,
        deviceClass: String = "ssd",
        lockbox: String = "AQsecret",
        more: [String] = []
    ) throws -> (data: Disk, database: Disk) {
        let (data, database) = (try lab.disk("data", 512 << 20), try lab.disk("db", 512 << 20))
        func volume(_ name: String, _ group: String, _ disk: Disk, _ osd: (Int, String), _ type: String) throws {
            let tags =
                [
                    "ceph.type=\(type)", "ceph.cluster_fsid=\(DiskLab.cluster)", "ceph.osd_id=\(osd.0)",
                    "ceph.osd_fsid=\(osd.1)", "ceph.encrypted=\(isEncrypted ? 1 : 0)",
                    "ceph.crush_device_class=\(deviceClass)",
                    "ceph.cephx_lockbox_secret=\(lockbox)",
                ] + more
            let words = tags.map { "--addtag '\($0)'" }.joined(separator: " ")
            try lab.lvm("lvcreate -an -Zn -Wn -y -L 64M -n \(name) \(words) \(group)", seeing: disk)
        }
        for (disk, group) in [(data, "ceph-data"), (database, "ceph-db")] {
            try lab.lvm("pvcreate -y \(disk.loop)", seeing: disk)
            try lab.lvm("vgcreate \(group) \(disk.loop)", seeing: disk)
        }
        try volume("osd-block-a", "ceph-data", data, (7, DiskLab.osd), "block")
        try volume("osd-db-a", "ceph-db", database, (7, DiskLab.osd), "db")
        try volume("osd-db-b", "ceph-db", database, (8, Self.other), "db")
        try data.flush()
        try database.flush()
        return (data, database)
    }

    @Test("Its number, class and db are kept, the neighbours are named, and nothing is written")
    func kept() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let before = [try data.fingerprint(), try database.fingerprint()]
        let ran = lab.nacre("replace \(data.loop) --include \(database.loop) --new /dev/sdx")
        #expect(ran.status == 0, "\(ran.errors)")
        for words in [
            "ceph osd destroy osd.7 --yes-i-really-mean-it", "ceph-volume lvm zap ceph-db/osd-db-a",
            "ceph-volume lvm prepare --bluestore --data /dev/sdx --osd-id 7 --block.db ceph-db/osd-db-a "
                + "--crush-device-class ssd",
            "also carries osd.8 db", "never zap the whole disk",
        ] {
            #expect(ran.output.contains(words), "\(words): \(ran.output)")
        }
        #expect(!ran.output.contains("osd-db-b") && !ran.output.contains("--destroy") && !ran.output.contains("AQ"))
        #expect([try data.fingerprint(), try database.fingerprint()] == before)
    }

    @Test("The failed disk is the one that is named as such, also where it is included, and in whatever order")
    func included() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let ran = lab.nacre("replace \(data.loop) --include \(data.loop) --include \(database.loop)")
        #expect(ran.status == 0 && ran.output.contains("ceph osd destroy osd.7 "), "\(ran)")
        #expect(ran.output.contains("--block.db ceph-db/osd-db-a"), "\(ran)")
    }

    @Test("A number lifts nothing of what the disk says; it counts where the disk says nothing")
    func contradicted() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let words = "replace \(data.loop) --include \(database.loop) --osd"
        let ran = lab.nacre("\(words) 8")
        #expect(ran.status == 77 && ran.errors.contains("\(data.loop) is osd.7's, not osd.8's"), "\(ran)")
        #expect(ran.output.isEmpty)
        #expect(lab.nacre("\(words) 7").status == 0)
        #expect(lab.nacre("\(words) 7 --fsid \(DiskLab.cluster)").status == 0)
        let other = lab.nacre("\(words) 7 --fsid \(Self.other)")
        #expect(other.status == 77 && other.errors.contains("not osd.7's of \(Self.other)"), "\(other)")
        try lab.sh("dd if=/dev/zero of=\(data.file) bs=1M count=8 conv=notrunc status=none")
        try data.flush()
        #expect(lab.nacre("replace \(data.loop) --include \(database.loop)").status == 77)
        let known = lab.nacre("\(words) 8")
        #expect(known.status == 0 && known.output.contains("ceph osd destroy osd.8 "), "\(known)")
    }

    @Test("What a disk says is a word of a shell, and no more", arguments: ["ceph-volume", "cephadm"])
    func quoted(tool: String) throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab, deviceClass: "ssd&reboot#")
        let ran = lab.nacre("replace \(data.loop) --include \(database.loop) --tool \(tool)")
        #expect(ran.status == 0 && ran.output.contains("--crush-device-class 'ssd&reboot#'"), "\(ran)")
    }

    @Test(
        "A disk that is gone is known by its number and the tags of its db",
        arguments: ["ceph-volume", "cephadm", "rook"]
    )
    func gone(tool: String) throws {
        let lab = try DiskLab()
        let (_, database) = try make(lab, isEncrypted: true)
        let ran = lab.nacre("replace --osd 7 --include \(database.loop) --new /dev/sdx --tool \(tool)")
        #expect(ran.status == 0, "\(ran.errors)")
        #expect(ran.output.contains("ceph-db/osd-db-a") && !ran.output.contains("osd-db-b"), "\(ran.output)")
        #expect(ran.output.contains("dm-crypt/osd/\(DiskLab.osd)/luks") && !ran.output.contains("AQ"))
        #expect(ran.output.contains("--dmcrypt") == (tool != "rook"), "\(ran.output)")
    }

    /// Makes LUKS on the first volume of a disk, which begins at LVM's first extent.
    private func encrypt(_ disk: Disk, _ lab: DiskLab, erased: Bool = false, type: String = "luks2") throws {
        let inner = "\(lab.directory)/inner"
        try lab.sh(
            "truncate -s 64M \(inner) && cryptsetup -q luksFormat --type \(type) --pbkdf pbkdf2 "
                + "--pbkdf-force-iterations 1000 \(inner) - <<< secret"
        )
        if erased { try lab.sh("cryptsetup -q luksErase \(inner)") }
        try lab.sh("dd if=\(inner) of=\(disk.file) bs=1M seek=1 conv=notrunc status=none")
        try disk.flush()
    }

    @Test(
        "Which key of an encrypted OSD is missing is told",
        .enabled(if: OracleTests.has("cryptsetup"), "needs cryptsetup"),
        arguments: ["luks1", "luks2"]
    )
    func keys(type: String) throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab, isEncrypted: true)
        let command = "replace \(data.loop) --include \(database.loop)"
        try encrypt(data, lab, type: type)
        try encrypt(database, lab, type: type)
        let whole = lab.nacre(command)
        #expect(whole.status == 0 && whole.output.contains("dm-crypt/osd/\(DiskLab.osd)/luks"), "\(whole)")
        #expect(!whole.output.contains("missing") && !whole.output.contains("key slot"), "\(whole.output)")
        try encrypt(database, lab, erased: true, type: type)
        let erased = lab.nacre(command)
        #expect(erased.output.contains("no key slot of its db (ceph-db/osd-db-a) is in use"), "\(erased.output)")
        try lab.sh("dd if=/dev/zero of=\(database.file) bs=1M seek=1 count=32 conv=notrunc status=none")
        try database.flush()
        let wiped = lab.nacre(command)
        #expect(wiped.output.contains("the LUKS header of its db (ceph-db/osd-db-a) is missing"), "\(wiped.output)")
    }

    @Test("A lockbox that no tag opens, and a key that only a TPM has, are told")
    func lockbox() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab, isEncrypted: true, lockbox: "")
        let ran = lab.nacre("replace \(data.loop) --include \(database.loop)")
        #expect(ran.output.contains("ceph auth get-key client.osd-lockbox.\(DiskLab.osd)"), "\(ran)")
        let second = try DiskLab()
        let (sealed, volume) = try make(second, isEncrypted: true, lockbox: "", more: ["ceph.with_tpm=1"])
        let told = second.nacre("replace \(sealed.loop) --include \(volume.loop)")
        #expect(told.output.contains("sealed in this host's TPM") && !told.output.contains("lockbox"), "\(told)")
    }

    @Test(
        "An encrypted disk of Rook's that says no OSD says which key is missing",
        .enabled(if: OracleTests.has("cryptsetup"), "needs cryptsetup")
    )
    func rook() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh(
            "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label pvc_name=set1-data-0 "
                + "--subsystem ceph_fsid=\(DiskLab.cluster) \(disk.file) - <<< secret"
        )
        try disk.flush()
        let ran = lab.nacre("replace \(disk.loop)")
        #expect(ran.status == 77 && ran.errors.contains("rook-ceph-osd-encryption-key-set1-data-0"), "\(ran)")
    }

    @Test("What ceph-volume is told, it knows", .enabled(if: OracleTests.has("ceph-volume"), "needs ceph-volume"))
    func known() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab, isEncrypted: true)
        let ran = lab.nacre("replace \(data.loop) --include \(database.loop)")
        let command = try #require(ran.output.split(separator: "\n").first { $0.hasPrefix("ceph-volume lvm prepare") })
        let help = try lab.sh("ceph-volume --log-path \(lab.directory) lvm prepare --help")
        for word in command.split(separator: " ") where word.hasPrefix("--") {
            #expect(help.contains(word), "\(word)")
        }
    }

    @Test("What is not a new disk is not taken for one: the failed disk, its db's, another OSD's")
    func notNew() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let words = "replace \(data.loop) --include \(database.loop)"
        for (new, reason) in [(data, "the failed disk itself"), (database, "is no new disk")] {
            let ran = lab.nacre("\(words) --new \(new.loop)")
            #expect(ran.status == 77 && ran.errors.contains(reason), "\(ran.errors)")
            #expect(!ran.output.contains("ceph-volume"), "\(ran.output)")
        }
        // The failed disk is gone by its name, and still there under the new one's.
        let gone = lab.nacre("replace --osd 7 --include \(database.loop) --include \(data.loop) --new \(data.loop)")
        #expect(gone.status == 77 && gone.errors.contains("osd.7"), "\(gone.errors)")
        let blank = try lab.disk("blank", 512 << 20)
        let ran = lab.nacre("\(words) --new \(blank.loop)")
        #expect(ran.status == 0 && ran.output.contains("--data \(blank.loop)"), "\(ran.errors)")
    }

    @Test("A partition that holds something is not taken for new, whatever its disk has besides; a blank one is")
    func partition() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let words = "replace \(data.loop) --include \(database.loop) --new"
        let disk = try lab.disk("new", 512 << 20)
        let part = try lab.partition(disk)
        let blank = lab.nacre("\(words) \(part)")
        #expect(blank.status == 0 && blank.output.contains("--data \(part)"), "\(blank)")
        try lab.sh("mkfs.ext4 -qF \(part)")
        try disk.flush()
        let used = lab.nacre("\(words) \(part)")
        #expect(used.status == 77 && used.errors.contains("no new disk: it has ext4"), "\(used)")
        let whole = lab.nacre("\(words) \(disk.loop)")
        #expect(whole.status == 77 && whole.errors.contains("no new disk"), "\(whole)")
        let place = "\(lab.directory)/place"
        try lab.sh("mkdir \(place) && mount \(part) \(place)")
        lab.atEnd { _ = DiskLab.run("umount \(place)", limit: 60) }
        let mounted = lab.nacre("\(words) \(part)")
        #expect(mounted.status == 77 && mounted.errors.contains("mounted at '\(place)'"), "\(mounted)")
    }

    @Test("An OSD that nobody knows, or a number that two clusters have, is refused with what to do")
    func unknown() throws {
        let lab = try DiskLab()
        let (data, database) = try make(lab)
        let none = lab.nacre("replace --osd 99 --include \(database.loop)")
        #expect(none.status == 77 && none.errors.contains("give its number with --osd"), "\(none.errors)")
        let two = lab.nacre("replace \(database.loop)")
        #expect(two.status == 77 && two.errors.contains("say which with --osd"), "\(two.errors)")
        let one = lab.nacre("replace \(database.loop) --osd 8 --include \(data.loop)")
        #expect(one.status == 0, "\(one.errors)")
    }
}

extension DiskLab {
    fileprivate func lvm(_ words: String, seeing disk: Disk) throws {
        let parts = words.split(separator: " ", maxSplits: 1)
        let filter = "devices{use_devicesfile=0 scan_lvs=0 filter=[\"a|^\(disk.loop)$|\",\"r|.*|\"]}"
        try sh(
            "LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=\(directory)/lvm \(parts[0]) --driverloaded n --nolocking "
                + "--config '\(filter) activation{udev_sync=0 udev_rules=0}' \(parts[1])"
        )
    }
}
