import CephVolumes
import Foundation
import Glibc
import RBD
import TestSupport
import Testing
import Volumes

@testable import Backups

/// What backups and restores do to images: the snapshots that they leave, and the target that they must not overwrite.
@Suite("nacre backup, on images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupImageTests {
    private static let stray = "csi-backup-4c1d5f4e-0000-4000-8000-000000000001"

    private func access(_ lab: BackupLab, _ handle: String? = nil) async throws -> ImageAccess {
        let id = try VolumeID(parsing: handle ?? lab.handle)
        return try await lab.cluster.lab().store.access.image(id, as: lab.cluster.provisioner)
    }

    @Test("A snapshot that came late, without a record, goes with the next backup; those of others stay")
    func late() async throws {
        let cluster = try #require(MicroCluster.current)
        let lab = try await BackupLab(cluster, size: "16MiB")
        var random = SeededRandom(seed: 31)
        try await lab.write([0..<65536], &random)
        let spec = "\(BackupLab.poolName)/\(lab.image)"
        for name in [Self.stray, "csi-backup-mine", "by-hand"] {
            try await cluster.execute("rbd", "snap", "create", "--no-progress", "\(spec)@\(name)")
        }
        let first = try await lab.create()
        #expect(Set(try await lab.snapshots()) == ["csi-backup-\(first.id)", "csi-backup-mine", "by-hand"])
        // One beside the snapshot that the next backup goes on from.
        try await cluster.execute("rbd", "snap", "create", "--no-progress", "\(spec)@\(Self.stray)")
        let second = try await lab.create()
        #expect(second.parent == first.id)
        #expect(Set(try await lab.snapshots()) == ["csi-backup-\(second.id)", "csi-backup-mine", "by-hand"])
        for name in ["csi-backup-mine", "by-hand"] {
            try await cluster.execute("rbd", "snap", "rm", "--no-progress", "\(spec)@\(name)")
        }
    }

    @Test("No snapshot is left on an image that was deleted while its backup began")
    func deleted() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        let imageID = try #require(try await lab.pool.imageID(named: lab.image))
        let snapshots = ChainSnapshots(
            image: try await access(lab),
            imageID: imageID,
            chain: "c",
            destination: "/d",
            owner: "test"
        )
        let spec = "\(BackupLab.poolName)/\(lab.image)"
        try await lab.cluster.execute("rbd", "rename", spec, "\(spec)-away")
        await #expect {
            _ = try await snapshots.make(BackupCreation.newID())
        } throws: {
            ($0 as? VolumeError)?.code == .notFound
        }
        #expect(try await lab.pool.snapshots(ofImageID: imageID)?.isEmpty == true)
        #expect(try await lab.pool.metadata(ofImageID: imageID, prefix: "nacre.backup/") == [:])
        try await lab.cluster.execute("rbd", "rename", "\(spec)-away", spec)
    }

    @Test("Of two restores into one image one is refused, and data that came meanwhile stays")
    func target() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "96MiB")
        var random = SeededRandom(seed: 32)
        try await lab.write([0..<(90 << 20)], &random)
        let sum = try await lab.sum(lab.image)
        let report = try await lab.create()
        let name = "\(lab.name)-r"
        let line = "restore \(report.id) --name \(name) --pool \(BackupLab.poolName)"
        let process = try ChildProcess(
            NacreProcess.program,
            lab.words(line),
            environment: lab.nacre.environment,
            log: "\(lab.directory)/restore.log"
        )
        let store = try await BackupStore(.directory(lab.place), account: nil)
        let manifest = try await store.backup(report.id)
        let end = ContinuousClock.now + .seconds(120)
        var image: String?
        while .now < end, image == nil {
            try await Task.sleep(for: .milliseconds(2))
            let log = try await lab.nacre("volume show \(name) --direct --output json")
            guard log.status == 0, let found = log.output.firstRange(of: "csi-vol-") else { continue }
            image = String(log.output[found.lowerBound...].prefix { $0.isLetter || $0.isNumber || $0 == "-" })
        }
        let target = try #require(image)
        // Whoever comes while it is at work. It has made the volume, and may not have it yet: then the other one gets it.
        if process.isRunning {
            let outcome = try await lab.backup(line)
            let second = (end: ChildProcess.End.exited(outcome.status), notes: outcome.notes)
            let first = (
                end: try await process.end(),
                notes: try String(contentsOfFile: "\(lab.directory)/restore.log", encoding: .utf8)
            )
            let (winner, refused) = first.end == .exited(0) ? (first, second) : (second, first)
            #expect(winner.end == .exited(0), "\(first) \(second)")
            // The winner may be through with the image, and not have ended yet.
            #expect(
                refused.end == .exited(75) && refused.notes.contains("is written to by another client")
                    || refused.end == .exited(73) && refused.notes.contains("holds data already"),
                "\(first) \(second)"
            )
        } else {
            #expect(try await process.end() == .exited(0))
        }
        #expect(try await lab.sum(target) == sum)

        // One that had looked before, and comes to write when the other has ended.
        try await lab.remove(name)
        let made = try await lab.nacre(
            "volume create \(name)-2 --pool \(BackupLab.poolName) --size 96MiB --block --direct --quiet"
        )
        try #require(made.status == 0, "\(made)")
        let second = made.output.filter { !$0.isWhitespace }
        let late = try await RestoredImage.find(try await access(lab, second), for: manifest)
        let other = Restoration(of: manifest, from: store, into: try await access(lab, second), BackupProgress())
        _ = try await other.run()
        let open = try await late.openAlone()
        await #expect {
            _ = try await late.begin()
        } throws: {
            ($0 as? VolumeError)?.code == .alreadyExists && "\($0)".contains("holds data already")
        }
        let blocking = try await access(lab, second)
        try await blocking.blocking("close image") { (_) throws(RBDError) in open.close() }
        #expect(try await lab.sum(String(second.split(separator: "/").last ?? "")) == sum)
    }

    @Test("A run whose mark another one has taken over writes no more")
    func takenOver() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        var random = SeededRandom(seed: 33)
        try await lab.write([0..<65536], &random)
        let report = try await lab.create()
        let manifest = try await BackupStore(.directory(lab.place), account: nil).backup(report.id)
        let made = try await lab.nacre(
            "volume create \(lab.name)-2 --pool \(BackupLab.poolName) --size 16MiB --block --direct --quiet"
        )
        let target = try await access(lab, made.output.filter { !$0.isWhitespace })
        let first = try await RestoredImage.find(target, for: manifest)
        let mark = try await first.begin()
        let second = try await RestoredImage.find(target, for: manifest)
        let taken = try await second.begin()
        #expect(taken.run != mark.run)
        await #expect {
            try await first.replace(mark, with: mark.with(windows: 1))
        } throws: {
            ($0 as? VolumeError)?.code == .aborted
        }
        try await second.replace(taken, with: nil)
    }

    @Test(
        "forget takes what one place keeps, by its id, and touches neither the backups nor another machine's directory"
    )
    func forget() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        var random = SeededRandom(seed: 34)
        try await lab.write([0..<65536], &random)
        let gone = try await lab.create()
        // A directory of the same path on another machine.
        try FileManager.default.moveItem(atPath: lab.place, toPath: "\(lab.place).gone")
        try FileManager.default.createDirectory(atPath: lab.place, withIntermediateDirectories: false)
        let here = try await lab.create()
        #expect(try await lab.snapshots().count == 2)

        struct Trace: Decodable {
            var backup: String
            var chain: String
            var destination: String
        }
        let plan = try await lab.nacre("backup forget \(lab.handle) --plan --output json")
        #expect(plan.status == 0, "\(plan)")
        let traces = try JSONDecoder().decode([Trace].self, from: Data(plan.output.utf8))
        #expect(Set(traces.map(\.backup)) == [gone.id, here.id] && Set(traces.map(\.destination)) == [lab.place])
        let chain = try #require(traces.first { $0.backup == gone.id }?.chain)
        for (words, status) in [
            ("--yes", 64), ("--chain \(chain)", 64), ("--chain= --yes", 64), ("--chain nowhere --yes", 0),
        ] as [(String, Int32)] {
            let outcome = try await lab.nacre("backup forget \(lab.handle) \(words)")
            #expect(outcome.status == status, "\(words): \(outcome)")
        }
        #expect(try await lab.snapshots().count == 2)
        let files = lab.files()
        for _ in 0..<2 {
            let forgotten = try await lab.nacre("backup forget \(lab.handle) --chain \(chain.prefix(8)) --yes")
            #expect(forgotten.status == 0, "\(forgotten)")
            #expect(try await lab.snapshots() == ["csi-backup-\(here.id)"])
            #expect(try await lab.records() == ["nacre.backup/csi-backup-\(here.id)"])
        }
        #expect(lab.files() == files)
        let next = try await lab.create()
        #expect(next.parent == here.id)
        // A place that was forgotten and is not gone goes on in full.
        #expect(try await lab.nacre("backup forget \(lab.handle) --yes").status == 0)
        #expect(try await lab.snapshots().isEmpty)
        #expect(try await lab.records().isEmpty)
        let back = try await lab.create()
        #expect(back.kind == "full" && back.reason?.contains("is gone from the image") == true, "\(back)")
    }
}
