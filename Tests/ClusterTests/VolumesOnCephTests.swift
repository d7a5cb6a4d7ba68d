import CephVolumes
import Secrets
import TestSupport
import Testing
import Volumes

@Suite("Volumes on Ceph", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct VolumesOnCephTests {
    static let shared = MicroCluster.current?.lab()

    @Test("The service keeps its promise", arguments: VolumeBehaviour.all)
    func behaves(_ behaviour: VolumeBehaviour) async throws {
        let cluster = try #require(MicroCluster.current)
        let lab = try #require(Self.shared)
        let bench = VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "replicapool"],
            credentials: try cluster.provisioner,
            prefix: "t\(UInt32.random(in: 0...0xFFFF_FFFF))-\(String(UInt16.random(in: 0x1000...0xFFFF), radix: 16))"
        )
        try await behaviour.check(bench)
    }

    @Test(
        "A repeated create finds its volume, whatever Ceph adds to what the class asks for",
        arguments: [
            [:], ["imageFeatures": "layering"], ["imageFeatures": "layering,exclusive-lock"],
            ["imageFeatures": "layering,exclusive-lock,object-map"],
            ["imageFeatures": "layering,exclusive-lock,object-map,fast-diff,deep-flatten"],
            ["imageFeatures": "layering,exclusive-lock,journaling"],
            ["stripeUnit": "65536", "stripeCount": "4"], ["stripeUnit": "4194304", "stripeCount": "1"],
            ["objectSize": "8388608"], ["dataPool": "rbd"],
        ]
    )
    func repeated(_ layout: [String: String]) async throws {
        let cluster = try #require(MicroCluster.current)
        let bench = VolumeBehaviour.Bench(
            service: try #require(Self.shared).service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "replicapool"],
            credentials: try cluster.provisioner,
            prefix: "r\(UInt64.random(in: 0...UInt64.max))"
        )
        let request = try bench.request("a", adding: layout)
        let volume = try await bench.create(request)
        #expect(try await bench.create(request).id == volume.id)
        try await bench.delete(volume.id.description)
    }
}
