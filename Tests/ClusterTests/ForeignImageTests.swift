import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Nacre changes no images that it did not create.
@Suite("Other programs' images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ForeignImageTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let bench: VolumeBehaviour.Bench
    let uuid = UUID().uuidString.lowercased()

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        bench = VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func expectRefused(_ words: String..., body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("another program's image was changed")
        } catch let error as VolumeError {
            #expect(error.code == .failedPrecondition)
            for word in words { #expect(error.message.contains(word), "\(error.message)") }
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test(
        "An image of whatever name that `rbd create` made is not deleted, grown or taken",
        arguments: ["backup-$", "csi-vol-$", "plain"]
    )
    func made(_ pattern: String) async throws {
        let image = pattern == "plain" ? "plain-\(uuid.prefix(8))" : pattern.replacing("$", with: uuid)
        try await cluster.execute("rbd", "create", "--size", "16M", "rbd/\(image)")
        let before = try await cluster.execute("rbd", "info", "rbd/\(image)")
        let handle = "\(try cluster.clusterID)/rbd//\(image)"
        await expectRefused("'rbd/\(image)'", "16 MiB") { try await bench.delete(handle) }
        await expectRefused("'rbd/\(image)'", "16 MiB") {
            _ = try await bench.service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: handle,
                    range: CapacityRange(requiredBytes: 1 << 30, limitBytes: 0),
                    capability: nil,
                    credentials: bench.credentials
                ),
                deadline: .now + .seconds(60)
            )
        }
        if pattern == "csi-vol-$" {
            await expectRefused("'rbd/\(image)'") {
                _ = try await bench.create(bench.request(uuid, required: 16 << 20))
            }
        }
        #expect(try await cluster.execute("rbd", "info", "rbd/\(image)") == before)
        #expect(try await !cluster.execute("rbd", "image-meta", "ls", "rbd/\(image)").contains("nacre"))
        // Once adopted, it is Nacre's.
        try await cluster.execute("rbd", "image-meta", "set", "rbd/\(image)", "nacre.io/adopted", "by the test")
        try await bench.delete(handle)
        #expect(try await census.hasNoTrace(of: image))
    }

    @Test("A handle of ceph-csi is refused by name, and its image stays")
    func cephCSI() async throws {
        let handle = "0001-0009-rook-ceph-0000000000000002-\(uuid)"
        await expectRefused("'\(handle)'", "ceph-csi") { try await bench.delete(handle) }
        // An invalid handle names no volume: CSI requires success.
        try await bench.delete("0001-0009-rook-\(uuid)")
    }
}
