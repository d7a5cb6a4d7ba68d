import Glibc
import LinuxKernel
import Testing

@Suite(
    "A cluster's disks are overwritten whole, and a kill costs no pass",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct OverwriteTests {
    private static let other = "99999999-2222-3333-4444-555555555555"
    private static let size = 192 << 20

    /// If a disk of this host cannot be read, it is unknown whether the cluster is still on it.
    private func done(_ lab: DiskLab) -> Int32 { lab.nacre("list").status }

    /// A teardown of one cluster that looks at these disks, too.
    private func teardown(_ disks: Disk..., words: String) -> String {
        let included = disks.map { "--include \($0.loop)" }.joined(separator: " ")
        return "\(DiskLab.program) teardown --parallel 1 --fsid \(DiskLab.cluster) --confirm \(DiskLab.cluster) "
            + "\(included) \(words)"
    }

    /// How many writes to the device a command makes.
    private func writes(_ command: String, _ disk: Disk, _ lab: DiskLab, status: Int32) throws -> Int {
        try lab.killPoints(of: command, on: disk.loop, status: status).filter { $0.call == "pwrite64" }.count
    }

    @Test(
        "A real OSD's disk has not one byte left, and ceph-bluestore-tool no label",
        .enabled(if: OracleTests.has("ceph-osd"), "needs ceph-osd"),
        arguments: ["--method shred", "--method zero --passes 2"]
    )
    func whole(words: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("osd", 512 << 20)
        let made = lab.makeOSD(disk, cluster: DiskLab.cluster)
        try #require(made.status == 0, "\(made.errors)")
        try disk.flush()
        #expect(DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60).status == 0)
        let ran = DiskLab.run(teardown(disk, words: words), limit: 300)
        #expect(ran.status == done(lab), "\(ran.errors)")
        try disk.flush()
        #expect(disk.isZero(0, 512 << 20))
        #expect(DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60).status != 0)
    }

    @Test("Killed in each pass, the next run goes on with that pass and ends clean", arguments: [10, 60, 110, 146])
    func killed(write: Int) throws {
        let lab = try DiskLab()
        let status = done(lab)
        func make() throws -> (Disk, String) {
            let disk = try lab.disk("disk", Self.size)
            try disk.write(fixture: "bluestore-single")
            return (disk, teardown(disk, words: "--method shred --passes 2"))
        }
        let (first, command) = try make()
        let all = try writes(command, first, lab, status: status)
        // Three passes of 48 chunks, the marker, and how far it got.
        try #require(all > 146)
        try lab.detach(first.loop)
        let (disk, again) = try make()
        #expect(lab.kill(again, at: KillPoint(call: "pwrite64", number: write), on: disk.loop).status != 0)
        try disk.flush()
        let rest = try writes(again, disk, lab, status: status)
        let passes = write / 50
        #expect(rest <= all - passes * 48, "after \(write) of \(all) writes there were \(rest)")
        try disk.flush()
        #expect(disk.isZero(0, UInt64(Self.size)) && disk.magics.isEmpty)
    }

    /// Why it is not believed where an earlier shred of two passes got to.
    struct Doubt: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var words = "--method shred --passes 2"
        /// How often everything is overwritten after that.
        let passes: Int
    }

    private static let doubts = [
        Doubt(testDescription: "torn", passes: 3), Doubt(testDescription: "used since", passes: 3),
        Doubt(testDescription: "another method", words: "--method zero", passes: 1),
        Doubt(testDescription: "fewer passes", words: "--method shred", passes: 2),
    ]

    @Test(
        "Where it got to is not believed when it is torn, of another method, or the disk was used since",
        arguments: doubts
    )
    func torn(doubt: Doubt) throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Self.size)
        try disk.write(fixture: "bluestore-single")
        let command = teardown(disk, words: "--method shred --passes 2")
        // In the third pass; the first bytes are noise.
        #expect(lab.kill(command, at: KillPoint(call: "pwrite64", number: 120), on: disk.loop).status != 0)
        try disk.flush()
        let noted = try lab.sh("grep -obaF 'got so far' \(disk.file) | cut -d: -f1")
        let place = try #require(UInt64(noted.prefix { $0 != "\n" }))
        if doubt.testDescription == "torn" { try disk.write([0x21], at: place + 20) }
        if doubt.testDescription == "used since" { try disk.write(fixture: "bluestore-single") }
        let changes = try lab.changes(of: teardown(disk, words: doubt.words), on: disk.loop, status: done(lab))
        let bytes = changes.reduce(0) { $0 + $1.length }
        #expect(bytes >= doubt.passes * Self.size, "\(bytes)")
        try disk.flush()
        #expect(disk.isZero(0, UInt64(Self.size)) && disk.magics.isEmpty)
    }

    @Test("A pass of zeros that was killed goes on with the GiB in which it was")
    func within() throws {
        let lab = try DiskLab()
        func make() throws -> (Disk, String) {
            let disk = try lab.disk("disk", 3 << 30)
            try disk.write(fixture: "bluestore-single")
            return (disk, teardown(disk, words: "--method zero"))
        }
        let (first, command) = try make()
        let all = try lab.changes(of: command, on: first.loop, status: done(lab))
        try lab.detach(first.loop)
        let zeroed = all.filter { $0.point.call == "ioctl" }
        let start = try #require(zeroed.first?.offset)
        // The second GiB's second piece.
        let begin = start + 1 << 30
        let place = try #require(zeroed.first { $0.offset > begin })
        let (disk, again) = try make()
        #expect(lab.kill(again, at: place.point, on: disk.loop).status != 0)
        try disk.flush()
        let rest = try lab.changes(of: again, on: disk.loop, status: done(lab))
        #expect(rest.first { $0.point.call == "ioctl" }?.offset == begin, "\(rest)")
        try disk.flush()
        #expect(disk.isZero(0, 3 << 30) && disk.magics.isEmpty)
    }

    @Test("What somebody wrote meanwhile to what was done is found, and goes with the next run")
    func meanwhile() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", Self.size)
        try disk.write(fixture: "bluestore-single")
        let command = teardown(disk, words: "--method shred")
        let points = try lab.killPoints(of: command, on: disk.loop, status: done(lab))
        let last = try #require(points.filter { $0.call == "pwrite64" }.map(\.number).max())
        try disk.write(fixture: "bluestore-single")
        // All is overwritten and was read back; the marker goes last, and how far it got goes with it.
        #expect(lab.kill(command, at: KillPoint(call: "pwrite64", number: last), on: disk.loop).status != 0)
        try disk.flush()
        #expect(DiskLab.run("grep -qaF 'got so far' \(disk.file)", limit: 60).status == 0)
        try disk.write("somebody's data", at: 100 << 20)
        let second = DiskLab.run(command, limit: 120)
        #expect(second.status == 1 && second.output.contains("1 of the cluster's left"), "\(second)")
        #expect(second.errors.contains("not clean: byte 104857600 is not zero"), "\(second.errors)")
        let third = DiskLab.run(command, limit: 120)
        #expect(third.status == done(lab), "\(third.errors)")
        try disk.flush()
        #expect(disk.isZero(0, UInt64(Self.size)) && disk.magics.isEmpty)
    }

    @Test("Another cluster's disk goes when its fsid is named and confirmed, a third one's stays")
    func foreign() throws {
        let lab = try DiskLab()
        let (own, foreign) = (try lab.disk("own", 512 << 20), try lab.disk("foreign", 512 << 20))
        let third = try lab.disk("third", 512 << 20)
        let stranger = "77777777-2222-3333-4444-555555555555"
        for (disk, cluster) in [(own, DiskLab.cluster), (foreign, Self.other), (third, stranger)] {
            let made = lab.makeOSD(disk, cluster: cluster)
            try #require(made.status == 0, "\(made.errors)")
        }
        let before = [try own.fingerprint(), try foreign.fingerprint(), try third.fingerprint()]
        let words = "--foreign-fsid \(Self.other)"
        let unproven = DiskLab.run(teardown(own, foreign, third, words: words), limit: 60)
        #expect(unproven.status == 77, "\(unproven)")
        #expect(
            unproven.errors.contains("--foreign-fsid is '\(Self.other)'; nothing was written"),
            "\(unproven.errors)"
        )
        let wrong = DiskLab.run(
            teardown(own, foreign, third, words: "\(words) --confirm \(stranger)"),
            limit: 60
        )
        #expect(wrong.status == 77, "\(wrong)")
        #expect([try own.fingerprint(), try foreign.fingerprint(), try third.fingerprint()] == before)
        let ran = DiskLab.run(
            teardown(own, foreign, third, words: "\(words) --confirm \(Self.other)"),
            limit: 120
        )
        #expect(ran.status == done(lab), "\(ran.errors)")
        try own.flush()
        try foreign.flush()
        #expect(own.magics.isEmpty && foreign.magics.isEmpty)
        #expect(try third.fingerprint() == before[2])
        #expect(ran.errors.contains("\(third.loop): belongs to the cluster \(stranger)"), "\(ran.errors)")
    }

    @Test("What teardown cannot be told is told to the zap that it names, and that erases the disk")
    func elsewhere() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("sgdisk -o -n 1:1M:+30M -n 2:32M:0 \(disk.loop)")
        try lab.sh("mkfs.ext4 -qF -E offset=\(32 << 20) \(disk.loop) 20M")
        try disk.write(fixture: "bluestore-single", at: 1 << 20)
        let zap = "zap \(disk.loop) --fsid \(DiskLab.cluster)"
        let ran = lab.nacre("teardown --plan --fsid \(DiskLab.cluster) --include \(disk.loop)")
        #expect(ran.status == 77 && ran.errors.contains("give them to nacre-disk \(zap)"), "\(ran)")
        let named = lab.nacre("\(zap) --serial \(disk.file) --content ext4")
        #expect(named.status == 0, "\(named)")
        try disk.flush()
        #expect(disk.magics.isEmpty)
    }

    @Test("A number of passes that a method does not have is refused", arguments: ["signatures", "discard"])
    func passes(method: String) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        for command in ["zap \(disk.loop)", "plan \(disk.loop)", "teardown --fsid \(DiskLab.cluster)"] {
            let ran = lab.nacre("\(command) --method \(method) --passes 3")
            #expect(ran.status == 64 && ran.errors.contains("--passes is for --method zero and shred"), "\(ran.errors)")
        }
    }
}

extension DiskLab {
    /// Makes a real OSD on a disk, with its db on another device if one is given.
    func makeOSD(_ disk: Disk, cluster: String, osd: String = DiskLab.osd, database: String? = nil) -> Ran {
        let directory = "\(self.directory)/osd-\(disk.loop.split(separator: "/").last ?? "")"
        // Its socket is not in /run/ceph, because osd.7 would seem up to parallel tests.
        return Self.run(
            """
            rm -rf \(directory); mkdir \(directory) && ln -s \(disk.loop) \(directory)/block && \
            \(database.map { "ln -s \($0) \(directory)/block.db && " } ?? "")\
            monmaptool --create --fsid \(cluster) --add a 127.0.0.1:6789 \(directory)/monmap > /dev/null && \
            ceph-authtool --gen-print-key > \(directory)/key && \
            ceph-osd -i 7 --osd-data \(directory) --osd-uuid \(osd) --mkfs --fsid \(cluster) \
            --monmap \(directory)/monmap --no-mon-config --keyfile \(directory)/key -c /dev/null \
            --admin-socket \(directory)/asok
            """,
            limit: 120
        )
    }
}
