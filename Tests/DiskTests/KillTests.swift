import Glibc
import LinuxKernel
import Testing

@Suite(
    "Killed at every write, a command leaves what the next one finishes",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct KillTests {
    /// The table's content, without its faults.
    private func table(_ disk: Disk, _ lab: DiskLab) -> [String] {
        lab.nacre("gpt print \(disk.loop)").output.split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("1 ") || $0.hasPrefix("2 ") || $0.hasPrefix("3 ") }
    }

    private func copy(of disk: Disk, _ lab: DiskLab, sector: Int) throws -> Disk {
        let path = "\(lab.directory)/copy.img"
        try lab.sh("cp --sparse=always \(disk.file) \(path)")
        return Disk(file: path, loop: try lab.attach(path, sector: sector))
    }

    private func drop(_ disk: Disk, _ lab: DiskLab) throws {
        for number in 1...3 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        try lab.detach(disk.loop)
    }

    @Test(
        "A partition table is the old one or the new one, and repair makes it whole",
        arguments: ["add --end +5M --name new", "delete --number 1", "type --number 2 --type ceph-wal"],
        [512, 4096]
    )
    func table(change: String, sector: Int) throws {
        let lab = try DiskLab()
        let base = try lab.disk("base", 64 << 20, sector: sector)
        lab.atEnd {
            for number in 1...3 { _ = try? BlockIOControl(opening: base.loop).deletePartition(number: number) }
        }
        for words in ["new", "add --end +10M --type ceph-db", "add --end +10M --type ceph-block"] {
            let parts = words.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = parts.count > 1 ? parts[1] : ""
            #expect(lab.nacre("gpt \(parts[0]) \(base.loop) --serial \(base.file) \(rest)").status == 0)
        }
        let words = change.split(separator: " ", maxSplits: 1).map(String.init)
        func command(_ disk: Disk) -> String {
            "\(DiskLab.program) gpt \(words[0]) \(disk.loop) --serial \(disk.file) \(words[1])"
        }
        // Names and places, not the UUID, which is random.
        func places(_ disk: Disk) -> [String] {
            table(disk, lab).map { $0.split(separator: " ").prefix(6).joined(separator: " ") }
        }
        let old = places(base)
        let whole = try copy(of: base, lab, sector: sector)
        let points = try lab.killPoints(of: command(whole), on: whole.loop)
        let new = places(whole)
        try drop(whole, lab)
        #expect(old != new && points.filter { $0.call == "pwrite64" }.count == 2)
        var seen: Set<[String]> = []
        for point in points.forThisRun {
            let disk = try copy(of: base, lab, sector: sector)
            #expect(lab.kill(command(disk), at: point, on: disk.loop).status != 0, "\(point)")
            try disk.flush()
            let found = places(disk)
            seen.insert(found)
            #expect(found == old || found == new, "killed at \(point): \(found)")
            let repair = lab.nacre("gpt repair \(disk.loop) --serial \(disk.file)")
            #expect(repair.status == 0, "\(repair.errors)")
            #expect(lab.nacre("gpt verify \(disk.loop)").status == 0)
            #expect(places(disk) == found)
            try drop(disk, lab)
        }
        #expect(seen == [old, new])
    }

    @Test("A preparation that was cut off is finished by the same command")
    func prepare() throws {
        let lab = try DiskLab()
        func command(_ disk: Disk) -> String {
            "\(DiskLab.program) prepare \(disk.loop) --serial \(disk.file) --part ceph-db:10M --part ceph-block:0"
        }
        let base = try lab.disk("base", 64 << 20)
        let whole = try copy(of: base, lab, sector: 512)
        let points = try lab.killPoints(of: command(whole), on: whole.loop)
        try drop(whole, lab)
        for point in points.forThisRun {
            let disk = try copy(of: base, lab, sector: 512)
            #expect(lab.kill(command(disk), at: point, on: disk.loop).status != 0)
            let second = DiskLab.run(command(disk), limit: 60)
            #expect(second.status == 0, "killed at \(point): \(second.errors)")
            #expect(lab.nacre("gpt verify \(disk.loop)").status == 0)
            #expect(table(disk, lab).count == 2)
            try drop(disk, lab)
        }
    }

    @Test("A teardown of two disks and Rook's directory", arguments: ["main", "db", "directory"])
    func teardown(place: String) throws {
        let lab = try DiskLab()
        let rook = "\(lab.directory)/rook"
        // If a disk of this host cannot be read, it is unknown whether the cluster is still on it.
        let status = lab.nacre("list").status
        func make() throws -> (own: Disk, database: Disk, command: String) {
            let own = try lab.disk("own", 256 << 20)
            let database = try lab.disk("db", 256 << 20)
            try own.write(fixture: "bluestore-single")
            try database.write(fixture: "bluestore-block.db")
            let osd = "\(rook)/rook-ceph/\(DiskLab.cluster)_\(DiskLab.osd)"
            try lab.sh("rm -rf \(rook); mkdir -p \(osd) \(rook)/mon-a/data \(rook)/other-log; echo x > \(osd)/keyring")
            // One disk at a time: strace counts by thread.
            let words =
                "teardown --parallel 1 --fsid \(DiskLab.cluster) --confirm \(DiskLab.cluster) --data-dir \(rook)"
            return (own, database, "\(DiskLab.program) \(words) --include \(own.loop) --include \(database.loop)")
        }
        func drop(_ disks: Disk...) throws {
            for disk in disks {
                try lab.detach(disk.loop)
                try lab.sh("rm \(disk.file)")
            }
        }
        func device(_ own: Disk, _ database: Disk) -> String { place == "db" ? database.loop : own.loop }
        let calls = "rename,unlink,unlinkat,rmdir"
        let (own, database, command) = try make()
        var points: [KillPoint]
        if place == "directory" {
            try lab.sh("strace -f -qq -e trace=\(calls) -o \(lab.directory)/trace \(command) || test $? = \(status)")
            let words = try lab.sh("cut -d'(' -f1 \(lab.directory)/trace").split(separator: "\n")
            let names = words.compactMap { $0.split(separator: " ").last.map(String.init) }
            points = calls.split(separator: ",").flatMap { call in
                let count = names.filter { $0 == call }.count
                return (0..<count).map { KillPoint(call: String(call), number: $0 + 1) }
            }
            #expect(points.count >= 6)
        } else {
            points = try lab.killPoints(of: command, on: device(own, database), status: status)
        }
        try drop(own, database)
        for point in points.forThisRun {
            let (own, database, command) = try make()
            let killed =
                place == "directory"
                ? DiskLab.run(
                    "strace -f -qq -e trace=\(point.call) -o /dev/null "
                        + "-e inject=\(point.call):signal=KILL:when=\(point.number) \(command)",
                    limit: 60
                ) : lab.kill(command, at: point, on: device(own, database))
            #expect(killed.status != 0, "\(point)")
            let second = DiskLab.run(command, limit: 60)
            #expect(second.status == status, "killed at \(point): \(second.output) \(second.errors)")
            try own.flush()
            try database.flush()
            #expect(own.magics.isEmpty && database.magics.isEmpty, "killed at \(point)")
            #expect(DiskLab.run("ls -A \(rook)", limit: 60).output == "other-log\n", "killed at \(point)")
            try drop(own, database)
        }
    }
}
