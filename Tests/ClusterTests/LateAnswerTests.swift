import Foundation
import RBD
import TestSupport
import Testing

/// Commands whose answers come, and come late.
@Suite("Late answers", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct LateAnswerTests {
    /// The least time in which a service gives up to look at all objects; a command by itself has its own limit.
    private static let longLook = Duration.seconds(25)

    @Test("A look at all objects takes --direct as long as its --timeout lets it: nobody goes on with it afterwards")
    func longLook() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let nacre = NacreCommand(try NacreProcess(cluster), cluster: cluster)
            // A list asks one group after the other.
            try await faulty.ceph("osd", "pool", "create", "wide", "32", "32", "--autoscale-mode=off")
            try await cluster.execute("rbd", "pool", "init", "wide")
            let made = try await nacre("volume create late --pool wide --size 1GiB --direct --quiet")
            let handle = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let image = try #require(handle.split(separator: "/").last.map(String.init), "\(made)")
            let census = try PoolCensus(cluster, pool: "wide")
            let id = try #require(try await census.pool.imageID(named: image))
            for part in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id)] {
                try await census.removeObject(part)
            }
            try await faulty.delayMessages(to: "osd.0", upTo: 2.5)
            let start = ContinuousClock.now
            let again = try await nacre("volume create late --pool wide --size 1GiB --direct --quiet --timeout 115s")
            let time = ContinuousClock.now - start
            #expect(again.status == 0 && again.output == made.output, "\(time): \(again)")
            #expect(time > Self.longLook, "too fast to tell")
            #expect(try await census.isWhole(image))
        }
    }

    @Test("A delete of a handle whose pool was renamed is no success, however late the monitors answer")
    func renamedPool() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let nacre = NacreCommand(try NacreProcess(cluster), cluster: cluster)
            try await faulty.ceph("osd", "pool", "create", "early", "1")
            try await cluster.execute("rbd", "pool", "init", "early")
            let made = try await nacre("volume create kept --pool early --size 16MiB --direct --quiet")
            let handle = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let image = try #require(handle.split(separator: "/").last.map(String.init), "\(made)")
            try await faulty.ceph("osd", "pool", "rename", "early", "later")
            let prompt = try await nacre("volume delete \(handle) --yes --direct")
            #expect(prompt.status != 0 && prompt.notes.contains("if that was renamed"), "\(prompt)")
            try await faulty.delayMessages(to: "mon.x", upTo: 1)
            // Each limit is reached at another step.
            try await withThrowingTaskGroup { group in
                for limit in 2...13 {
                    group.addTask {
                        let answer = try await nacre("volume delete \(handle) --yes --direct --timeout \(limit)s")
                        #expect(answer.status != 0, "\(limit) s: \(answer)")
                        #expect(!answer.notes.contains("nothing was deleted; it may be"), "\(limit) s: \(answer)")
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await PoolCensus(cluster, pool: "later").pool.imageID(named: image) != nil)
        }
    }
}
