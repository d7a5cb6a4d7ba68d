import Foundation
import Glibc
import TestSupport
import Testing

/// Backups and restores that are killed, stopped, and done at once.
@Suite("nacre backup, interrupted", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupCrashTests {
    /// What is killed, three times each.
    private enum Work: CaseIterable {
        case full, restoreOfFull, increment, restoreOfIncrement
    }

    @Test("A backup and a restore that are killed at any time are finished by the same command", arguments: 0..<1)
    func killed(round: Int) async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "48MiB")
        var random = SeededRandom(seed: UInt64(round))
        try await lab.write([0..<(24 << 20), (40 << 20)..<(41 << 20)], &random)
        let chosen = KillTable.cases("A backup and a restore that are killed at any time", Work.allCases)
        for (part, works) in [(Work.full, Work.restoreOfFull), (.increment, .restoreOfIncrement)].enumerated() {
            let sum = try await lab.sum(lab.image)
            for kill in 0..<3 where chosen.contains(works.0) {
                _ = try await lab.killed(
                    "create \(lab.handle)",
                    after: .milliseconds(Int.random(in: 20...(300 + 400 * kill), using: &random))
                )
            }
            // One more may be the next one, if the last was killed after its manifest.
            var last = try await lab.create()
            // What a killed one holds for a moment longer, the next backup removes.
            if try await lab.snapshots().count > 1 { last = try await lab.create() }
            let (snapshots, records) = (try await lab.snapshots(), try await lab.records())
            #expect(snapshots == ["csi-backup-\(last.id)"])
            #expect(records == ["nacre.backup/csi-backup-\(last.id)"])
            #expect(lab.files("/partial/").isEmpty && lab.files(".new-").isEmpty)
            #expect(try await lab.backup("verify").status == 0)
            let name = "\(lab.name)-\(part)"
            for kill in 0..<3 where chosen.contains(works.1) {
                _ = try await lab.killed(
                    "restore \(last.id) --name \(name) --pool \(BackupLab.poolName)",
                    after: .milliseconds(Int.random(in: 100...(400 + 600 * kill), using: &random))
                )
            }
            // The lock of who was killed is Ceph's to end.
            let image = try await lab.finishRestore(last.id, as: name)
            #expect(try await lab.sum(image) == sum)
            try await lab.remove(name)
            try await lab.write([(3 << 20)..<(8 << 20), (30 << 20)..<(30 << 20) + 4096], &random)
        }
    }

    @Test("What a killed backup had stored is not read again, and another content is not mixed in")
    func resumed() async throws {
        try await FaultyCluster.with { faulty in
            var random = SeededRandom(seed: 5)
            var begun: (lab: BackupLab, sum: String, before: UInt64)?
            // On a busy machine a backup may have ended when its kill comes: then it is the next one's turn.
            for _ in 0..<5 where begun == nil {
                let lab = try await BackupLab(faulty.cluster, size: "128MiB")
                try await lab.write(stride(from: 0, to: 96 << 20, by: 4 << 20).map { $0..<$0 + (4 << 20) }, &random)
                let (sum, before) = (try await lab.sum(lab.image), try await lab.servedBytes(osds: 1))
                let wasKilled = try await lab.killed("create \(lab.handle)", after: .seconds(120)) { lab.chunks > 8 }
                if wasKilled { begun = (lab, sum, before) }
            }
            let (lab, sum, before) = try #require(begun, "no backup was killed")
            let stored = lab.chunks
            // The snapshot has what was there when it was begun.
            try await lab.write([0..<4096], &random)
            let middle = try await lab.servedBytes(osds: 1)
            let report = try await lab.create()
            let after = try await lab.servedBytes(osds: 1)
            #expect(
                after - middle <= UInt64(24 - stored) << 22 + 2 << 20,
                "\(stored) were stored, \(after - middle) bytes read"
            )
            // Eight were on their way.
            #expect(after - before <= 34 * 4 << 20)
            #expect(report.kind == "full" && report.readBytes == 96 << 20)
            let image = try await lab.restore(report.id, as: "\(lab.name)-r")
            #expect(try await lab.sum(image) == sum)
        }
    }

    @Test("An increment reads what has changed, a sparse image what is there")
    func reads() async throws {
        try await FaultyCluster.with { faulty in
            let lab = try await BackupLab(faulty.cluster, size: "256MiB")
            var random = SeededRandom(seed: 6)
            try await lab.write(stride(from: 0, to: 256 << 20, by: 4 << 20).map { $0..<$0 + (4 << 20) }, &random)
            let full = try await lab.create()
            #expect(full.readBytes == 256 << 20)
            // One percent, a block of 4 KiB each.
            let blocks = Set((0..<655).map { _ in UInt64.random(in: 0..<65536, using: &random) << 12 })
            try await lab.write(blocks.map { $0..<$0 + 4096 }, &random)
            let before = try await lab.servedBytes(osds: 1)
            let next = try await lab.create()
            let served = try await lab.servedBytes(osds: 1) - before
            let changed = UInt64(blocks.count) << 12
            #expect(next.kind == "incremental" && next.changedBytes == changed && next.readBytes == changed, "\(next)")
            #expect(served < changed + changed / 10 + 1 << 20, "\(served) bytes read for \(changed)")

            let large = try await BackupLab(faulty.cluster, size: "1TiB", parameters: "--parameter poolSizeFactor=0")
            let places = (0..<16).map { _ in UInt64.random(in: 0..<262144, using: &random) << 22 }
            try await large.write(places.map { $0..<$0 + (1 << 20) }, &random)
            let start = ContinuousClock.now
            let report = try await large.create()
            let time = ContinuousClock.now - start
            #expect(report.readBytes <= 16 * 4 << 20 && report.dataBytes <= 16 << 20, "\(report)")
            #expect(time < .seconds(60), "\(time)")
            let image = try await large.restore(report.id, as: "\(large.name)-r")
            let differs = try await faulty.cluster.execute(
                "sh",
                "-ec",
                "for i in \(places.map { "\($0 >> 22)" }.joined(separator: " ")); do for n in \(large.image) \(image); do "
                    + "/usr/bin/python3 -c 'import rados,rbd,sys,hashlib; c=rados.Rados(conffile=\"\(faulty.cluster.directory)/ceph.conf\"); "
                    + "c.connect(); x=c.open_ioctx(\"replicapool\"); i=rbd.Image(x,sys.argv[1],read_only=True); "
                    + "print(hashlib.sha256(i.read(int(sys.argv[2])<<22,1<<22)).hexdigest()); i.close(); x.close(); c.shutdown()' "
                    + "$n $i; done | uniq | wc -l; done | sort -u"
            )
            #expect(differs.split(whereSeparator: \.isWhitespace) == ["1"], "\(differs)")
        }
    }

    @Test("While one backup runs, another, a prune and a delete of its volume are refused, and lose nothing")
    func atOnce() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "96MiB")
        var random = SeededRandom(seed: 7)
        try await lab.write([0..<(1 << 20)], &random)
        var first = try await lab.create()
        var (sum, listed) = ("", "")
        var stopped: ChildProcess?
        // On a busy machine a backup may be through when it is to be stopped: then it is the next one's turn.
        for _ in 0..<5 where stopped == nil {
            try await lab.write([0..<(96 << 20)], &random)
            sum = try await lab.sum(lab.image)
            listed = try await lab.backup("list --quiet").output
            stopped = try await lab.stoppedBehindPlan()
            if stopped == nil { first = try await lab.create() }
        }
        let process = try #require(stopped, "no backup was stopped")
        for line in ["create \(lab.handle)", "prune \(lab.handle) --keep-last 1", "delete \(first.id) --yes"] {
            let refused = try await lab.backup(line)
            #expect(refused.status == 75, "\(refused)")
            #expect(refused.notes.contains("another nacre works on the backups of this volume"), "\(refused)")
            #expect(refused.notes.contains("process \(process.pid)"), "\(refused)")
        }
        #expect(listed.contains(first.id))
        #expect(try await lab.backup("list --quiet").output == listed)
        process.send(SIGKILL)
        _ = try await process.end()
        // What goes on from it keeps it.
        let held = try await lab.backup("delete \(first.id) --yes")
        #expect(held.status == 1 && held.notes.contains("one that was begun goes on from it"), "\(held)")
        let last = try await lab.create()
        #expect(last.parent == first.id)
        #expect(try await lab.backup("delete \(first.id) --yes").status == 0)
        #expect(try await lab.backup("verify").status == 0)
        let image = try await lab.restore(last.id, as: "\(lab.name)-r")
        #expect(try await lab.sum(image) == sum)
        // Nothing is restored over data.
        let over = try await lab.backup("restore \(last.id) --name \(lab.name)-r --pool \(BackupLab.poolName)")
        #expect(over.status == 73 && over.notes.contains("holds data already"), "\(over)")
    }
}

extension BackupLab {
    /// A backup that has its plan and is stopped; nothing when it had come to its end before.
    fileprivate func stoppedBehindPlan() async throws -> ChildProcess? {
        let process = try ChildProcess(
            NacreProcess.program,
            words("create \(handle)"),
            environment: nacre.environment,
            log: "\(directory)/stopped.log"
        )
        let hasPlan = { files("/partial/").contains { $0.hasSuffix("/plan") } }
        let end = ContinuousClock.now + .seconds(120)
        while .now < end, process.isRunning, !hasPlan() { try await Task.sleep(for: .milliseconds(2)) }
        process.send(SIGSTOP)
        if process.isRunning, hasPlan() { return process }
        process.send(SIGCONT)
        #expect(try await process.end() == .exited(0))
        return nil
    }
}
