import Glibc
import LinuxKernel
import Testing

@Suite(
    "Partition tables on real block devices",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct TableTests {
    @Test("A table made step by step is whole for sgdisk, in sectors of 512 and 4096", arguments: [512, 4096])
    func edit(sector: Int) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 256 << 20, sector: sector)
        let target = "\(disk.loop) --serial \(disk.file)"
        lab.atEnd {
            for number in 1...3 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        }
        func gpt(_ words: String) {
            #expect(lab.nacre("gpt \(words)").status == 0, "\(words): \(lab.nacre("gpt \(words)").errors)")
        }
        gpt("new \(target)")
        gpt("add \(target) --type ceph-block --end +100M --name one")
        gpt("add \(target) --type F807 --end +50M --uuid 11111111-2222-3333-4444-555555555555")
        gpt("add \(target) --number 3")
        gpt("type \(target) --number 3 --type ceph-wal")
        gpt("name \(target) --number 3 --name three")
        gpt("delete \(target) --number 1")
        gpt("verify \(disk.loop)")
        #expect(DiskLab.run("sgdisk -v \(disk.loop)", limit: 60).output.contains("No problems found"))
        let shown = DiskLab.run("sgdisk -p \(disk.loop)", limit: 60).output
        #expect(shown.contains("F808") && shown.contains("three") && !shown.contains("one"))
        #expect(lab.nacre("gpt print \(disk.loop)").output.contains("11111111-2222-3333-4444-555555555555"))
        let kernel = try BlockTree(reading: Sysfs()).partitions(of: String(disk.loop.dropFirst(5)))
        #expect(kernel.compactMap(\.partitionNumber) == [2, 3], "the kernel knows what the table says")
    }

    @Test("The table of a disk that was cloned to a smaller one is repaired where all partitions fit, else left alone")
    func cloned() throws {
        let lab = try DiskLab()
        for (end, fits) in [("+20M", true), ("+60M", false)] {
            let large = try lab.image("large-\(fits)", 128 << 20)
            try lab.sh("sgdisk -n 1:0:+20M -u 1:\(DiskLab.osd) -A 1:set:2 -n 2:0:\(end) -c 2:two \(large)")
            let disk = try lab.disk("small-\(fits)", 64 << 20)
            lab.atEnd {
                for number in 1...2 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
            }
            // Boot code, as GRUB's, is no part of a table.
            try lab.sh("head -c 440 /dev/urandom | dd of=\(large) conv=notrunc status=none")
            try lab.sh("dd if=\(large) of=\(disk.file) bs=1M count=64 conv=notrunc,sparse status=none")
            try disk.flush()
            let before = try disk.fingerprint()
            let shown = DiskLab.run("sgdisk -i 1 -i 2 \(large)", limit: 60).output
            let ran = lab.nacre("gpt repair \(disk.loop) --serial \(disk.file)")
            guard fits else {
                #expect(ran.status == 1)
                #expect(ran.errors.contains("partition 2 ends at 81 MiB"), "\(ran.errors)")
                #expect(ran.errors.contains("(block 131038)") && !ran.errors.contains("gpt new"))
                #expect(try disk.fingerprint() == before)
                continue
            }
            #expect(ran.status == 0, "\(ran.errors)")
            try disk.flush()
            #expect(DiskLab.run("sgdisk -v \(disk.file)", limit: 60).output.contains("No problems found"))
            #expect(DiskLab.run("sgdisk -i 1 -i 2 \(disk.file)", limit: 60).output == shown)
            #expect(DiskLab.run("cmp -n 440 \(disk.file) \(large)", limit: 60).status == 0, "the boot code is kept")
        }
    }

    @Test("After a disk grew, repair moves the backup to its end and leaves no old one")
    func grown() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        try lab.sh("sgdisk -n 1:0:+20M \(disk.file); truncate -s 128M \(disk.file); losetup -c \(disk.loop)")
        try disk.flush()
        let old: UInt64 = (64 << 20) - 33 * 512
        #expect(lab.nacre("gpt verify \(disk.loop)").output.contains("old backup") && !disk.isZero(old, 33 * 512))
        let ran = lab.nacre("gpt repair \(disk.loop) --serial \(disk.file)")
        #expect(ran.status == 0, "\(ran.errors)")
        try disk.flush()
        #expect(lab.nacre("gpt verify \(disk.loop)").status == 0)
        #expect(DiskLab.run("sgdisk -v \(disk.file)", limit: 60).output.contains("No problems found"))
        #expect(disk.isZero(old, 33 * 512))
    }

    @Test("A saved table is restored; a broken one repaired; and zap leaves none")
    func files() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let target = "\(disk.loop) --serial \(disk.file)"
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        try lab.sh("sgdisk -o -n 1:0:0 -t 1:F806 -u 1:\(DiskLab.osd) \(disk.loop)")
        let saved = "\(lab.directory)/table"
        let ran = lab.nacre("gpt backup \(disk.loop) \(saved)")
        #expect(ran.status == 0 && ran.errors.contains("with 1 partition, to '\(saved)'"), "\(ran)")
        #expect(DiskLab.run("sgdisk -l \(saved) \(disk.loop)", limit: 60).status == 0, "sgdisk reads it, too")
        try disk.write([UInt8](repeating: 0, count: 1024), at: 0)
        #expect(lab.nacre("gpt verify \(disk.loop)").status == 1)
        #expect(lab.nacre("gpt repair \(target)").status == 0)
        #expect(lab.nacre("gpt verify \(disk.loop)").status == 0)
        #expect(lab.nacre("gpt zap \(target)").status == 77, "whose partition it is has to be named")
        #expect(lab.nacre("gpt verify \(disk.loop)").status == 0)
        #expect(lab.nacre("gpt zap \(target) --unknown-osd \(DiskLab.osd)").status == 0)
        try disk.flush()
        #expect(disk.magics.isEmpty)
        let restored = lab.nacre("gpt restore \(target) \(saved)")
        #expect(restored.status == 0, "\(restored.errors)")
        #expect(DiskLab.run("sgdisk -v \(disk.loop)", limit: 60).output.contains("No problems found"))
    }

    @Test(
        "A backup of a table replaces nothing but an older one of the same disk",
        arguments: [
            "echo kept > FILE", "sgdisk -o OTHER; sgdisk -b FILE OTHER", "mkdir FILE", "mknod FILE c 1 3",
            "echo kept > FILE-real; ln -s FILE-real FILE", "ln -s FILE-none FILE",
            "sgdisk -b FILE DISK; truncate -s 600 FILE",
            "sgdisk -b FILE-real DISK; ln -s FILE-real FILE",
        ]
    )
    func kept(preparation: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("sgdisk -o \(disk.loop)")
        let file = "\(lab.directory)/table"
        let other = try lab.image("other", 64 << 20)
        try lab.sh(
            preparation.replacing("FILE", with: file).replacing("OTHER", with: other).replacing("DISK", with: disk.loop)
        )
        let look =
            "stat -c '%n %F %i %s %t %T %Y' \(lab.directory)/*; md5sum \(lab.directory)/table* 2>/dev/null || true"
        let before = try lab.sh(look)
        let ran = lab.nacre("gpt backup \(disk.loop) \(file)")
        #expect(ran.status == 77 && ran.errors.contains("refusing to replace '\(file)': "), "\(ran)")
        #expect(try lab.sh(look) == before)
    }

    @Test("A saved table of the same disk is replaced by the present one, as often as wanted")
    func savedAgain() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        lab.atEnd {
            for number in 1...2 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        }
        try lab.sh("sgdisk -o \(disk.loop)")
        let file = "\(lab.directory)/table"
        for words in ["with 0 partitions", "with 1 partition,"] {
            let ran = lab.nacre("gpt backup \(disk.loop) \(file)")
            #expect(ran.status == 0 && ran.errors.contains(words), "\(ran)")
            // In the protective MBR sgdisk writes other cylinders, heads and sectors than stand on the disk.
            try lab.sh("sgdisk -b \(file)-theirs \(disk.loop); cmp -i 512 \(file) \(file)-theirs")
            try lab.sh("sgdisk -n 0:0:+10M \(disk.loop)")
        }
    }

    @Test(
        "What has a name like that of the saved table stays when it is replaced",
        arguments: ["echo kept > FILE.new", "echo kept > KEPT; ln -s KEPT FILE.new", "mkdir FILE.new"]
    )
    func besideSaved(preparation: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        try lab.sh("sgdisk -o \(disk.loop); mkdir \(lab.directory)/saved")
        let file = "\(lab.directory)/saved/table"
        let kept = "\(lab.directory)/kept"
        try lab.sh(preparation.replacing("FILE", with: file).replacing("KEPT", with: kept))
        #expect(lab.nacre("gpt backup \(disk.loop) \(file)").status == 0)
        let look =
            "stat -c '%n %F %i %s %Y' \(file).new; cat \(file).new \(kept) 2> /dev/null; ls -A \(lab.directory)/saved"
        let before = DiskLab.run(look, limit: 60).output
        try lab.sh("sgdisk -n 1:0:+10M \(disk.loop)")
        let ran = lab.nacre("gpt backup \(disk.loop) \(file)")
        #expect(ran.status == 0 && ran.errors.contains("with 1 partition,"), "\(ran)")
        #expect(DiskLab.run(look, limit: 60).output == before)
    }

    @Test("A file far larger than any table is not read")
    func tooLargeForTable() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("sgdisk -o \(disk.loop)")
        let file = "\(lab.directory)/table"
        try lab.sh("sgdisk -b \(file) \(disk.loop); truncate -s 2M \(file)")
        let ran = lab.nacre("gpt backup \(disk.loop) \(file)")
        #expect(ran.status == 77 && ran.errors.contains("refusing to replace '\(file)': "), "\(ran)")
        #expect(try lab.sh("stat -c %s \(file)") == "\(2 << 20)\n")
    }

    @Test(
        "A table is not touched without proof, nor on a disk in use or with content",
        arguments: ["gpt new", "gpt zap", "gpt repair", "prepare"]
    )
    func refused(command: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("sgdisk -o -n 1:0:0 \(disk.loop)")
        let before = try disk.fingerprint()
        #expect(lab.nacre("\(command) \(disk.loop)").status == 77)
        _ = try lab.claim(disk.loop, "os.O_EXCL")
        #expect(lab.nacre("\(command) \(disk.loop) --serial \(disk.file)").status == 77)
        #expect(try disk.fingerprint() == before)
    }

    @Test("A blank disk is prepared once; ceph's own eyes see its partitions")
    func prepare() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 512 << 20)
        lab.atEnd {
            for number in 1...2 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        }
        let words = "prepare \(disk.loop) --serial \(disk.file) --part ceph-db:100M --part ceph-block:0"
        let full = lab.nacre("\(words) --part ceph-db:0 --plan")
        #expect(
            full.status != 0 && full.errors.contains("cannot make part 3") && full.errors.contains("there is no room"),
            "\(full.errors)"
        )
        let first = lab.nacre(words)
        #expect(first.status == 0, "\(first.errors)")
        let table = try disk.fingerprint()
        #expect(lab.nacre(words).errors.contains("so already"))
        #expect(try disk.fingerprint() == table)
        #expect(lab.nacre("prepare \(disk.loop) --serial \(disk.file) --part ceph-db:200M").status == 77)
        // ceph-volume and Rook take partitions with Ceph's name for used ones.
        #expect(DiskLab.run("sgdisk -p \(disk.loop)", limit: 60).output.contains("100.0 MiB   8300  osd db"))
        let check = lab.nacre("check \(disk.loop)")
        #expect(check.status == 1 && check.output.contains("ceph-volume: Has GPT headers"))
        // As versions before made them: it is so already, and what that means is told.
        for number in 1...2 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        try lab.sh("sgdisk -t 1:F807 -c '1:ceph db' -t 2:F806 -c '2:ceph block' \(disk.loop)")
        let former = lab.nacre(words)
        #expect(former.status == 0 && former.errors.contains("a name of ceph-disk"), "\(former)")
        // What it tells to do is enough.
        for (number, name) in [(1, "osd db"), (2, "osd block")] {
            let named = lab.nacre("gpt name \(disk.loop) --number \(number) --name '\(name)' --serial \(disk.file)")
            #expect(named.status == 0, "\(named)")
        }
        let renamed = lab.nacre(words)
        #expect(renamed.status == 0 && !renamed.errors.contains("a name of ceph-disk"), "\(renamed)")
        let zapped = lab.nacre("zap \(disk.loop) --serial \(disk.file)")
        #expect(zapped.status == 0, "nobody has taken them: \(zapped.errors)")
    }

    @Test("A cluster leaves the node, and another one's disk stays as it was")
    func teardown() throws {
        let lab = try DiskLab()
        let own = try lab.disk("own", Layout.size)
        let database = try lab.disk("db", 1 << 30)
        let foreign = try lab.disk("foreign", 1 << 30)
        try Layout.rawWithCopies.make(own, lab)
        try Layout.database.make(database, lab)
        try lab.sh("mkfs.ext4 -q \(foreign.loop)")
        let before = try foreign.fingerprint()
        let rook = "\(lab.directory)/rook"
        try lab.sh("mkdir -p \(rook)/rook-ceph/\(DiskLab.cluster)_\(DiskLab.osd) \(rook)/mon-a \(rook)/other-log")
        let included = [own, database, foreign].map { "--include \($0.loop)" }.joined(separator: " ")
        let words = "teardown --fsid \(DiskLab.cluster) \(included) --data-dir \(rook)"
        let dry = lab.nacre("\(words) --dry-run")
        // A disk of this very host that cannot be read (one that a container may not open) may hold anything.
        let isClear = lab.nacre("list").status == 0
        #expect(dry.status == (isClear ? 0 : 1), "\(dry.errors)")
        #expect(dry.errors.contains(own.loop) && dry.errors.contains(database.loop), "a db is known by its main device")
        #expect(lab.nacre(words).status == 77, "without proof")
        let ran = lab.nacre("\(words) --confirm \(DiskLab.cluster)")
        #expect(ran.status == (isClear ? 0 : 1), "\(ran.errors)")
        #expect(isClear || ran.errors.contains("nobody knows whether the cluster has left this node"))
        try own.flush()
        try database.flush()
        #expect(own.magics.isEmpty && database.magics.isEmpty)
        #expect(try foreign.fingerprint() == before)
        #expect(DiskLab.run("ls \(rook)", limit: 60).output == "other-log\n")
        #expect(lab.nacre("\(words) --confirm \(DiskLab.cluster)").status == ran.status, "again is fine")
        // A db whose main device is gone may be the cluster's: the node is not known to be free of it.
        try Layout.database.make(database, lab)
        let plan = lab.nacre("\(words) --plan")
        #expect(plan.status == 1 && plan.errors.contains("no disk here that could be told holds anything"), "\(plan)")
        let unknown = lab.nacre("\(words) --confirm \(DiskLab.cluster)")
        #expect(unknown.status == 1 && unknown.errors.contains("\(database.loop): belongs to an OSD whose cluster"))
    }

    @Test("Rook's directory is not emptied through a mount in it, however it is named", arguments: ["rook/", "alias"])
    func mountedDirectory(name: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let rook = "\(lab.directory)/rook"
        try lab.sh(
            "mkdir -p \(rook)/rook-ceph/\(DiskLab.cluster)_\(DiskLab.osd)/deep; ln -s rook \(lab.directory)/alias"
        )
        let mounted = "\(rook)/rook-ceph/\(DiskLab.cluster)_\(DiskLab.osd)/deep"
        try lab.sh("timeout 10 mount -t tmpfs none \(mounted); touch \(mounted)/kept")
        lab.atEnd { _ = DiskLab.run("umount -l \(mounted)", limit: 60) }
        let words = "teardown --fsid \(DiskLab.cluster) --include \(disk.loop) --confirm \(DiskLab.cluster)"
        let ran = lab.nacre("\(words) --data-dir \(lab.directory)/\(name)")
        #expect(ran.status == 1, "\(ran.errors)")
        #expect(DiskLab.run("ls \(mounted)", limit: 60).output == "kept\n")
    }

    @Test("Where one disk was erased and another refused, the exit code does not say that nothing was written")
    func partOfTeardown() throws {
        let lab = try DiskLab()
        let main = try lab.disk("main", Layout.size)
        let database = try lab.disk("db", 1 << 30)
        try Layout.rawWithCopies.make(main, lab)
        try Layout.database.make(database, lab)
        let words = "teardown --fsid \(DiskLab.cluster) --confirm \(DiskLab.cluster) --include \(main.loop)"
        _ = try lab.claim(main.loop, "os.O_EXCL", mode: "os.O_RDONLY")
        let before = try main.fingerprint()
        let ran = lab.nacre("\(words) --include \(database.loop)")
        #expect(ran.status == 1, "\(ran.errors)")
        try database.flush()
        #expect(database.magics.isEmpty)
        #expect(try main.fingerprint() == before)
    }

    @Test("A clone of a larger disk whose own old backup is at its end is left alone until a copy is chosen")
    func chosen() throws {
        let lab = try DiskLab()
        let large = try lab.image("large", 128 << 20)
        let disk = try lab.disk("small", 64 << 20)
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        try lab.sh("sgdisk -o -n 1:0:+5M \(disk.file)")
        try lab.sh("sgdisk -o -n 1:0:+20M -u 1:\(DiskLab.osd) \(large)")
        try lab.sh("dd if=\(large) of=\(disk.file) bs=1M count=32 conv=notrunc status=none")
        try disk.flush()
        let before = try disk.fingerprint()
        let target = "\(disk.loop) --serial \(disk.file)"
        for words in [
            "repair \(target)", "name \(target) --number 1 --name x", "backup \(disk.loop) \(lab.directory)/t",
        ] {
            let ran = lab.nacre("gpt \(words)")
            #expect(ran.status == 77 && ran.errors.contains("--from primary"), "\(words): \(ran.errors)")
        }
        #expect(try disk.fingerprint() == before)
        let ran = lab.nacre("gpt repair \(target) --from primary")
        #expect(ran.status == 0, "\(ran.errors)")
        try disk.flush()
        #expect(DiskLab.run("sgdisk -v \(disk.file)", limit: 60).output.contains("No problems found"))
        #expect(DiskLab.run("sgdisk -i 1 \(disk.file)", limit: 60).output.contains(DiskLab.osd.uppercased()))
    }

    @Test("A partition is left alone while a process has its disk open to write, as a virtual machine has")
    func writerOfDisk() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let partition = try lab.partition(disk)
        _ = try lab.claim(disk.loop, "0")
        let before = try disk.fingerprint()
        let ran = lab.nacre("zap \(partition) --serial \(disk.file)")
        #expect(ran.status == 77 && ran.errors.contains("open to write"), "\(ran.errors)")
        #expect(try disk.fingerprint() == before)
    }
}
