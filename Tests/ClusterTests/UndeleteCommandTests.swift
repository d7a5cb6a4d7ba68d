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

            let none = try await run("volume undelete --pool rbd")
            #expect(none.output == "" && none.notes.contains("no deleted volume"), "\(none)")
            // It is there.
            #expect(try await run("volume undelete data --pool rbd").status == 0)
            let asked = try await run("volume delete data --plan")
            #expect(asked.output.contains("stays in Ceph's trash for 60m: nacre volume undelete"), "\(asked)")
            let deleted = try await run("volume delete data --yes")
            #expect(deleted.status == 0 && deleted.notes.contains("nacre volume undelete"), "\(deleted)")
            for line in ["volume undelete --pool rbd", "volume undelete"] {
                let listed = try await run(line)
                let words = try #require(listed.output.split(separator: "\n").last).split(separator: " ").map(
                    String.init
                )
                #expect(words.first == "data" && words.last == handle, "\(listed)")
                #expect(words.contains { ["57m", "58m", "59m", "60m"].contains($0) }, "\(listed)")
            }
            let json = try await run("volume undelete --output json")
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]]
            )
            #expect(object.first?["name"] as? String == "data")
            for key in ["deletedAt", "keptUntil"] {
                #expect((object.first?[key] as? String)?.hasSuffix("Z") == true, "\(json)")
            }
            for line in ["data --pool rbd", "data", "rbd/data --pool rbd", "rbd/data", handle, image] {
                let plan = try await run("volume undelete \(line) --plan")
                #expect(plan.status == 0 && plan.output.contains("would restore image \(image)"), "\(plan)")
            }
            #expect(try await run("volume undelete dota").notes.contains("did you mean 'data'?"))
            #expect(try await run("volume undelete --pool rbd").output.contains(handle))

            // It had no PersistentVolume that could be made for a claim.
            let claimed = try await run("volume undelete data --pool rbd --claim default/data")
            #expect(claimed.status == 64 && claimed.notes.contains("--image-only"), "\(claimed)")
            // Somebody has made another one of that name meanwhile.
            #expect(try await run("volume create data --pool rbd --size 64MiB").status == 0)
            let taken = try await run("volume undelete data --pool rbd")
            #expect(taken.status != 0 && taken.notes.contains("there is an image of that name"), "\(taken)")
            try await cluster.execute("rbd", "rm", "--no-progress", image)

            // One of that name in another pool is another volume.
            #expect(try await run("volume create data --pool replicapool --size 64MiB").status == 0)
            let done = try await run("volume undelete data --pool rbd")
            #expect(done.status == 0 && done.output == "undeleted data (\(handle))\n", "\(done)")
            #expect(try await cluster.execute("sh", "-ec", sum) == before)
            for line in ["data --pool rbd", "data --pool rbd --image-only", "rbd/data"] {
                let again = try await run("volume undelete \(line)")
                #expect(again.status == 0 && again.output == "" && again.notes.contains("is there"), "\(again)")
            }
            #expect(try await run("volume delete replicapool/data --yes").status == 0)
            // The one of before is not the one that was deleted last.
            let first = try await cluster.execute("rbd", "info", image).split(separator: "\n")
            let firstID = try #require(first.first { $0.contains("id: ") }?.split(separator: " ").last)
            #expect(try await run("volume delete rbd/data --yes").status == 0)
            #expect(try await run("volume create data --pool rbd --size 64MiB").status == 0)
            #expect(try await run("volume delete rbd/data --yes").status == 0)
            let both = try await run("volume undelete rbd/data")
            #expect(both.status == 64 && both.notes.contains("--image-id"), "\(both)")
            #expect(both.notes.contains(firstID), "\(both)")
            let none2 = try await run("volume undelete rbd/data --image-id 1")
            #expect(none2.status != 0 && none2.notes.contains(firstID), "\(none2)")
            let chosen = try await run("volume undelete rbd/data --image-id \(firstID)")
            #expect(chosen.status == 0, "\(chosen)")
            #expect(try await cluster.execute("sh", "-ec", sum) == before)
            let shown = try await run("volume show rbd/data")
            #expect(shown.status == 0, "\(shown)")
            #expect(try await process.stop() == .exited(0))
        }
    }
}
