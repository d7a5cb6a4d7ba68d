import Glibc
import LinuxKernel
import Testing

@Suite(
    "What is said to a person who got it wrong",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct WordsTests {
    @Test(
        "A wrong proof is told beside the right one",
        arguments: ["zap", "gpt new", "gpt zap", "prepare --part ceph-db:10M"]
    )
    func proof(command: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        if command == "gpt zap" { try lab.sh("sgdisk -o \(disk.loop)") }
        let before = try disk.fingerprint()
        let wrong = lab.nacre("\(command) \(disk.loop) --serial S3RIAL")
        #expect(wrong.status == 77)
        #expect(
            wrong.errors.contains("its backing file is '\(disk.file)', and --serial gave 'S3RIAL'"),
            "\(wrong.errors)"
        )
        let none = lab.nacre("\(command) \(disk.loop)")
        #expect(none.status == 77)
        let unasked = "unasked: this is no terminal; look at --plan, then give its backing file with --serial"
        #expect(none.errors.contains(unasked), "\(none.errors)")
        #expect(try disk.fingerprint() == before)
    }

    @Test("A plan's hash that is another disk's is told beside this one's")
    func hash() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        let ran = lab.nacre("zap \(disk.loop) --plan-hash 0123")
        #expect(ran.status == 77)
        #expect(ran.errors.contains("and --plan-hash gave '0123'"), "\(ran.errors)")
    }

    @Test("A cluster's fsid that is confirmed wrongly is told beside the right one")
    func fsid() throws {
        let lab = try DiskLab()
        let ran = lab.nacre("teardown --fsid \(DiskLab.cluster) --confirm \(DiskLab.osd)")
        #expect(ran.status == 77)
        #expect(ran.errors.contains("'\(DiskLab.osd)', and --fsid is '\(DiskLab.cluster)'"), "\(ran.errors)")
    }

    @Test(
        "What does not fit is told with the device, its size, and what is free",
        arguments: [
            ("prepare DISK --part ceph-db:60G", "cannot make part 1, ceph-db of 60 GiB", "63 MiB are free"),
            ("prepare DISK --part ceph-db:40M --part ceph-db:40M", "cannot make part 2, ceph-db of 40 MiB", "23 MiB"),
            ("gpt add DISK --end +10G", "a partition of 10 GiB does not fit", "63 MiB are free"),
            ("gpt add DISK --start 5G", "a partition cannot begin at 5 GiB", "the disk ends at 64 MiB"),
        ]
    )
    func size(command: String, part: String, room: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        if command.hasPrefix("gpt") { try lab.sh("sgdisk -o \(disk.loop)") }
        let before = try disk.fingerprint()
        let ran = lab.nacre("\(command.replacing("DISK", with: disk.loop)) --serial \(disk.file)")
        #expect(ran.status == 1)
        #expect(ran.errors.contains(part) && ran.errors.contains(room), "\(ran.errors)")
        #expect(ran.errors.contains(String(disk.loop.dropFirst(5))) && ran.errors.contains("nothing was written"))
        #expect(try disk.fingerprint() == before)
    }

    @Test(
        "A person sees what will be done before being asked for the proof",
        .enabled(if: OracleTests.has("script"), "needs script"),
        arguments: [
            ("prepare DISK --part ceph-db:10M --part ceph-wal:0", "osd wal"), ("gpt add DISK --name mine", "mine"),
            ("gpt zap DISK", "every copy of the table will be erased"),
        ]
    )
    func terminal(command: String, shown: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        if command.hasPrefix("gpt") { try lab.sh("sgdisk -o \(disk.loop)") }
        let before = try disk.fingerprint()
        let words = "\(DiskLab.program) \(command.replacing("DISK", with: disk.loop))"
        let ran = DiskLab.run("echo no | script -qec \"\(words)\" /dev/null", limit: 60)
        #expect(ran.status == 77)
        let parts = ran.output.split(separator: "Type its backing file to go on:", maxSplits: 1)
        try #require(parts.count == 2, "\(ran.output)")
        #expect(parts[0].contains(shown) && parts[0].contains("64 MiB, sectors of 512"), "\(ran.output)")
        let denied = "nothing was done: its backing file is '\(disk.file)', and you typed 'no'"
        #expect(parts[1].contains(denied), "\(ran.output)")
        #expect(try disk.fingerprint() == before)
    }

    @Test("The image of a disk is told how to become one; a directory and what is no device are told as such")
    func file() throws {
        let lab = try DiskLab()
        let image = try lab.image("plain", 1 << 20)
        let ran = lab.nacre("plan \(image)")
        #expect(ran.status == 77)
        #expect(ran.errors.contains("is not a block device but a file; make one of it with losetup"), "\(ran.errors)")
        try lab.sh("ln -s loop \(lab.directory)/loop")
        let loop = lab.nacre("plan \(lab.directory)/loop")
        #expect(loop.errors.contains("it is a symbolic link, or leads through too many"), "\(loop.errors)")
    }

    @Test("What the kernel only calls busy is told with who has it")
    func busy() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkfs.ext4 -q \(disk.file) && mkdir \(lab.directory)/m")
        try disk.flush()
        _ = try lab.claim(disk.loop, "os.O_EXCL")
        #expect {
            try Mounting.mount(disk.loop, at: "\(lab.directory)/m", fileSystem: "ext4", options: MountOptions(["ro"]))
        } throws: { error in
            guard let error = error as? KernelError, let words = DeviceHolders().words(for: error) else { return false }
            return "\(error)".contains("something else has the device claimed") && words.contains("open in process")
                && words.contains("python3")
        }
    }

    @Test("A disk that fails while it is erased is told as such, with what to do next")
    func failing() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkfs.ext4 -q \(disk.file)")
        try disk.flush()
        let broken = "strace -f -qq -e trace=pwrite64 -e inject=pwrite64:error=EIO:when=3+ -o /dev/null"
        let ran = DiskLab.run(
            "\(broken) \(DiskLab.program) zap \(disk.loop) --serial \(disk.file) --content ext4",
            limit: 120
        )
        #expect(ran.status == 1)
        #expect(ran.errors.contains("answers with errors, which dmesg tells"), "\(ran.errors)")
        #expect(ran.errors.contains("run it again when that is mended"), "\(ran.errors)")
    }

    @Test(
        "Where one of two disks cannot be marked, the other keeps its content, and the next zap has both"
    )
    func unmarkable() throws {
        let lab = try DiskLab()
        let (good, bad) = (try lab.disk("good"), try lab.disk("bad"))
        for disk in [good, bad] {
            try lab.sh("mkfs.ext4 -q \(disk.file)")
            try disk.flush()
        }
        let words = "zap \(good.loop) \(bad.loop) --serial \(good.file) --serial \(bad.file) --content ext4"
        let broken = "strace -f -qq -P \(bad.loop) -e trace=pwrite64 -e inject=pwrite64:error=EIO:when=1 -o /dev/null"
        let ran = DiskLab.run("\(broken) \(DiskLab.program) \(words)", limit: 120)
        #expect(ran.status == 1, "\(ran)")
        let said = (ran.output + ran.errors)
        #expect(said.contains("only the marker of a zap was written, for '\(bad.loop)'"), "\(ran)")
        try good.flush()
        #expect(try lab.sh("blkid -p -o value -s TYPE \(good.loop)") == "ext4\n")
        #expect(good.magics.contains("nacre-disk zap"))
        let again = lab.nacre(words)
        #expect(again.status == 0, "\(again)")
        for disk in [good, bad] {
            try disk.flush()
            #expect(try lab.sh("wipefs \(disk.loop)").isEmpty && disk.magics.isEmpty)
        }
    }

    @Test("A file system in a partition that only its name says is Ceph's is named itself, before it is erased")
    func fileSystemInPrepared() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 256 << 20)
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        let proof = "--serial \(disk.file)"
        #expect(lab.nacre("prepare \(disk.loop) \(proof) --part ceph-db:60M").status == 0)
        let part = try lab.sh("losetup -f --show -o \(1 << 20) --sizelimit \(60 << 20) \(disk.file)").prefix {
            $0 != "\n"
        }
        try lab.sh("mkfs.ext4 -q \(part); sync; losetup -d \(part)")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = lab.nacre("zap \(disk.loop) \(proof)")
        #expect(ran.status == 77 && ran.errors.contains("the partition 1 holds ext4"), "\(ran)")
        let id = try #require(ran.errors.firstMatch(of: /--unknown-osd ([0-9a-f-]{36})/)?.1, "\(ran)")
        let half = lab.nacre("zap \(disk.loop) \(proof) --unknown-osd \(id)")
        #expect(half.status == 77 && half.errors.contains("--content ext4"), "\(half)")
        #expect(try disk.fingerprint() == before)
        let named = lab.nacre("zap \(disk.loop) \(proof) --unknown-osd \(id) --content ext4")
        #expect(named.status == 0, "\(named)")
    }

    @Test("Partitions that were prepared and never taken are erased without being named; a written one is not")
    func unused() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 256 << 20)
        lab.atEnd {
            for number in 1...2 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        }
        let proof = "--serial \(disk.file)"
        let prepare = "prepare \(disk.loop) \(proof) --part ceph-db:60M --part ceph-db:60M"
        #expect(lab.nacre(prepare).status == 0)
        let plan = lab.nacre("plan \(disk.loop)")
        #expect(plan.status == 0, "\(plan.output)")
        #expect(plan.output.contains("empty: prepared for an OSD") && !plan.output.contains("unknown cluster"))
        // The beginning was wiped, and what an OSD wrote behind it is still there.
        try disk.write([UInt8](repeating: 7, count: 48 << 20), at: (61 << 20) + (4 << 20))
        let wiped = lab.nacre("zap \(disk.loop) \(proof)")
        #expect(wiped.status == 77)
        #expect(wiped.errors.contains("the partition 2 is the db of an OSD whose cluster is not known"))
        #expect(!wiped.errors.contains("the partition 1 is"), "\(wiped.errors)")
        try disk.write([UInt8](repeating: 0, count: 48 << 20), at: (61 << 20) + (4 << 20))
        #expect(lab.nacre("zap \(disk.loop) \(proof)").status == 0)
        try disk.flush()
        #expect(disk.magics.isEmpty)
    }
}
