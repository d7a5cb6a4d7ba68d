import Foundation
import Glibc
import TestSupport
import Testing

/// Backups whose place has lost something, and what puts it right.
@Suite("nacre backup, of damaged places", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupRepairTests {
    /// Flips a bit of every chunk.
    private func damageChunks(_ lab: BackupLab) throws {
        for path in lab.files("/chunks/") where !path.contains("/.new-") {
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            bytes[bytes.count / 2] ^= 4
            try Data(bytes).write(to: URL(filePath: path))
        }
    }

    @Test("A full backup writes anew what lies there damaged, whether it was asked for or had to be")
    func full() async throws {
        let cluster = try #require(MicroCluster.current)
        let lab = try await BackupLab(cluster, size: "32MiB")
        var random = SeededRandom(seed: 21)
        try await lab.write([0..<(12 << 20)], &random)
        let sum = try await lab.sum(lab.image)
        let first = try await lab.create()
        try damageChunks(lab)
        #expect(try await lab.backup("verify").status == 1)
        let asked = try await lab.backup("create \(lab.handle) --full --quiet")
        #expect(asked.status == 0 && asked.notes.contains("3 chunks that were damaged at"), "\(asked)")
        #expect(try await lab.backup("verify").status == 0)
        let image = try await lab.restore(first.id, as: "\(lab.name)-r")
        #expect(try await lab.sum(image) == sum)

        try damageChunks(lab)
        let id = asked.output.filter { !$0.isWhitespace }
        try await cluster.execute("rbd", "snap", "rm", "--no-progress", "replicapool/\(lab.image)@csi-backup-\(id)")
        let next = try await lab.create()
        #expect(next.kind == "full" && next.addedBytes > 0, "\(next)")
        #expect(try await lab.backup("verify").status == 0)
        // What is whole is not written again.
        let last = try await lab.backup("create \(lab.handle) --full --output json")
        #expect(
            last.status == 0 && last.output.contains("it was asked for") && !last.notes.contains("damaged"),
            "\(last)"
        )
    }

    @Test("A backup that goes on trusts no chunk by its name")
    func resumed() async throws {
        var random = SeededRandom(seed: 22)
        var begun: BackupLab?
        // On a busy machine a backup may have ended when its kill comes: then it is the next one's turn.
        for _ in 0..<5 where begun == nil {
            let lab = try await BackupLab(try #require(MicroCluster.current), size: "96MiB")
            try await lab.write([0..<(80 << 20)], &random)
            let wasKilled = try await lab.killed("create \(lab.handle)", after: .seconds(120)) { lab.chunks > 4 }
            if wasKilled { begun = lab } else { try await lab.remove(lab.name) }
        }
        let lab = try #require(begun, "no backup was killed")
        let sum = try await lab.sum(lab.image)
        try damageChunks(lab)
        let report = try await lab.create()
        #expect(try await lab.backup("verify").status == 0)
        let image = try await lab.restore(report.id, as: "\(lab.name)-r")
        #expect(try await lab.sum(image) == sum)
    }

    @Test(
        "verify goes on behind a chunk that the disk does not read, and one that is lost",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "needs strace")
    )
    func unreadable() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "32MiB")
        var random = SeededRandom(seed: 23)
        try await lab.write([0..<(24 << 20)], &random)
        _ = try await lab.create()
        let chunks = lab.files("/chunks/")
        try #require(chunks.count == 6)
        try FileManager.default.removeItem(atPath: chunks[4])
        // Of a chunk that the kernel fails to read, and of nothing else.
        let words = lab.words("verify").joined(separator: " ")
        let log = "\(lab.directory)/verify.log"
        let process = try ChildProcess(
            "/usr/bin/strace",
            ["-f", "-qq", "-o", "/dev/null", "-P", chunks[1], "-e", "trace=pread64", "-e", "inject=pread64:error=EIO"]
                + [NacreProcess.program] + words.split(separator: " ").map(String.init),
            environment: lab.nacre.environment,
            log: log
        )
        #expect(try await process.end() == .exited(1))
        let text = try String(contentsOfFile: log, encoding: .utf8)
        for index in 0..<6 {
            let key = chunks[index].dropFirst(lab.place.count + 1)
            #expect(text.contains("'\(key)'") == [1, 4].contains(index), "chunk \(index): \(text)")
        }
        #expect(text.contains("its disk does not read it (EIO); it held bytes "), "\(text)")
        #expect(text.contains("read 6 chunks") && text.contains("2 files at"), "\(text)")
    }

    @Test("A prune or delete in another directory is refused, and makes nothing there")
    func wrongDirectory() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        var random = SeededRandom(seed: 24)
        try await lab.write([0..<65536], &random)
        let first = try await lab.create()
        var other = lab
        other.place = "\(lab.directory)/other"
        try FileManager.default.createDirectory(atPath: other.place, withIntermediateDirectories: true)
        for line in [
            "prune \(lab.handle) --keep-last 1", "prune \(lab.handle) --keep-last 1 --plan",
            "prune \(lab.name) --keep-last 1",
            "delete \(first.id) --yes",
        ] {
            let refused = try await other.backup(line)
            #expect(refused.status == 66, "\(line): \(refused)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: other.place) == [])
    }
}
