import CephVolumes
import Foundation
import TestSupport
import Testing
import Volumes

/// How many answers of Ceph a call waits for one after the other, by the log that librados itself writes of its messages.
///
/// On a network this is what a call takes; reads that are made at once take as long as one.
@Suite("Round trips", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct RoundTripTests {
    /// Removes nothing, so that all messages are the calls' own.
    private struct Idle: ImageRemoving {
        var crashes: Int { 0 }

        func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome {
            .blocked("nothing is removed here")
        }

        func releaseIdle() {}
        func stop() {}
    }

    let cluster: MicroCluster
    let log = URL(filePath: "\(NSTemporaryDirectory())/nacre-\(UUID().uuidString).log")
    let pool = "trips-\(UUID().uuidString.prefix(8).lowercased())"

    init() throws {
        cluster = try #require(MicroCluster.current)
    }

    @Test("A create of a new name waits for four answers, a delete for nine")
    func life() async throws {
        try await cluster.execute("sh", "-ec", "ceph osd pool create \(pool) 1 && rbd pool init \(pool)")
        let lab = cluster.lab(
            options: ["log_file": log.path, "log_to_file": "true", "debug_ms": "1"],
            removing: Idle()
        )
        let bench = VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": pool],
            credentials: try cluster.provisioner,
            prefix: "trips"
        )
        // Connects, and reads the size of the pool.
        try await bench.delete(try await bench.create(bench.request("first")).id.description)
        var (creates, deletes): ([Trips], [Trips]) = ([], [])
        // A busy machine may send one of several messages after another was answered: then once more.
        repeat {
            var id = ""
            creates.append(
                try await trips {
                    id = try await bench.create(bench.request("\(creates.count)")).id.description
                }
            )
            deletes.append(try await trips { try await bench.delete(id) })
        } while creates.count < 6
            || creates.count < 60 && !(creates.contains { $0.count <= 4 } && deletes.contains { $0.count <= 9 })
        let create = try #require(creates.min { $0.count < $1.count })
        let delete = try #require(deletes.min { $0.count < $1.count })
        print("create: \(create.count)\n\(create.messages)delete: \(delete.count)\n\(delete.messages)")
        #expect(create.count == 4, "\(create.messages)")
        #expect(delete.count == 9, "\(delete.messages)")
        try await cluster.execute("sh", "-ec", "ceph osd pool rm \(pool) \(pool) --yes-i-really-really-mean-it")
        try? FileManager.default.removeItem(at: log)
    }

    /// What a call sent.
    private struct Trips {
        /// How often it sent a message while all before were answered.
        var count = 0
        /// The messages, each with the number of its round trip.
        var messages = ""
    }

    private func trips(of call: () async throws -> Void) async throws -> Trips {
        let before = try Data(contentsOf: log).count
        try await call()
        // The log has a thread of its own.
        var written = before
        try await eventually("the log is written") {
            try await Task.sleep(for: .milliseconds(100))
            let now = try Data(contentsOf: log).count
            defer { written = now }
            return now > before && now == written
        }
        var unanswered: Set<Substring> = []
        var trips = Trips()
        let lines = String(decoding: try Data(contentsOf: log).dropFirst(before), as: UTF8.self)
        for line in lines.split(separator: "\n") {
            if line.contains("--> "), let sent = line.firstRange(of: " osd_op(") {
                // Such as: osd_op(unknown.0.0:12 2.3 2:c8…:::rbd_id.NAME:head [read 0~256] …
                let message = line[sent.upperBound...]
                if unanswered.isEmpty { trips.count += 1 }
                trips.messages += "\(trips.count): \(message.prefix(160))\n"
                if let number = message.prefix(while: { $0 != " " }).split(separator: ":").last {
                    unanswered.insert(number)
                }
            } else if line.contains("<== "), let answer = line.firstRange(of: "osd_op_reply(") {
                unanswered.remove(line[answer.upperBound...].prefix { $0 != " " })
            }
        }
        return trips
    }
}
