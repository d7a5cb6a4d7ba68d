import Foundation
import TestSupport
import Testing

/// How large a volume may be made and may grow, by the pool that has its data.
@Suite("Limits of pools", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct PoolLimitTests {
    @Test("A quota is a pool's size, too, for a new volume and for one that grows; so is the factor of a class")
    func limits() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            try await faulty.ceph("osd", "pool", "create", "quota", "8")
            try await faulty.ceph("osd", "pool", "application", "enable", "quota", "rbd")
            try await faulty.ceph("osd", "pool", "set-quota", "quota", "max_bytes", "\(100 << 20)")
            for (parameters, allowed) in [(["dataPool": "quota"], 900 << 20), (["poolSizeFactor": "1"], 128 << 20)] {
                // Ten times the quota; what such a cluster has is far from it, and far below the usual factor of 10.
                let beyond = parameters["dataPool"] == nil ? try await free(faulty, nacre) * 3 : 10 << 30
                let uuid = UUID().uuidString.lowercased()
                let refused = try await nacre.ask(
                    "Controller/CreateVolume",
                    nacre.createBody("pvc-\(uuid)", pool: "rbd", bytes: beyond, parameters: parameters)
                )
                #expect(refused.code == "out_of_range" && refused.message.contains("can hold"), "\(refused)")
                let made = try nacre.createBody("pvc-\(uuid)", pool: "rbd", parameters: parameters)
                #expect(try await nacre.ask("Controller/CreateVolume", made).isOK)
                let handle = "\(try faulty.cluster.clusterID)/rbd//csi-vol-\(uuid)"
                for (bytes, isTaken) in [(beyond, false), (allowed, true)] {
                    let answer = try await nacre.ask(
                        "Controller/ControllerExpandVolume",
                        #"{"volumeId":"\#(handle)","capacityRange":{"requiredBytes":"\#(bytes)"},"secrets":\#(nacre.secrets())}"#
                    )
                    #expect(answer.isOK == isTaken, "\(parameters) \(bytes): \(answer)")
                    #expect(
                        isTaken || answer.code == "out_of_range" && answer.message.contains("can hold"),
                        "\(answer)"
                    )
                }
            }
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("A delete in a pool that is gone is refused, with what to do")
    func deleteWithoutPool() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            let handle = "\(try faulty.cluster.clusterID)/gone//csi-vol-\(UUID().uuidString.lowercased())"
            let answer = try await nacre.ask(
                "Controller/DeleteVolume",
                #"{"volumeId":"\#(handle)","secrets":\#(nacre.secrets())}"#
            )
            #expect(answer.code == "failed_precondition", "\(answer)")
            #expect(
                answer.message.contains("no pool 'gone'") && answer.message.contains("if the pool was renamed"),
                "\(answer)"
            )
            #expect(try await process.stop() == .exited(0))
        }
    }

    /// What pool `rbd` can hold, as the service says it for a factor of 1.
    private func free(_ faulty: FaultyCluster, _ nacre: NacreProcess) async throws -> Int {
        let body = #"{"parameters":{"clusterID":"\#(try faulty.cluster.clusterID)","pool":"rbd","poolSizeFactor":"1"}}"#
        var bytes: Int?
        // The manager counts every few seconds.
        try await eventually("the pool's room is told") {
            let answer = try await nacre.ask("Controller/GetCapacity", body)
            bytes = answer.body.firstMatch(of: /"maximumVolumeSize":"(\d+)"/).flatMap { Int($0.output.1) }
            return (bytes ?? 0) > 0
        }
        return try #require(bytes)
    }
}
