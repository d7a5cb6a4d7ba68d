import JSON
import KubernetesAPI
import Logging
import Secrets
import TestSupport
import Testing
import Volumes

@testable import Provisioner

@Suite("Images that nobody has")
struct GarbageScanTests {
    @Test("An image of this cluster without claim and PersistentVolume counts when two scans found it, and not before")
    func scan() async throws {
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let credentials = Credentials(userID: "u", userKey: Secret("k"))
        let uids = (1...5).map { "00000000-0000-4000-8000-00000000000\($0)" }
        let places = [("ours", "rbd"), ("ours", "rbd"), ("ours", "rbd"), ("theirs", "rbd"), ("ours", "other")]
        for (uid, (cluster, pool)) in zip(uids, places) {
            _ = try await service.createVolume(
                CreateVolumeRequest(
                    name: "pvc-\(uid)",
                    range: CapacityRange(requiredBytes: 1 << 20, limitBytes: 0),
                    capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                    parameters: [
                        "clusterID": "lab", "pool": pool, ImageMetadataKey.kubernetesCluster: cluster,
                    ],
                    credentials: credentials
                ),
                deadline: .now + .seconds(60)
            )
        }
        let server = try ScriptedServer { _, connection in
            connection.answer(200, #"{"metadata":{"name":"kube-system","uid":"ours","resourceVersion":"1"}}"#)
        }
        let shop = try Workshop.forTests(service, server: server.url)
        try await shop.cluster.read(shop.client)
        shop.claims.put(
            try #require(
                PersistentVolumeClaim([
                    "metadata": ["name": "c", "namespace": "n", "uid": .string(uids[0]), "resourceVersion": "1"]
                ])
            )
        )
        shop.volumes.put(
            try #require(
                PersistentVolume([
                    "metadata": ["name": .string("pvc-\(uids[1])"), "uid": "x", "resourceVersion": "1"]
                ])
            )
        )
        let scan = GarbageScan(shop)
        try await scan.scan()
        #expect(scan.count == 0)
        try await scan.scan()
        #expect(scan.count == 2)
        // A pool that does not answer for a while: what was known of it is not forgotten, nor found anew.
        store.silence("other")
        await #expect(throws: VolumeError.self) { try await scan.scan() }
        #expect(scan.count == 2)
        // Of the others, what is gone is gone.
        let gone = try VolumeID(clusterID: "lab", pool: "rbd", namespace: "", image: "csi-vol-\(uids[2])")
        store.change(gone) { $0.state = .absent }
        await #expect(throws: VolumeError.self) { try await scan.scan() }
        #expect(scan.count == 1)
        store.silence("other", false)
        try await scan.scan()
        #expect(scan.count == 1)
        #expect(store.images.count == 4)
    }
}
