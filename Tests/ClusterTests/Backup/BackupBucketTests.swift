import Foundation
import Glibc
import Secrets
import TestSupport
import Testing
import Volumes

@testable import Backups

/// Backups in a bucket of Ceph's own S3 server.
@Suite(
    "nacre backup, to S3",
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)),
    .enabled(if: ObjectGateway.isThere, Comment(rawValue: ObjectGateway.lack))
)
struct BackupBucketTests {
    @Test("A chain in a bucket is made, resumed, checked, restored and pruned; keys are not told")
    func chain() async throws {
        try await FaultyCluster.with { faulty in
            let gateway = try await ObjectGateway(faulty, bucket: "backups")
            defer { gateway.stop() }
            let lab = try await gateway.lab(size: "48MiB", bucket: "backups")
            var random = SeededRandom(seed: 11)
            try await lab.write([0..<(20 << 20)], &random)
            var sums = [try await lab.sum(lab.image)]
            let first = try await lab.create()
            #expect(first.kind == "full")
            try await lab.write([(7 << 20)..<(7 << 20) + 12288, (30 << 20)..<(45 << 20)], &random)
            sums.append(try await lab.sum(lab.image))
            try await lab.killedBehindSnapshot()
            // On a quick machine the kill may come when the manifest is there: the next one goes on from that.
            let done = try await lab.backup("list --quiet").output.split(separator: "\n").map(String.init)
            let second = try await lab.resumed()
            #expect(done.contains(first.id) && done.count <= 2)
            let parent = done.last { $0 != first.id } ?? first.id
            #expect(second.parent == parent)
            let checked = try await lab.backup("verify")
            #expect(checked.status == 0, "\(checked)")
            for (index, backup) in [first, second].enumerated() {
                let image = try await lab.restore(backup.id, as: "\(lab.name)-\(index)")
                #expect(try await lab.sum(image) == sums[index])
            }
            // A chunk of another content under its name.
            let list = "\(lab.directory)/list"
            try await gateway.s3("GET", "/backups?list-type=2&prefix=some%2Fprefix%2Fdata", into: list)
            let text = try String(contentsOfFile: list, encoding: .utf8)
            let key = try #require(
                text.split(separator: "<Key>").dropFirst().map { $0.prefix { $0 != "<" } }
                    .first { $0.contains("/chunks/") }
            )
            let (whole, broken) = ("\(lab.directory)/whole", "\(lab.directory)/broken")
            #expect(try await gateway.s3("GET", "/backups/\(key)", into: whole) == 200)
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: whole)))
            bytes[bytes.count / 2] ^= 16
            try Data(bytes).write(to: URL(filePath: broken))
            #expect(try await gateway.s3("PUT", "/backups/\(key)", body: broken) == 200)
            let found = try await lab.backup("verify")
            #expect(found.status == 1 && found.output.contains(key.suffix(64)), "\(found)")
            #expect(try await gateway.s3("PUT", "/backups/\(key)", body: whole) == 200)
            #expect(try await lab.backup("prune \(lab.handle) --keep-last 1").status == 0)
            #expect(try await lab.backup("list --quiet").output == "\(second.id)\n")
            #expect(try await lab.backup("verify").status == 0)

            var stranger = lab
            stranger.nacre.environment["AWS_SECRET_ACCESS_KEY"] = "not/the/key/at/all/0123456789"
            let unknown = try await stranger.backup("list")
            #expect(unknown.status == 77 && unknown.notes.contains("SignatureDoesNotMatch"), "\(unknown)")
            var lost = lab
            lost.place = "s3://nowhere"
            let nowhere = try await lost.backup("list")
            #expect(nowhere.status == 66 && nowhere.notes.contains("there is no such bucket"), "\(nowhere)")
            for outcome in [unknown, nowhere, found, checked] {
                #expect(!"\(outcome)".contains("not/the/key") && !"\(outcome)".contains(ObjectGateway.secretKey))
            }
        }
    }

    @Test("The owner of a lock that was thought dead writes no manifest when it wakes")
    func locks() async throws {
        try await FaultyCluster.with { faulty in
            let gateway = try await ObjectGateway(faulty, bucket: "backups")
            defer { gateway.stop() }
            let lab = try await gateway.lab(size: "96MiB", bucket: "backups")
            var random = SeededRandom(seed: 12)
            try await lab.write([0..<(90 << 20)], &random)
            let sleeper = try ChildProcess(
                NacreProcess.program,
                lab.words("create \(lab.handle)"),
                environment: lab.nacre.environment,
                log: "\(lab.directory)/sleeper.log"
            )
            while sleeper.isRunning, try await lab.snapshots().isEmpty { try await Task.sleep(for: .milliseconds(2)) }
            sleeper.send(SIGSTOP)
            try #require(sleeper.isRunning)
            let taken = try await lab.backup("create \(lab.handle) --quiet")
            #expect(taken.status == 0, "\(taken)")
            sleeper.send(SIGCONT)
            let end = try await sleeper.end(within: .seconds(120))
            let words = try String(contentsOfFile: "\(lab.directory)/sleeper.log", encoding: .utf8)
            #expect(end == .exited(75) && words.contains("was lost"), "\(end) \(words)")
            #expect(try await lab.backup("verify").status == 0)
            let ids = try await lab.backup("list --quiet").output.split(separator: "\n")
            #expect(Set(ids).count == ids.count && ids.contains { taken.output.contains($0) })
        }
    }

    @Test("A lock is written again and again; whoever wants it meanwhile is told who has it")
    func heartbeat() async throws {
        try await FaultyCluster.with { faulty in
            let gateway = try await ObjectGateway(faulty, bucket: "backups")
            defer { gateway.stop() }
            let place = try S3Destination(
                S3Account(
                    endpoint: gateway.endpoint,
                    region: "us-east-1",
                    accessKey: Secret(ObjectGateway.accessKey),
                    secretKey: Secret(ObjectGateway.secretKey)
                ),
                bucket: "backups",
                prefix: "x/"
            )
            let lock = try await place.lock("data/lock", for: "the first") { _ in }
            await #expect {
                _ = try await place.lock("data/lock", for: "the second") { _ in }
            } throws: {
                ($0 as? VolumeError)?.code == .aborted && "\($0)".contains("the first")
            }
            try await Task.sleep(for: .seconds(35))
            // Longer than a lock is trusted that is not written.
            try await lock.check()
            await lock.release()
            let next = try await place.lock("data/lock", for: "the second") { _ in }
            try await place.remove("data/lock")
            // Before the time is over for which a lock is trusted that cannot be written.
            try await eventually("its owner sees at its next write that it is gone", within: .seconds(21)) {
                (try? await next.check()) == nil
            }
        }
    }

    @Test("A full bucket and a server that is gone are told of")
    func bad() async throws {
        try await FaultyCluster.with { faulty in
            let gateway = try await ObjectGateway(faulty, bucket: "backups")
            defer { gateway.stop() }
            let lab = try await gateway.lab(size: "48MiB", bucket: "backups")
            var random = SeededRandom(seed: 13)
            try await lab.write([0..<(40 << 20)], &random)
            for words in ["set --max-size 8M", "enable"] {
                let all = ["radosgw-admin", "quota"] + words.split(separator: " ").map(String.init)
                try await faulty.cluster.execute(
                    "sh",
                    "-ec",
                    (all + ["--quota-scope user --uid nacre"]).joined(separator: " ")
                )
            }
            let full = try await lab.backup("create \(lab.handle)")
            #expect(full.status == 1 && full.notes.contains("it is full or its quota is used up"), "\(full)")
            try await faulty.cluster.execute(
                "radosgw-admin",
                "quota",
                "disable",
                "--quota-scope",
                "user",
                "--uid",
                "nacre"
            )
            _ = try await lab.resumed()
            gateway.stop()
            let gone = try await lab.backup("list")
            #expect(
                gone.status == 75 && gone.notes.contains("see whether the server at '\(gateway.endpoint)' runs"),
                "\(gone)"
            )
        }
    }
}

extension BackupLab {
    /// Kills a backup soon after it has taken its snapshot.
    fileprivate func killedBehindSnapshot() async throws {
        let before = try await snapshots()
        let process = try ChildProcess(
            NacreProcess.program,
            words("create \(handle)"),
            environment: nacre.environment,
            log: "\(directory)/killed.log"
        )
        while process.isRunning, try await snapshots() == before { try await Task.sleep(for: .milliseconds(2)) }
        try await Task.sleep(for: .milliseconds(50))
        process.send(SIGKILL)
        _ = try await process.end()
    }

    /// Makes a backup after one that was killed: its lock is seen to be nobody's after a while.
    fileprivate func resumed() async throws -> Report {
        let end = ContinuousClock.now + .seconds(100)
        while true {
            let outcome = try await backup("create \(handle) --output json")
            if outcome.status == 75, .now < end { continue }
            #expect(outcome.status == 0, "\(outcome)")
            return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        }
    }
}
