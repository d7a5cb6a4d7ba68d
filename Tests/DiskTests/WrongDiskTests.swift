import LinuxKernel
import Testing

@Suite(
    "The wrong disk is never erased",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct WrongDiskTests {
    @Test("Refused with its reason, and not a byte is changed", arguments: WrongDisk.all)
    func refused(wrong: WrongDisk) throws {
        let lab = try DiskLab()
        var disk = try lab.disk("disk", wrong.size)
        var extra = try wrong.make(disk, lab)
        if extra.hasPrefix("ATTACHED ") {
            disk = Disk(file: disk.file, loop: String(extra.dropFirst(9)))
            extra = ""
        }
        let before = try disk.fingerprint()
        let arguments = wrong.arguments.replacing("DISK", with: disk.loop).replacing("FILE", with: disk.file)
            .replacing("EXTRA", with: extra)
        let ran = lab.nacre("zap \(arguments)")
        #expect(ran.status == wrong.status, "\(ran.output) \(ran.errors)")
        #expect((ran.errors + ran.output).contains(wrong.says), "\(ran.errors)")
        #expect(try disk.fingerprint() == before)
    }

    @Test("There are at least sixty ways to be wrong")
    func count() {
        #expect(WrongDisk.all.count >= 60)
        #expect(Set(WrongDisk.all.map(\.name)).count == WrongDisk.all.count)
    }

    @Test("The disk that carries the root file system is refused in the plan already")
    func root() throws {
        // Only planned: no test ever erases it.
        let tree = try BlockTree(reading: Sysfs())
        let root = try MountTable.current().mounts.first { $0.mountPoint == "/" }
        guard let device = root?.device, let node = tree.node(of: device) else { return }
        let lab = try DiskLab()
        let ran = lab.nacre("plan /dev/\(node.name)")
        #expect(ran.status == 77)
        #expect(ran.output.contains("carries /"))
    }

    @Test("What may be lost can be named, and is erased then")
    func named() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkfs.ext4 -q \(disk.loop)")
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file) --content ext4").status == 0)
        try disk.write(fixture: "bluestore-block.db")
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file) --unknown-osd \(DiskLab.osd)").status == 0)
        try disk.write(fixture: "bluestore-single")
        #expect(lab.nacre("zap \(disk.loop) --serial \(disk.file) --foreign-fsid \(DiskLab.cluster)").status == 0)
    }
}
