import Glibc
import LinuxKernel
import Testing

@Suite("Zap on real block devices", .serialized, .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"))
struct ZapTests {
    /// The UUIDs of ceph-disk's partitions are random, so the flags come from the plan.
    private func consents(_ layout: Layout, _ disk: Disk, _ lab: DiskLab) -> String {
        let plan = lab.nacre("plan \(disk.loop) \(layout.consents)")
        let named = plan.output.split(separator: "\n").compactMap { line -> String? in
            let words = line.split(separator: " ").map(String.init)
            return words.firstIndex(of: "--unknown-osd").flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
        }
        return ([layout.consents] + named.map { "--unknown-osd \($0)" }).joined(separator: " ")
    }

    @Test(
        "Nothing that anyone looks at is left, of any layout, in sectors of 512 and 4096",
        arguments: Layout.allCases,
        [512, 4096]
    )
    func nothingLeft(layout: Layout, sector: Int) throws {
        // sfdisk, LVM and a table in the other unit are about sectors of 512.
        let isAbout512: Set<Layout> = [.extendedPartitions, .foreignSectorTable, .grownTable, .secondMetadataArea]
        if sector == 4096, isAbout512.contains(layout) { return }
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Layout.size, sector: sector)
        try layout.make(disk, lab)
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) \(consents(layout, disk, lab))")
        #expect(ran.status == 0, "\(layout): \(ran.output) \(ran.errors)")
        try disk.flush()
        #expect(disk.isZero(0, 100 << 20))
        #expect(disk.isZero(1 << 30, 200 << 10))
        #expect(disk.isZero(UInt64(Layout.size) - (32 << 20), 32 << 20))
        #expect(lab.nacre("inspect \(disk.loop)").output.contains("nothing on it"))
        #expect(DiskLab.run("wipefs \(disk.loop)", limit: 60).output.isEmpty)
        #expect(DiskLab.run("blkid -p \(disk.loop)", limit: 60).output.isEmpty)
        let table = DiskLab.run("sgdisk -p \(disk.loop)", limit: 60)
        #expect(table.status == 0 && table.output.contains("Creating new GPT entries"))
        // A full scan, mid-disk included.
        #expect(disk.magics.isEmpty)
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file)").status == 0, "a blank disk may be zapped again")
    }

    @Test("A real OSD's disk is taken by a new one after a zap, and not before")
    func newOSD() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("osd", 2 << 30)
        func makeOSD(_ name: String) -> Ran { lab.makeOSD(disk, cluster: DiskLab.cluster, osd: name) }
        try #require(DiskLab.run("command -v ceph-osd", limit: 60).status == 0)
        #expect(makeOSD(DiskLab.osd).status == 0)
        try disk.flush()
        #expect(makeOSD("bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee").status != 0, "the old label stands in the way")
        let zap = lab.nacre("zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster)")
        #expect(zap.status == 0, "\(zap.errors)")
        let again = makeOSD("cccccccc-bbbb-cccc-dddd-eeeeeeeeeeee")
        #expect(again.status == 0, "\(again.errors)")
        try disk.flush()
        #expect(lab.nacre("inspect \(disk.loop)").output.contains("osd.7 block of cluster \(DiskLab.cluster)"))
    }

    @Test("Every method ends with a clean disk", arguments: ["zero", "discard", "shred --passes 2", "signatures"])
    func methods(method: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 160 << 20)
        try lab.sh("dd if=/dev/urandom of=\(disk.loop) bs=1M count=160 oflag=direct status=none")
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) --content unknown --method \(method)")
        #expect(ran.status == 0, "\(ran.errors)")
        try disk.flush()
        #expect(disk.isZero(0, 100 << 20))
        #expect(disk.isZero(128 << 20, 32 << 20))
        #expect(disk.isZero(0, 160 << 20) == (method != "signatures"))
    }

    @Test("Several disks at once, each with its proof; a report for scripts")
    func parallel() throws {
        let lab = try DiskLab()
        let disks = try (0..<4).map { try lab.disk("disk\($0)", 200 << 20) }
        for disk in disks { try disk.write(fixture: "bluestore-single") }
        let names = disks.map(\.loop).joined(separator: " ")
        let proofs = disks.map { "--serial \($0.file)" }.joined(separator: " ")
        let ran = lab.nacre("zap \(names) \(proofs) --fsid \(DiskLab.cluster) -o json")
        #expect(ran.status == 0, "\(ran.errors)")
        #expect(ran.output.split(separator: "\n").filter { $0.contains("\"state\": \"clean\"") }.count == 4)
        #expect(try lab.sh("jq -r '.[].bytesErased' <<< '\(ran.output)'").split(separator: "\n").count == 4)
    }

    @Test("The headers are saved before they are erased, without the OSD's key")
    func backup() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try disk.write(fixture: "bluestore-single")
        let key = try lab.sh("strings -n 38 \(disk.file) | grep -oE 'AQ[A-Za-z0-9+/]{36}==' | head -1")
        let ran = lab.nacre(
            "zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster) --backup \(lab.directory)/b"
        )
        #expect(ran.status == 0, "\(ran.errors)")
        let word = key.prefix { $0 != "\n" }
        #expect(word.count == 40)
        #expect(DiskLab.run("grep -raF '\(word)' \(lab.directory)/b", limit: 60).status == 1)
        #expect(DiskLab.run("grep -ra 'bluestore block device' \(lab.directory)/b", limit: 60).status == 0)
        #expect(!(ran.output + ran.errors).contains(word))
    }

    @Test(
        "The super block that is erased is saved, and blkid knows the file system by it again",
        arguments: ["ext4", "xfs"]
    )
    func superBlock(type: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 320 << 20)
        try lab.sh("mkfs.\(type) -q \(disk.loop)")
        let uuid = try lab.sh("blkid -p -o value -s UUID \(disk.loop)")
        let saved = "\(lab.directory)/b"
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) --content \(type) --backup \(saved)")
        #expect(ran.status == 0 && ran.output.contains("headers saved to \(saved)/"), "\(ran)")
        try lab.sh(
            """
            file=$(ls \(saved)/*.headers) && line=$(head -n 1 "$file") && from=$(( ${#line} + 1 ))
            jq -r '.places[] | @tsv' <<< "$line" | while read -r at count; do
                dd if="$file" of=\(disk.loop) bs=1 skip=$from seek=$at count=$count conv=notrunc status=none
                from=$((from + count))
            done
            """
        )
        #expect(try lab.sh("blkid -p -o value -s UUID \(disk.loop)") == uuid)
    }

    @Test("Where there is nothing to save, that is said before anything is erased")
    func nothingToSave() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let ran = lab.nacre("zap \(disk.loop) --backup \(lab.directory)/b")
        #expect(ran.status == 77 && ran.errors.contains("\(disk.loop): --backup saves nothing of it"), "\(ran)")
        let done = lab.nacre("zap \(disk.loop) --serial \(disk.file) --backup \(lab.directory)/b")
        #expect(done.status == 0 && done.errors.contains("--backup saves nothing of it"), "\(done)")
    }

    @Test(
        "Headers that cannot be saved keep every disk from being touched, and the directory is named",
        arguments: ["zap", "teardown"]
    )
    func unsavable(command: String) throws {
        let lab = try DiskLab()
        let disks = [try lab.disk("a"), try lab.disk("b")]
        for disk in disks { try disk.write(fixture: "bluestore-single") }
        let before = try disks.map { try $0.fingerprint() }
        try lab.sh("echo kept > \(lab.directory)/file; mkdir \(lab.directory)/full")
        // One page: there is room for the look whether there is room, and for no headers.
        try lab.sh("timeout 10 mount -t tmpfs -o size=4k none \(lab.directory)/full")
        lab.atEnd { _ = DiskLab.run("umount -l \(lab.directory)/full", limit: 60) }
        let proofs = disks.map { "--serial \($0.file)" }.joined(separator: " ")
        let names = disks.map(\.loop)
        let words =
            command == "zap"
            ? "zap \(names.joined(separator: " ")) \(proofs) --fsid \(DiskLab.cluster)"
            : "teardown --fsid \(DiskLab.cluster) --confirm \(DiskLab.cluster) "
                + names.map { "--include \($0)" }.joined(separator: " ")
        for (place, reason) in [("file", "ENOTDIR"), ("file/sub", "ENOTDIR"), ("full", "ENOSPC")] {
            let ran = lab.nacre("\(words) --backup \(lab.directory)/\(place)")
            #expect(ran.status == 77, "\(ran)")
            #expect(
                ran.errors.contains("cannot be saved to '\(lab.directory)/\(place)'") && ran.errors.contains(reason),
                "\(ran)"
            )
            #expect(try disks.map { try $0.fingerprint() } == before)
        }
        #expect(try lab.sh("cat \(lab.directory)/file; ls -A \(lab.directory)/full") == "kept\n", "nothing is left")
    }

    @Test("A teardown that can save the headers of one disk, and not of the other, erases neither")
    func savedByHalf() throws {
        let lab = try DiskLab()
        let measure = try lab.disk("measure")
        try measure.write(fixture: "bluestore-single")
        let words =
            "zap \(measure.loop) --serial \(measure.file) --fsid \(DiskLab.cluster) --backup \(lab.directory)/all"
        #expect(lab.nacre(words).status == 0)
        let pages = Int(try lab.sh("echo -n $(( ($(stat -c %s \(lab.directory)/all/*.headers) + 4095) / 4096 ))")) ?? 0
        try #require(pages > 1)
        let disks = [try lab.disk("a"), try lab.disk("b")]
        for disk in disks { try disk.write(fixture: "bluestore-single") }
        let before = try disks.map { try $0.fingerprint() }
        // A page more, for the look whether there is room.
        let half = "\(lab.directory)/half"
        try lab.sh("mkdir \(half); timeout 10 mount -t tmpfs -o size=\(4 * (pages + 1))k none \(half)")
        lab.atEnd { _ = DiskLab.run("umount -l \(half)", limit: 60) }
        let ran = lab.nacre(
            "teardown --parallel 1 --fsid \(DiskLab.cluster) --confirm \(DiskLab.cluster) --backup \(half) "
                + disks.map { "--include \($0.loop)" }.joined(separator: " ")
        )
        #expect(ran.status == 77 && ran.errors.contains("cannot be saved to '\(half)'"), "\(ran)")
        #expect(try lab.sh("ls -A \(half) | wc -l") == "1\n", "one was saved: \(ran)")
        #expect(try disks.map { try $0.fingerprint() } == before)
    }

    @Test("Looking never prints a key", arguments: ["inspect", "inspect -o json", "plan", "plan -o yaml"])
    func noSecrets(command: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Layout.size)
        try Layout.volume.make(disk, lab)
        let ran = lab.nacre("\(command) \(disk.loop)")
        let shown = ran.output + ran.errors
        #expect(shown.contains("osd-block"))
        #expect(!shown.contains("AQ") && !shown.contains("osd_key") && !shown.contains("secret"))
    }

    @Test(
        "Kill -9 at every write: the same command finishes, whatever the first left",
        arguments: [Layout.volume, .partitioned, .rawWithCopies, .encrypted, .secondMetadataArea]
    )
    func killed(layout: Layout) throws {
        let lab = try DiskLab()
        let whole = try lab.disk("whole", Layout.size)
        try layout.make(whole, lab)
        let points = try lab.killPoints(of: zap(whole, consents(layout, whole, lab)), on: whole.loop)
        #expect(points.filter { $0.call == "pwrite64" }.count >= 3)
        for point in points.decisive {
            let disk = try lab.disk("disk", Layout.size)
            try layout.make(disk, lab)
            let command = zap(disk, consents(layout, disk, lab))
            #expect(lab.kill(command, at: point, on: disk.loop).status != 0, "\(layout), \(point)")
            try disk.flush()
            let second = DiskLab.run(command, limit: 120)
            #expect(second.status == 0, "\(layout), killed at \(point): \(second.output) \(second.errors)")
            try disk.flush()
            #expect(disk.isZero(1 << 30, 200 << 10) && disk.isZero((1 << 30) + (1 << 20), 200 << 10))
            #expect(disk.magics.isEmpty)
            try lab.detach(disk.loop)
            try lab.sh("rm \(disk.file)")
        }
    }

    @Test("A device that says it made zeros and did not is written to")
    func lyingDevice() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Layout.size)
        try Layout.partitioned.make(disk, lab)
        let command = zap(disk, consents(.partitioned, disk, lab))
        // Every request to write zeros is reported as done, and is not done.
        let points = try lab.killPoints(of: "\(command) --dry-run", on: disk.loop)
        #expect(points.isEmpty, "a dry run changes nothing")
        let lie = "-e inject=ioctl:retval=0:when=4+"
        let ran = DiskLab.run("strace -f -qq -P \(disk.loop) -e trace=ioctl \(lie) -o /dev/null \(command)", limit: 60)
        #expect(ran.status == 0, "\(ran.errors)")
        try disk.flush()
        #expect(disk.isZero(0, 100 << 20) && disk.magics.isEmpty)
    }

    private func zap(_ disk: Disk, _ named: String) -> String {
        "\(DiskLab.program) zap \(disk.loop) --serial \(disk.file) \(named)"
    }
}
