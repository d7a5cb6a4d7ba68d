import CephVolumes
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

@Suite("Volumes on Ceph", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct VolumesOnCephTests {
    static let shared = MicroCluster.current?.lab()

    static let byLibrbd = MicroCluster.current?.lab(objectCalls: .never)

    @Test(
        "The service keeps its promise, with class calls of its own and by librbd alone",
        arguments: VolumeBehaviour.all,
        [true, false]
    )
    func behaves(_ behaviour: VolumeBehaviour, withObjectCalls: Bool) async throws {
        let cluster = try #require(MicroCluster.current)
        let lab = try #require(withObjectCalls ? Self.shared : Self.byLibrbd)
        let bench = VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "replicapool"],
            credentials: try cluster.provisioner,
            prefix: "t\(UInt32.random(in: 0...0xFFFF_FFFF))-\(String(UInt16.random(in: 0x1000...0xFFFF), radix: 16))"
        )
        try await behaviour.check(bench)
    }

    @Test("Class calls make and move images on a tested release, and never where that is switched off")
    func objectCalls() async throws {
        let cluster = try #require(MicroCluster.current)
        for calls in [ObjectCalls.onTestedReleases, .never] {
            let steps = Mutex<[String]>([])
            let lab = cluster.lab(objectCalls: calls) { step in steps.withLock { $0.append(step.name) } }
            let bench = VolumeBehaviour.Bench(
                service: lab.service,
                parameters: ["clusterID": try cluster.clusterID, "pool": "replicapool"],
                credentials: try cluster.provisioner,
                prefix: "o\(UInt64.random(in: 0...UInt64.max))"
            )
            let volume = try await bench.create(try bench.request("a"))
            #expect(steps.withLock { $0.contains(VolumeStep.writingHeader.name) } == (calls == .onTestedReleases))
            try await bench.delete(volume.id.description)
        }
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
