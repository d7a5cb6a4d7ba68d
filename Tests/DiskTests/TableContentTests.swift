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
            let parts = words.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = parts.count > 1 ? parts[1] : ""
            let ran = lab.nacre("gpt \(parts[0]) \(disk.loop) --serial \(disk.file) \(rest)")
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

    @Test("A zap that did not finish erases no unknown data that came since")
    func resumed() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 400 << 20)
        try lab.sh("mkfs.ext4 -q \(disk.file)")
        try disk.flush()
        let command = "\(DiskLab.program) zap \(disk.loop) --serial \(disk.file) --content ext4"
        let points = try lab.killPoints(of: command, on: disk.loop).filter { $0.call == "pwrite64" }
        try lab.sh("wipefs -aqf \(disk.loop); mkfs.ext4 -qF \(disk.loop)")
        try disk.flush()
        // The marker is there, and nothing else is changed yet.
        #expect(lab.kill(command, at: try #require(points.dropFirst().first), on: disk.loop).status != 0)
        try lab.sh("dd if=/dev/urandom of=\(disk.loop) bs=1M count=8 conv=notrunc,fsync status=none")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file)")
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file) --content unknown").status == 0)
    }
}

extension DiskLab {
    /// Takes partitions away that the kernel was told of.
    fileprivate func forget(_ disk: Disk, _ number: Int32) {
        _ = DiskLab.run("partx -d --nr \(number) \(disk.loop)", limit: 10)
    }
}
