import CephVolumes
import Foundation
import Glibc
import RBD
import Synchronization
import TestSupport
import Testing
import Volumes

/// A client gives up waiting for an OSD; what it had sent is done all the same, while or after another client does its work.
@Suite("Writes that land late", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct LateWritesTests {
    enum Deed: String, CaseIterable { case create, delete }

    /// What is under way when the OSD stops, and who comes then.
    private static let cases: [(VolumeStep, [Deed])] = [
        (.creatingImage, [.create]), (.creatingImage, [.delete]), (.writingHeader, [.create]),
        (.writingHeader, [.delete]), (.writingHeader, [.create, .delete]), (.writingHeader, [.create, .create]),
        (.movingToTrash, [.create]), (.movingToTrash, [.delete]), (.movingToTrash, [.delete, .create]),
    ]

    /// Stops a daemon at once, from within a step.
    private static func stop(_ faulty: FaultyCluster, _ daemon: String, _ signal: Int32) throws {
        let file = "\(faulty.cluster.directory)/run/\(daemon).pid"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let pid = try #require(text.split(whereSeparator: \.isWhitespace).first.flatMap { pid_t($0) })
        kill(pid, signal)
        guard signal == SIGSTOP else { return }
        // On a busy machine its other threads go on until the one that takes the signal gets a processor.
        for _ in 0..<2000 {
            let status = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            if status.split(separator: ")").last?.hasPrefix(" T") == true { return }
            usleep(1000)
        }
    }

    @Test("Whoever comes while the late writes land ends with one whole volume or none, and nothing is left over")
    func interleaved() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let census = try PoolCensus(cluster, pool: "rbd")
            for (step, deeds) in Self.cases {
                let layouts: [[String: String]] = step == .writingHeader ? [[:]] : [[:], NacreProcess.stripes]
                for parameters in layouts {
                    try await round(faulty, census, step, deeds, parameters)
                }
            }
        }
    }

    private func round(
        _ faulty: FaultyCluster,
        _ census: PoolCensus,
        _ step: VolumeStep,
        _ deeds: [Deed],
        _ parameters: [String: String]
    ) async throws {
        let cluster = faulty.cluster
        let what: Comment = "\(step) \(deeds) \(parameters)"
        let uuid = UUID().uuidString.lowercased()
        let image = "csi-vol-\(uuid)"
        let handle = "\(try cluster.clusterID)/rbd//\(image)"
        if step == .movingToTrash {
            let maker = try bench(cluster.lab(), cluster)
            _ = try await maker.create(maker.request(uuid, adding: parameters))
        }
        let isStopped = Atomic(false)
        let first = cluster.lab(options: ["rados_osd_op_timeout": "4"]) { found in
            guard found.name == step.name, !isStopped.exchange(true, ordering: .relaxed) else { return }
            try? Self.stop(faulty, "osd.0", SIGSTOP)
        }
        let giving = try bench(first, cluster)
        await #expect(throws: (any Error).self, what) {
            if step == .movingToTrash {
                try await giving.delete(handle)
            } else {
                _ = try await giving.create(giving.request(uuid, adding: parameters))
            }
        }
        let wasStopped = isStopped.load(ordering: .relaxed)
        #expect(wasStopped, what)
        // Those who come wait at the same OSD; what they send and what was sent before meet there.
        let labs = deeds.map { _ in cluster.lab() }
        try await withThrowingTaskGroup { group in
            for (deed, lab) in zip(deeds, labs) {
                let bench = try bench(lab, cluster)
                group.addTask { try? await Self.perform(deed, bench, uuid, handle, parameters) }
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...500)))
            try Self.stop(faulty, "osd.0", SIGCONT)
            try await group.waitForAll()
        }
        // As Kubernetes does, the last one comes again until it is done.
        let last = try bench(cluster.lab(), cluster)
        let deed = try #require(deeds.last)
        try await eventually("\(deed) succeeds: \(what)", within: .seconds(240)) {
            do {
                try await Self.perform(deed, last, uuid, handle, parameters)
                return true
            } catch {
                return false
            }
        }
        if deed == .create {
            #expect(try await census.images(prefix: image) == [image], what)
            #expect(try await census.isWhole(image), what)
            try await last.delete(handle)
        }
        #expect(try await census.hasNoTrace(of: image), what)
        let sweeper = cluster.lab()
        try await eventually("nothing is left: \(what)", within: .seconds(240)) {
            _ = try await sweeper.store.trash.adoptTrash(ofCluster: cluster.clusterID)
            sweeper.purger.wake()
            let objects = try await cluster.execute(
                "sh",
                "-ec",
                "rados -p rbd ls | grep -E '^(rbd_(id|header|data|object_map)|nacre)' || true"
            )
            return objects.allSatisfy(\.isWhitespace)
        }
    }

    private static func perform(
        _ deed: Deed,
        _ bench: VolumeBehaviour.Bench,
        _ uuid: String,
        _ handle: String,
        _ parameters: [String: String]
    ) async throws {
        switch deed {
        case .create: _ = try await bench.create(bench.request(uuid, adding: parameters))
        case .delete: try await bench.delete(handle)
        }
    }

    private func bench(_ lab: MicroCluster.Lab, _ cluster: MicroCluster) throws -> VolumeBehaviour.Bench {
        VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }
}
