import Glibc
import LinuxKernel
import Testing

/// A zap that was killed left a disk whose table still names its partition; what came to the disk since was named by nobody.
@Suite(
    "A zap that goes on takes what it was told, and nothing that came since",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct BegunTests {
    private static let size = 200 << 20
    private static let place: UInt64 = 8 << 20
    private static let uuid = "12345678-1111-2222-3333-444444444444"
    private static let newOSD = "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"

    /// A disk with the db of an OSD of an unknown cluster in its partition, whose zap was killed before its last write but one
    /// (`late`), so that only the table and the marker are left, or before it erased anything.
    private func begun(_ lab: DiskLab, late: Bool = true, type: String = "8300") throws -> Disk {
        func make(_ name: String) throws -> Disk {
            let disk = try lab.disk(name, Self.size)
            try lab.sh(
                "sgdisk -o -n 1:8M:+100M -t 1:\(type) -u 1:\(Self.uuid) \(disk.loop)"
            )
            try disk.write(fixture: "bluestore-block.db", at: Self.place)
            return disk
        }
        func command(_ disk: Disk) -> String { "\(zap(disk)) --unknown-osd \(DiskLab.osd)" }
        let whole = try make("whole")
        let points = try lab.killPoints(of: command(whole), on: whole.loop)
        // The marker, then all from the end to the beginning, the first bytes, and the marker again.
        let marked = try #require(points.firstIndex { $0.call == "pwrite64" })
        let first = points[(marked + 1)...].first { $0.call != "fsync" }
        let point = try #require(late ? points.filter { $0.call == "pwrite64" }.dropLast().last : first)
        let disk = try make("disk")
        try #require(lab.kill(command(disk), at: point, on: disk.loop).status != 0)
        try disk.flush()
        let inspected = lab.nacre("inspect -o json \(disk.loop)").output
        try #require(inspected.contains("nacre_zap") && inspected.contains(Self.uuid), "\(inspected)")
        return disk
    }

    private func zap(_ disk: Disk) -> String { "\(DiskLab.program) zap \(disk.loop) --serial \(disk.file)" }

    private func run(_ command: String) -> Ran { DiskLab.run(command, limit: 120) }

    /// Makes a real OSD whose db is this part of the disk.
    private func makeDatabase(_ lab: DiskLab, on disk: Disk, at offset: UInt64) throws {
        let main = try lab.disk("main", 512 << 20)
        let part = try lab.sh("losetup -f --show -o \(offset) --sizelimit \(100 << 20) \(disk.file)")
        let loop = String(part.prefix { $0 != "\n" })
        let made = lab.makeOSD(main, cluster: DiskLab.cluster, osd: Self.newOSD, database: loop)
        try lab.sh("sync; losetup -d \(loop)")
        try #require(made.status == 0, "\(made.errors)")
        try disk.flush()
    }

    @Test("What it was told is not asked for again", arguments: [false, true])
    func goesOn(late: Bool) throws {
        let lab = try DiskLab()
        let disk = try begun(lab, late: late)
        let ran = run(zap(disk))
        #expect(ran.status == 0, "\(ran)")
        try disk.flush()
        #expect(disk.magics.isEmpty)
    }

    @Test(
        "An OSD made since in a partition with that PARTUUID has to be named, where that was or elsewhere",
        .enabled(if: OracleTests.has("ceph-osd"), "needs ceph-osd"),
        arguments: [place, place + (64 << 20)]
    )
    func newOSD(place: UInt64) throws {
        let lab = try DiskLab()
        let disk = try begun(lab)
        if place != Self.place {
            try lab.sh("sgdisk -d 1 -n 1:\(place >> 20)M:+100M -t 1:8300 -u 1:\(Self.uuid) \(disk.loop)")
        }
        try makeDatabase(lab, on: disk, at: place)
        let before = try disk.fingerprint()
        let ran = run("\(zap(disk)) --unknown-osd \(DiskLab.osd)")
        #expect(ran.status == 77 && ran.errors.contains("--unknown-osd \(Self.newOSD)"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        let named = run("\(zap(disk)) --unknown-osd \(Self.newOSD) --content unknown")
        #expect(named.status == 0, "\(named)")
        try disk.flush()
        #expect(disk.magics.isEmpty)
    }

    @Test("A disk that is a copy has to be told everything, even if it is not changed")
    func copy() throws {
        let lab = try DiskLab()
        let disk = try begun(lab, late: false)
        let path = "\(lab.directory)/copy.img"
        try lab.sh("cp --sparse=always \(disk.file) \(path)")
        let copy = Disk(file: path, loop: try lab.attach(path))
        let before = try copy.fingerprint()
        let ran = run(zap(copy))
        #expect(ran.status == 77 && ran.errors.contains("--unknown-osd \(DiskLab.osd)"), "\(ran)")
        #expect(try copy.fingerprint() == before)
        let plan = lab.nacre("plan \(copy.loop)").output
        #expect(plan.contains("its marker may be another disk's") && !plan.contains("resumes"), "\(plan)")
        let named = run("\(zap(copy)) --unknown-osd \(DiskLab.osd)")
        #expect(named.status == 0, "\(named)")
    }

    @Test(
        "A file system made since in a partition of Ceph's type has the partition named again, wherever its mark is",
        .enabled(if: Matrix.root != nil, "needs tools/lib/disk-tools: tools/test disk"),
        arguments: ["mkfs.btrfs -q -f --mixed", "mkfs.ext4 -q -F"]
    )
    func newFileSystem(program: String) throws {
        let lab = try DiskLab()
        let disk = try begun(lab, type: "F800")
        let part = try lab.sh("losetup -f --show -o \(Self.place) --sizelimit \(100 << 20) \(disk.file)")
        let loop = String(part.prefix { $0 != "\n" })
        let made = run("\(Matrix.inRoot) \(program) \(loop)")
        try lab.sh("sync; losetup -d \(loop)")
        try #require(made.status == 0, "\(made)")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = run(zap(disk))
        #expect(ran.status == 77 && ran.errors.contains("--unknown-osd \(Self.uuid)"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        let named = run("\(zap(disk)) --unknown-osd \(Self.uuid)")
        #expect(named.status == 0, "\(named)")
    }

    @Test(
        "Data of an unknown kind that somebody wrote since has to be named: in the partition, before it, behind it",
        arguments: [place + 20000, 20000, UInt64(size) - 200_000]
    )
    func newData(offset: UInt64) throws {
        let lab = try DiskLab()
        let disk = try begun(lab)
        try disk.write("important", at: offset)
        let before = try disk.fingerprint()
        let ran = run(zap(disk))
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        let named = run("\(zap(disk)) --content unknown")
        #expect(named.status == 0, "\(named)")
    }

    @Test("What was written since a shred began is told from the shred's noise")
    func newDataInNoise() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 64 << 20)
        try disk.write("anything", at: 20000)
        let command = "\(zap(disk)) --method shred"
        // In the pass of zeros, which has not come to the beginning.
        let point = KillPoint(call: "pwrite64", number: 25)
        try #require(lab.kill("\(command) --content unknown", at: point, on: disk.loop).status != 0)
        try disk.flush()
        try #require(!disk.isZero(20000, 4096))
        try disk.write([UInt8](repeating: 0x21, count: 4096), at: 20480)
        let before = try disk.fingerprint()
        let ran = run(command)
        #expect(ran.status == 77 && ran.errors.contains("--content unknown"), "\(ran)")
        #expect(try disk.fingerprint() == before)
        let named = run("\(command) --content unknown")
        #expect(named.status == 0, "\(named)")
        try disk.flush()
        #expect(disk.isZero(0, 64 << 20))
    }

    @Test("Noise alone is not asked for again")
    func noise() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 64 << 20)
        try disk.write("anything", at: 20000)
        let command = "\(zap(disk)) --method shred"
        let point = KillPoint(call: "pwrite64", number: 25)
        try #require(lab.kill("\(command) --content unknown", at: point, on: disk.loop).status != 0)
        try disk.flush()
        let ran = run(command)
        #expect(ran.status == 0, "\(ran)")
        try disk.flush()
        #expect(disk.isZero(0, 64 << 20))
    }
}
