import CephVolumes
import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Kills between steps: inside librbd, or among writes that are sent together.
///
/// On their own cluster, because the purgers of other tests would interfere.
@Suite("Half-made images", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct HalfMadeTests {
    @Test("Create makes one whole image of each, Delete then leaves nothing")
    func create() async throws {
        try await withEachState { subject in
            let before = try await subject.census.pool.imageID(named: subject.image)
            for _ in 0..<3 {
                let volume = try await subject.bench.create(subject.bench.request(subject.uuid))
                #expect(volume.id.image == subject.image)
            }
            #expect(try await subject.census.images(prefix: subject.image) == [subject.image], "\(subject.state)")
            #expect(try await subject.census.isWhole(subject.image), "\(subject.state)")
            if subject.state.isAVolume {
                let now = try await subject.census.pool.imageID(named: subject.image)
                #expect(now == before && now == subject.id, "\(subject.state): a volume with data was made anew")
            }
            try await deleteLeavesNothing(subject)
        }
    }

    @Test("Delete leaves nothing of each")
    func delete() async throws {
        try await withEachState { try await deleteLeavesNothing($0) }
    }

    /// An incomplete image and a service that never saw the complete one.
    struct Subject: Sendable {
        let state: HalfMade
        let uuid: String
        let id: String
        let census: PoolCensus
        let lab: MicroCluster.Lab
        let bench: VolumeBehaviour.Bench
        let clusterID: String
        var image: String { "csi-vol-\(uuid)" }
    }

    private func withEachState(_ body: @escaping @Sendable (Subject) async throws -> Void) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let (maker, lab) = (cluster.lab(), cluster.lab())
            let census = try PoolCensus(cluster, pool: "rbd")
            try await withThrowingTaskGroup { group in
                for state in HalfMade.allCases {
                    group.addTask {
                        let uuid = UUID().uuidString.lowercased()
                        let making = try bench(maker, cluster)
                        _ = try await making.create(making.request(uuid))
                        let id = try #require(try await census.pool.imageID(named: "csi-vol-\(uuid)"))
                        if state.keepsHeader {
                            let words = "--io-type write --io-size 4K --io-total 4K"
                            try await cluster.execute("sh", "-ec", "rbd bench \(words) rbd/csi-vol-\(uuid)")
                        }
                        try await state.make(of: "csi-vol-\(uuid)", id: id, in: census)
                        try await body(
                            Subject(
                                state: state,
                                uuid: uuid,
                                id: id,
                                census: census,
                                lab: lab,
                                bench: bench(lab, cluster),
                                clusterID: cluster.clusterID
                            )
                        )
                    }
                }
                try await group.waitForAll()
            }
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

    private func deleteLeavesNothing(_ subject: Subject) async throws {
        for _ in 0..<2 { try await subject.bench.delete("\(subject.clusterID)/rbd//\(subject.image)") }
        let (census, id) = (subject.census, subject.id)
        #expect(try await census.hasNoTrace(of: subject.image), "\(subject.state)")
        guard !subject.state.isOthers else {
            for _ in 0..<2 { _ = try await subject.lab.store.adoptTrash(ofCluster: subject.clusterID) }
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await census.rawTrash().contains { $0.id == id }, "\(subject.state)")
            #expect(try await census.holds(ImageObject.header(ofID: id)), "\(subject.state)")
            return
        }
        try await eventually("\(subject.state): the trash is empty", within: .seconds(90)) {
            _ = try await subject.lab.store.adoptTrash(ofCluster: subject.clusterID)
            subject.lab.purger.wake()
            return try await !census.rawTrash().contains { $0.name == subject.image || $0.id == id }
        }
        let data = "rbd_data.\(id).\(String(repeating: "0", count: 16))"
        for object in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id), data] {
            #expect(try await !census.holds(object), "\(subject.state): \(object) is left")
        }
    }
}
