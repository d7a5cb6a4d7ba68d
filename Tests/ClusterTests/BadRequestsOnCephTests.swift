import Foundation
import TestSupport
import Testing
import VolumeAPI

@Suite(
    "Requests that must be refused, on Ceph",
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack))
)
struct BadRequestsOnCephTests {
    @Test("Every bad request is refused with its code, and the pools hold afterwards what they held before")
    func refuses() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            // Includes the node's calls: a malformed one changes no mount.
            let process = try await nacre.start(["--node-id", "test"])
            let clusterID = try faulty.cluster.clusterID
            #expect(try await nacre.ask("Controller/CreateVolume", nacre.createBody("pvc-keep", pool: "rbd")).isOK)
            let pools = try ["rbd", "replicapool"].map { try PoolCensus(faulty.cluster, pool: $0) }
            let before = try await contents(pools)
            for request in BadRequest.all {
                // Everything else is valid, so only the fault keeps the request from Ceph.
                let body = request.body.replacing("\"c1\"", with: "\"\(clusterID)\"")
                    .replacing("c1/replicapool", with: "\(clusterID)/replicapool")
                    .replacing(#"{"userID":"nacre","userKey":"TOP-SECRET-KEY"}"#, with: try nacre.secrets())
                let answer = try await nacre.ask(request.method, body, timeout: .seconds(10))
                // A handle with a cluster's 36 characters is longer than the table's.
                let isLonger = answer.message.contains("limit is 128")
                #expect(answer.code == request.code, "\(request): \(answer)")
                for word in request.words where !isLonger && !word.isEmpty {
                    #expect(answer.message.contains(word), "\(request) should say '\(word)': \(answer)")
                }
                #expect(answer.time < .seconds(9), "\(request): \(answer)")
            }
            #expect(try await contents(pools) == before)
            #expect(before.contains { $0.hasPrefix("rbd_id.csi-vol-") || $0.hasPrefix("csi-vol-") })
            #expect(try await process.stop() == .exited(0))
        }
    }

    private func contents(_ pools: [PoolCensus]) async throws -> [String] {
        var all: [String] = []
        for pool in pools {
            for name in try await pool.images() { all.append("\(name) \(try await pool.isWhole(name))") }
            all += try await pool.rawTrash().map(\.name)
        }
        return all
    }
}
