import CephVolumes
import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Kills that no step is fine enough for: those inside librbd.
@Suite("Half-made images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct HalfMadeTests {
    let cluster: MicroCluster
    let census: PoolCensus
    /// One for all tests: many purgers at once would stand in each other's way.
    static let shared = MicroCluster.current?.lab()
    let lab: MicroCluster.Lab
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        lab = try #require(Self.shared)
    }

    private var bench: VolumeBehaviour.Bench {
        get throws {
            VolumeBehaviour.Bench(
                service: lab.service,
                parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
                credentials: try cluster.provisioner,
                prefix: "pvc"
            )
        }
    }

    @Test("Create makes one whole image of it, Delete then leaves nothing", arguments: HalfMade.allCases)
    func create(_ state: HalfMade) async throws {
        let bench = try bench
        let id = try await make(state, bench)
        let before = try await census.pool.imageID(named: image)
        for _ in 0..<3 {
            let volume = try await bench.create(bench.request(uuid))
            #expect(volume.id.image == image)
        }
        #expect(try await census.images(prefix: image) == [image])
        #expect(try await census.isWhole(image))
        if state.isAVolume {
            let now = try await census.pool.imageID(named: image)
            #expect(now == before && now == id, "a volume with data must not be made anew")
        }
        try await deleteLeavesNothing(id, bench)
    }

    @Test("Delete leaves nothing of it", arguments: HalfMade.allCases)
    func delete(_ state: HalfMade) async throws {
        let bench = try bench
        let id = try await make(state, bench)
        try await deleteLeavesNothing(id, bench)
    }

    /// Makes an image and damages it; a service that never saw it whole works on it then.
    private func make(_ state: HalfMade, _ bench: VolumeBehaviour.Bench) async throws -> String {
        let maker = VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: bench.parameters,
            credentials: bench.credentials,
            prefix: bench.prefix
        )
        _ = try await maker.create(maker.request(uuid))
        let id = try #require(try await census.pool.imageID(named: image))
        try await state.make(of: image, id: id, in: census)
        return id
    }

    private func deleteLeavesNothing(_ id: String, _ bench: VolumeBehaviour.Bench) async throws {
        let handle = "\(try cluster.clusterID)/rbd//\(image)"
        for _ in 0..<2 { try await bench.delete(handle) }
        #expect(try await census.hasNoTrace(of: image))
        let end = ContinuousClock.now + .seconds(10)
        while let left = try await census.rawTrash().first(where: { $0.name == image || $0.id == id }) {
            guard .now < end else {
                Issue.record("still in the trash: \(left); \(lab.purger.status.blocked.map(\.reason))")
                return
            }
            _ = try await lab.store.adoptTrash(ofCluster: cluster.clusterID)
            lab.purger.wake()
            try await Task.sleep(for: .milliseconds(100))
        }
        for object in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id), ImageObject.id(ofName: image)] {
            #expect(try await !census.holds(object), "\(object) is left")
        }
    }
}
