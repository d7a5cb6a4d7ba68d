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
}
