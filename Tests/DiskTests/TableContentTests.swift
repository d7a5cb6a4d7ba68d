import Testing

/// A table of partitions is written over nothing that was not named; the oracle are the tools that made the content.
@Suite("Tables and what lies where they go", .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"))
struct TableContentTests {
    struct Content: Sendable, CustomTestStringConvertible {
        let format: String
        /// Makes it on a file of 60 MiB.
        let make: String
        var testDescription: String { format }
    }

    private static let contents = [
        Content(format: "xfs", make: "truncate -s 320M FILE; mkfs.xfs -qf FILE"),
        Content(format: "ext4", make: "mkfs.ext4 -qF FILE"),
        Content(
            format: "crypto_LUKS",
            make: "echo secret | cryptsetup -q luksFormat --type luks1 --iter-time 1 FILE -"
        ),
        Content(format: "LVM2_member", make: "dd if=LVM of=FILE bs=1M count=1 conv=notrunc status=none"),
        Content(format: "unknown", make: "dd if=/dev/urandom of=FILE bs=4096 count=1 conv=notrunc status=none"),
    ]

    /// Puts it in front of the disk, whose end stays as it is.
    private func put(_ content: Content, on disk: Disk, _ lab: DiskLab) throws {
        let file = "\(lab.directory)/content"
        var make = content.make.replacing("FILE", with: file)
        if make.contains("LVM") {
            let other = try lab.disk("lvm")
            try lab.lvm("pvcreate -qy \(other.loop)", other.loop)
            make = make.replacing("LVM", with: other.loop)
        }
        try lab.sh("truncate -s 60M \(file); \(make)")
        try lab.sh("dd if=\(file) of=\(disk.loop) bs=1M conv=notrunc,fsync,sparse status=none")
        try disk.flush()
    }

    /// A change of a disk's table.
    private func command(_ words: String, _ disk: Disk) -> String {
        let parts = words.split(separator: " ", maxSplits: 1)
        return "gpt \(parts[0]) \(disk.loop) --serial \(disk.file) \(parts.dropFirst().joined())"
    }

    @Test("A saved table is restored over content only where that is named", arguments: contents)
    func restored(content: Content) throws {
        let lab = try DiskLab()
        let (disk, other) = (try lab.disk("disk", 400 << 20), try lab.disk("other"))
        lab.atEnd { lab.forget(disk, 1) }
        let file = "\(lab.directory)/table"
        try lab.sh("sgdisk -o -n 1:0:+10M \(other.loop)")
        #expect(lab.nacre("gpt backup \(other.loop) \(file)").status == 0)
        try put(content, on: disk, lab)
        let before = try disk.fingerprint()
        for flag in ["--plan", "--serial \(disk.file)"] {
            let ran = lab.nacre("gpt restore \(disk.loop) \(file) \(flag)")
            #expect(ran.status == 77 && ran.errors.contains("--content \(content.format)"), "\(ran)")
        }
        #expect(try disk.fingerprint() == before)
        let words = "gpt restore \(disk.loop) \(file) --serial \(disk.file) --content \(content.format)"
        let more = content.format == "LVM2_member" ? " --content lvm2_metadata --content unknown" : ""
        let named = lab.nacre(words + more)
        #expect(named.status == 0, "\(named)")
        try lab.sh("sgdisk -v \(disk.loop) | grep -q 'No problems found'")
    }

    @Test(
        "A table of which only the backup is left, at the end of what has another use, is written nowhere",
        arguments: contents
    )
    func stale(content: Content) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 400 << 20)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:0:+10M \(disk.loop)")
        try lab.sh("dd if=/dev/zero of=\(disk.loop) bs=512 count=34 conv=notrunc,fsync status=none")
        try put(content, on: disk, lab)
        let before = try disk.fingerprint()
        for words in ["repair", "uuid --all", "add --end +5M", "delete --number 1", "name --number 1 --name x"] {
            let ran = lab.nacre(command(words, disk))
            #expect(ran.status == 77 && ran.errors.contains("--content \(content.format)"), "\(words): \(ran)")
        }
        #expect(try disk.fingerprint() == before)
    }

    @Test(
        "A table whose signature, first copy or MBR was wiped is repaired, and no other content is asked for",
        arguments: [
            "wipefs -qf -o 0x200 DISK", "dd if=/dev/zero of=DISK bs=512 count=34 conv=notrunc,fsync status=none",
            "dd if=/dev/zero of=DISK bs=512 count=1 conv=notrunc,fsync status=none",
            "dd if=/dev/urandom of=DISK bs=128 seek=9 count=1 conv=notrunc,fsync status=none",
        ]
    )
    func repaired(damage: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 64 << 20)
        lab.atEnd { lab.forget(disk, 1) }
        // A file system in a partition is the partition's.
        try lab.sh("mkfs.ext4 -qF -E offset=1048576 \(disk.loop) 20M; sgdisk -o -n 1:0:+30M \(disk.loop)")
        let table = try lab.sh("sgdisk -p \(disk.loop)")
        try lab.sh(damage.replacing("DISK", with: disk.loop))
        try disk.flush()
        let ran = lab.nacre("gpt repair \(disk.loop) --serial \(disk.file)")
        #expect(ran.status == 0, "\(ran)")
        #expect(try lab.sh("sgdisk -p \(disk.loop)") == table)
        try lab.sh("e2fsck -fn '\(disk.file)?offset=1048576'")
    }

    @Test(
        "A copy of a BlueStore label or a file system's mark that is in no partition stays, and the table is changed",
        arguments: ["name --number 1 --name x", "uuid --all", "repair"]
    )
    func elsewhere(words: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 1200 << 20)
        lab.atEnd { lab.forget(disk, 1) }
        // Marks of ZFS are before the partition, the label's copy is at 1 GiB, behind it.
        let unpack = "import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())"
        try lab.sh(
            "/usr/bin/python3 -c '\(unpack)' \(Matrix.fixtures)/zfs.img.xz "
                + "| dd of=\(disk.loop) bs=1M iflag=fullblock conv=notrunc,fsync status=none; sgdisk -o -n 1:1M:+10M \(disk.loop)"
        )
        try disk.write(fixture: "bluestore-single", at: 1 << 30, count: 4096)
        if words == "repair" {
            try lab.sh("dd if=/dev/zero of=\(disk.loop) bs=1M seek=1199 count=1 conv=notrunc,fsync status=none")
        }
        func outside() throws -> String {
            try lab.sh("dd if=\(disk.file) bs=64K skip=1 count=19183 status=none | sha256sum")
        }
        try disk.flush()
        let before = try outside()
        let ran = lab.nacre(command(words, disk))
        #expect(ran.status == 0, "\(ran)")
        try disk.flush()
        #expect(try outside() == before)
        try lab.sh("sgdisk -v \(disk.loop) | grep -q 'No problems found'")
    }

    @Test(
        "A member of a RAID in the last partition is the partition's, also where it is where the disk's would be",
        .enabled(if: OracleTests.has("mdadm"), "needs mdadm")
    )
    func memberInPartition() throws {
        let lab = try DiskLab()
        // Whole blocks of 64 KiB end in the disk where they end in the partition.
        let disk = try lab.disk("disk", 64 << 20 + 32 << 10)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:1M:0 \(disk.loop)")
        try disk.write(fixture: "md-0.90", at: (64 << 20) - 65536)
        let part = "\(lab.directory)/part"
        try lab.sh("tail -c +\((1 << 20) + 1) \(disk.file) | head -c \((63 << 20) + (32 << 10) - 33 * 512) > \(part)")
        #expect(try lab.sh("mdadm --examine \(part)").contains("Version : 0.90"))
        let ran = lab.nacre(command("name --number 1 --name x", disk))
        #expect(ran.status == 0, "\(ran)")
        try lab.sh("sgdisk -i 1 \(disk.loop) | grep -qF \"'x'\"; sgdisk -v \(disk.loop) | grep -q 'No problems found'")
    }

    @Test("Content that is named and stays does not stand for what is written over")
    func unnamed() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 64 << 20)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:0:+10M \(disk.loop)")
        try lab.sh("dd if=/dev/zero of=\(disk.loop) bs=512 count=34 conv=notrunc,fsync status=none")
        try disk.write(fixture: "md-0.90", at: (64 << 20) - 65536)
        try disk.write("important", at: 5000)
        let before = try disk.fingerprint()
        let words = command("name --number 1 --name x", disk)
        for (content, reason) in [("unknown", "linux_raid_member"), ("linux_raid_member", "unknown")] {
            let ran = lab.nacre("\(words) --content \(content)")
            #expect(ran.status == 77 && ran.errors.contains("--content \(reason)"), "\(ran)")
        }
        #expect(try disk.fingerprint() == before)
        let named = lab.nacre("\(words) --content linux_raid_member --content unknown")
        #expect(named.status == 0, "\(named)")
    }

    @Test("A partition is taken out from where the new backup goes only where its data is named")
    func takenOut() throws {
        let lab = try DiskLab()
        let (disk, larger) = (try lab.disk("disk", 64 << 20), try lab.disk("larger", 100 << 20))
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:1M:0 \(larger.loop)")
        try lab.sh("dd if=\(larger.loop) of=\(disk.loop) bs=512 count=34 conv=notrunc,fsync status=none")
        try disk.write("important", at: (64 << 20) - 5000)
        let before = try disk.fingerprint()
        let words = command("delete --number 1", disk)
        let ran = lab.nacre(words)
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        // What stays is told to be where the table has to be.
        let named = lab.nacre(command("name --number 1 --name x", disk))
        #expect(named.status != 0 && !named.errors.contains("--content"), "\(named)")
        #expect(try disk.fingerprint() == before)
        let lost = lab.nacre("\(words) --content unknown")
        #expect(lost.status == 0, "\(lost)")
        try lab.sh("sgdisk -v \(disk.loop) | grep -q 'No problems found'")
    }

    @Test("A table of which only the backup is left is repaired where a copy of a label is in a partition")
    func copyInPartition() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 1200 << 20)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:1M:+1100M \(disk.loop)")
        try disk.write(fixture: "bluestore-single", at: 1 << 30, count: 4096)
        let table = try lab.sh("sgdisk -p \(disk.loop)")
        try lab.sh("dd if=/dev/zero of=\(disk.loop) bs=512 count=34 conv=notrunc,fsync status=none")
        try disk.flush()
        let ran = lab.nacre(command("repair", disk))
        #expect(ran.status == 0, "\(ran)")
        #expect(try lab.sh("sgdisk -p \(disk.loop)") == table)
    }

    @Test(
        "No flag has a table written over a stopped OSD's label",
        .enabled(if: OracleTests.has("ceph-osd"), "needs ceph-osd"),
        arguments: [512, 4096]
    )
    func label(sector: Int) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 512 << 20, sector: sector)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:0:+10M \(disk.loop)")
        let made = lab.makeOSD(disk, cluster: DiskLab.cluster)
        try #require(made.status == 0, "\(made.errors)")
        let before = try disk.fingerprint()
        for words in ["repair", "uuid --all", "add --end +5M", "delete --number 1", "name --number 1 --name x"] {
            let content = ["ceph_bluestore", "ceph_bluefs", "unknown"].map { " --content \($0)" }.joined()
            let ran = lab.nacre(command(words, disk) + content)
            #expect(ran.status == 77 && ran.errors.contains("ceph_bluestore"), "\(words): \(ran)")
        }
        #expect(try disk.fingerprint() == before)
        #expect(DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60).status == 0)
    }

    @Test(
        "No flag has a table written over a stopped encrypted OSD, or over the physical volume of OSDs",
        arguments: ["crypto_LUKS", "LVM2_member"]
    )
    func owned(format: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 3 << 30)
        lab.atEnd { lab.forget(disk, 1) }
        try lab.sh("sgdisk -o -n 1:0:+10M \(disk.loop)")
        if format == "LVM2_member" {
            try disk.write(fixture: "lvm", count: 16384)
        } else {
            let make =
                "cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
                + "--subsystem ceph_fsid=\(DiskLab.cluster) FILE - <<< secret"
            try put(Content(format: format, make: make), on: disk, lab)
        }
        let before = try disk.fingerprint()
        for words in ["repair", "uuid --all", "add --end +5M", "delete --number 1", "name --number 1 --name x"] {
            let names = ["crypto_LUKS", "LVM2_member", "lvm2_metadata", "unknown"]
            let ran = lab.nacre(command(words, disk) + names.map { " --content \($0)" }.joined())
            #expect(ran.status == 77 && ran.errors.contains("an OSD's \(format) (at byte"), "\(words): \(ran)")
        }
        #expect(try disk.fingerprint() == before)
    }

    @Test(
        "A zap that did not finish erases no unknown data that came since",
        arguments: ["--method signatures", "--method shred"],
        ["--method signatures", "--method shred", "--method zero"]
    )
    func resumed(begun: String, words: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 192 << 20)
        try lab.sh("mkfs.ext4 -q \(disk.file)")
        try disk.flush()
        let command = "\(DiskLab.program) zap \(disk.loop) --serial \(disk.file) --content ext4 \(begun)"
        let points = try lab.killPoints(of: command, on: disk.loop).filter { $0.call == "pwrite64" }
        try lab.sh("wipefs -aqf \(disk.loop); mkfs.ext4 -qF \(disk.loop)")
        try disk.flush()
        // The marker is there, and nothing else is changed yet.
        #expect(lab.kill(command, at: try #require(points.dropFirst().first), on: disk.loop).status != 0)
        try disk.flush()
        try lab.sh("grep -qaF 'nacre-disk zap under way' \(disk.file)")
        try lab.sh("dd if=/dev/urandom of=\(disk.loop) bs=1M count=8 conv=notrunc,fsync status=none")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) \(words)")
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file) \(words) --content unknown").status == 0)
    }

    @Test("A shred that was killed when it had read all back erases no unknown data that came since")
    func readBack() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 192 << 20)
        try lab.sh("mkfs.ext4 -qF \(disk.loop)")
        try disk.flush()
        let words = "zap \(disk.loop) --serial \(disk.file) --method shred"
        let command = "\(DiskLab.program) \(words) --content ext4"
        let last = try #require(lab.killPoints(of: command, on: disk.loop).last { $0.call == "pwrite64" })
        try lab.sh("mkfs.ext4 -qF \(disk.loop)")
        try disk.flush()
        // The last write takes the marker away.
        #expect(lab.kill(command, at: last, on: disk.loop).status != 0)
        try disk.flush()
        try lab.sh("grep -qaF 'nacre-disk zap under way' \(disk.file)")
        try lab.sh("dd if=/dev/urandom of=\(disk.loop) bs=1M count=8 conv=notrunc,fsync status=none")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = lab.nacre(words)
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        #expect(try disk.fingerprint() == before)
    }
}

extension DiskLab {
    /// Takes partitions away that the kernel was told of.
    fileprivate func forget(_ disk: Disk, _ number: Int32) {
        _ = DiskLab.run("partx -d --nr \(number) \(disk.loop)", limit: 60)
    }
}
