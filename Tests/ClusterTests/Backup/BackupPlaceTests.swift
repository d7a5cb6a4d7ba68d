import Foundation
import Glibc
import TestSupport
import Testing

/// Places of backups that are full, read-only, or go away.
@Suite("nacre backup, to bad places", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupPlaceTests {
    private func run(_ command: String) -> Int32 { system("{ \(command); } > /dev/null 2>&1") }

    @Test("A place that is full, read-only or gone is told of, and the same command goes on when it is well")
    func places() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "48MiB")
        defer { _ = run("umount --lazy \(lab.place)") }
        try #require(run("mount -t tmpfs -o size=16M none \(lab.place)") == 0)
        var random = SeededRandom(seed: 8)
        try await lab.write([0..<(32 << 20)], &random)
        let sum = try await lab.sum(lab.image)

        let full = try await lab.backup("create \(lab.handle)")
        #expect(full.status == 1, "\(full)")
        #expect(full.notes.contains("there is no space left"), "\(full)")
        #expect(full.notes.contains("make room there; the same command again goes on from what is there"), "\(full)")
        #expect(lab.files(".new-").isEmpty)

        try #require(run("mount -o remount,ro \(lab.place)") == 0)
        let readOnly = try await lab.backup("create \(lab.handle)")
        #expect(readOnly.status == 1 && readOnly.notes.contains("it is read-only"), "\(readOnly)")
        #expect(readOnly.notes.contains("mount it for writing"), "\(readOnly)")

        try #require(run("mount -o remount,rw,size=64M \(lab.place)") == 0)
        let stored = lab.files("/chunks/").count
        let done = try await lab.backup("create \(lab.handle)")
        #expect(done.status == 0 && done.notes.contains("had been begun before"), "\(done)")
        #expect(stored > 0 && lab.files("/chunks/").count == 8)

        // Reading needs no right to write.
        try #require(run("mount -o remount,ro \(lab.place)") == 0)
        #expect(try await lab.backup("verify").status == 0)
        let id = try await lab.backup("list --quiet").output.filter { !$0.isWhitespace }
        let image = try await lab.restore(id, as: "\(lab.name)-r")
        #expect(try await lab.sum(image) == sum)

        try #require(run("umount \(lab.place) && rmdir \(lab.place)") == 0)
        let gone = try await lab.backup("create \(lab.handle)")
        #expect(gone.status == 75, "\(gone)")
        #expect(gone.notes.contains("cannot open backup directory '\(lab.place)': there is none"), "\(gone)")
        #expect(!FileManager.default.fileExists(atPath: lab.place))
    }

    @Test("What is mounted elsewhere during a backup gets nothing of it")
    func unmounted() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "48MiB")
        defer { _ = run("umount --lazy \(lab.place)") }
        try #require(run("mount -t tmpfs -o size=64M none \(lab.place)") == 0)
        var random = SeededRandom(seed: 9)
        try await lab.write([0..<(40 << 20)], &random)
        let process = try ChildProcess(
            NacreProcess.program,
            lab.words("create \(lab.handle)"),
            environment: lab.nacre.environment,
            log: "\(lab.directory)/unmounted.log"
        )
        let end = ContinuousClock.now + .seconds(120)
        while .now < end, lab.files("/chunks/").isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        try #require(run("umount --lazy \(lab.place)") == 0)
        _ = try await process.end()
        #expect(lab.files().isEmpty)
        // The place is empty now: a new chain begins, and the old one's snapshot is known to be another's.
        let next = try await lab.create()
        #expect(next.kind == "full")
        #expect(try await lab.snapshots().count == 2)
    }
}
