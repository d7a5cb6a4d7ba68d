import Foundation
import TestSupport
import Testing

/// The command, on volumes that Kubernetes does not know; KubernetesTests have the others.
@Suite("nacre volume undelete", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct UndeleteCommandTests {
    @Test("A volume that a service keeps comes back with its data, once; what cannot be had back is said")
    func undelete() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let service = try NacreProcess(cluster)
            let process = try await service.start(["--trash-retention", "1h"])
            let nacre = NacreCommand(service, cluster: cluster)
            func run(_ line: String) async throws -> NacreCommand.Outcome {
                try await nacre(line.split(separator: " ").map(String.init))
            }
            let made = try await run("volume create data --pool rbd --size 64MiB --quiet")
            #expect(made.status == 0, "\(made)")
            let handle = made.output.filter { !$0.isWhitespace }
            let image = "rbd/\(handle.split(separator: "/").last ?? "")"
            let sum = "rbd export --no-progress \(image) - | md5sum"
            let words = "--io-type write --io-size 4K --io-total 64K"
            try await cluster.execute("sh", "-ec", "rbd bench \(words) \(image)")
            let before = try await cluster.execute("sh", "-ec", sum)

            #expect(try await run("volume undelete --pool rbd").output == "")
            #expect(try await run("volume undelete data --pool rbd").status == 66)
            #expect(try await run("volume delete data --yes").status == 0)
            let listed = try await run("volume undelete --pool rbd")
            #expect(listed.status == 0 && listed.output.contains(handle), "\(listed)")
            let plan = try await run("volume undelete data --pool rbd --plan")
            #expect(plan.status == 0 && plan.output.contains("would restore image \(image)"), "\(plan)")
            #expect(try await run("volume undelete --pool rbd").output.contains(handle))

            // It had no PersistentVolume that could be made for a claim.
            let claimed = try await run("volume undelete data --pool rbd --claim default/data")
            #expect(claimed.status == 64 && claimed.notes.contains("--image-only"), "\(claimed)")
            // Somebody has made another one of that name meanwhile.
            #expect(try await run("volume create data --pool rbd --size 64MiB").status == 0)
            let taken = try await run("volume undelete data --pool rbd")
            #expect(taken.status != 0 && taken.notes.contains("there is an image of that name"), "\(taken)")
            try await cluster.execute("rbd", "rm", "--no-progress", image)

            let done = try await run("volume undelete data --pool rbd")
            #expect(done.status == 0 && done.output.contains(handle), "\(done)")
            #expect(try await cluster.execute("sh", "-ec", sum) == before)
            #expect(try await run("volume undelete data --pool rbd").status == 66)
            let shown = try await run("volume show data")
            #expect(shown.status == 0, "\(shown)")
            #expect(try await process.stop() == .exited(0))
        }
    }
}
