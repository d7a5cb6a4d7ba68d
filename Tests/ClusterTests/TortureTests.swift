import Foundation
import RBD
import TestSupport
import Testing

/// Kills at any moment, also inside librbd, where there is no step.
@Suite("Torture", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct TortureTests {
    static let rounds = 40
    let uuids = (0..<6).map { _ in UUID().uuidString.lowercased() }

    @Test("Killed forty times at random, the service then brings every volume to the state that is asked for")
    func survives() async throws {
        try await FaultyCluster.with { faulty in
            // Dead clients are watchers until their watch expires. With Ceph's 30 s this test would wait for an hour.
            try await faulty.ceph("config", "set", "osd", "osd_client_watch_timeout", "6")
            let seed =
                ProcessInfo.processInfo.environment["NACRE_TORTURE_SEED"].flatMap(UInt64.init)
                ?? UInt64.random(in: 0...UInt64.max)
            print("NACRE_TORTURE_SEED=\(seed)")
            var random = SeededRandom(seed: seed)
            let nacre = try NacreProcess(faulty.cluster)
            let census = try PoolCensus(faulty.cluster, pool: "rbd")
            for round in 0..<Self.rounds {
                let victim = try await nacre.start()
                let calls = try await fire(nacre, faulty, &random)
                victim.send(SIGKILL)
                #expect(try await victim.end() == .killed(SIGKILL))
                // A late call would reach the next service.
                for call in calls { await call.value }
                // Every few rounds the pool is brought to a known state; in between, crashes hit the remains of earlier
                // ones.
                guard round % 5 == 4 else { continue }
                let wanted = uuids.filter { _ in Bool.random(using: &random) }
                try await settle(nacre, faulty, census, wanted: Set(wanted), "round \(round) of seed \(seed)")
            }
        }
    }

    /// Starts random calls and lets them run for a random time of at most 150 ms; their results are ignored.
    private func fire(
        _ nacre: NacreProcess,
        _ faulty: FaultyCluster,
        _ random: inout SeededRandom
    ) async throws -> [Task<Void, Never>] {
        var calls: [Task<Void, Never>] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let call = try body(
                of: Int.random(in: 0..<3, using: &random),
                uuids.randomElement(using: &random) ?? "",
                nacre,
                faulty
            )
            calls.append(Task { _ = try? await nacre.call(call.method, call.body, timeout: .seconds(5)) })
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...10, using: &random)))
        }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
        return calls
    }

    private func body(
        of kind: Int,
        _ uuid: String,
        _ nacre: NacreProcess,
        _ faulty: FaultyCluster
    ) throws -> (method: String, body: String) {
        let handle = "\(try faulty.cluster.clusterID)/rbd//csi-vol-\(uuid)"
        let secrets = try nacre.secrets()
        return switch kind {
        case 0: ("Controller/CreateVolume", try nacre.createBody("pvc-\(uuid)", pool: "rbd"))
        case 1: ("Controller/DeleteVolume", #"{"volumeId":"\#(handle)","secrets":\#(secrets)}"#)
        default:
            (
                "Controller/ControllerExpandVolume",
                #"{"volumeId":"\#(handle)","capacityRange":{"requiredBytes":"134217728"},"secrets":\#(secrets)}"#
            )
        }
    }

    private func settle(
        _ nacre: NacreProcess,
        _ faulty: FaultyCluster,
        _ census: PoolCensus,
        wanted: Set<String>,
        _ place: String
    ) async throws {
        let service = try await nacre.start()
        for uuid in uuids {
            let call = try body(of: wanted.contains(uuid) ? 0 : 1, uuid, nacre, faulty)
            var answer = try await nacre.ask(call.method, call.body, timeout: .seconds(60))
            // A process that was killed while it expanded the image looks like a user until its watch expires.
            let end = ContinuousClock.now + .seconds(120)
            while answer.code == "failed_precondition", answer.message.contains("has it open"), .now < end {
                try await Task.sleep(for: .milliseconds(200))
                answer = try await nacre.ask(call.method, call.body, timeout: .seconds(60))
            }
            #expect(answer.isOK, "\(place): \(call.method) \(uuid): \(answer)")
        }
        let images = try await census.images()
        #expect(Set(images) == Set(wanted.map { "csi-vol-\($0)" }), "\(place)")
        #expect(images.count == wanted.count, "\(place)")
        for image in images { #expect(try await census.isWhole(image), "\(place): \(image)") }
        for uuid in uuids where !wanted.contains(uuid) {
            #expect(try await census.hasNoTrace(of: "csi-vol-\(uuid)"), "\(place)")
        }
        // A volume whose delete was killed at its start and that was then wanted again keeps its entry, marked as on its
        // way, until it is deleted: who takes it away could meet a move that is under way. The rest must go, once the
        // dead ones' watches have run out.
        let end = ContinuousClock.now + .seconds(240)
        while let left = try await census.rawTrash().first(where: { entry in
            !(entry.state == .moving && wanted.contains { entry.name.hasSuffix($0) })
        }), .now < end {
            try await Task.sleep(for: .milliseconds(100))
            guard .now >= end else { continue }
            let metadata = try await census.pool.metadata(ofImageID: left.id)
            Issue.record("\(place): in the trash for ever: \(left), metadata \(metadata ?? [:])")
        }
        #expect(try await service.stop() == .exited(0))
    }
}
