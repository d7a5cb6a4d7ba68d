import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

@Suite("The trash purger", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct PurgerTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "replicapool")
    }

    private func create(_ lab: MicroCluster.Lab) async throws -> (bench: VolumeBehaviour.Bench, handle: String, id: String) {
        let bench = VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "replicapool"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
        let volume = try await bench.create(bench.request(uuid))
        return (bench, volume.id.description, try #require(try await census.pool.imageID(named: image)))
    }

    private func isInTrash(_ id: String) async throws -> Bool {
        try await census.rawTrash().contains { $0.id == id }
    }

    @Test("A watcher blocks an image and is named; once it is gone, the image goes")
    func watcher() async throws {
        let lab = cluster.lab()
        let (bench, handle, id) = try await create(lab)
        let image = image
        // In the trash by another way than ours, which would have seen the watcher.
        try await census.blocking { (pool) throws(RBDError) in try pool.moveToTrash(image) }
        let watcher = try await census.blocking { (pool) throws(RBDError) in
            try Image.openInTrash(id: id, in: pool)
        }
        _ = try await lab.store.adoptTrash(ofCluster: cluster.clusterID)
        // A reader does not watch: it does not block either.
        await census.blocking { _ in watcher.close() }
        try await eventually("the image is removed") { try await !isInTrash(id) }
        try await bench.delete(handle)
    }

    @Test("A snapshot blocks an image and is named; once it is gone, the image goes")
    func snapshot() async throws {
        let lab = cluster.lab()
        let (bench, handle, id) = try await create(lab)
        try await cluster.execute("rbd", "snap", "create", "--no-progress", "replicapool/\(image)@nightly")
        try await bench.delete(handle)
        try await eventually("the snapshot is named") {
            let blocked = lab.purger.status.blocked.first { $0.image.hasSuffix(image) }
            return blocked?.reason.contains("nightly") == true && (blocked?.attempts ?? 0) > 1
        }
        #expect(try await isInTrash(id))
        try await cluster.execute("rbd", "snap", "rm", "--no-progress", "--pool", "replicapool", "--image-id", id, "--snap", "nightly")
        try await eventually("the image is removed", within: .seconds(30)) { try await !isInTrash(id) }
        #expect(lab.purger.status.blocked.isEmpty)
        #expect(lab.purger.status.removed >= 1)
    }

    @Test("Other programs' trash is never touched, whatever it is named")
    func strangers() async throws {
        let lab = cluster.lab()
        let census = census
        let names = ["database-\(uuid.prefix(8))", "csi-vol-\(UUID().uuidString.lowercased())"]
        for name in names {
            // The second has the name of ours but not the metadata that says so: ceph-csi's.
            try await census.blocking { (pool) throws(RBDError) in
                try pool.createImage(name, sizeBytes: 4 << 20, options: ImageOptions())
                try pool.moveToTrash(name)
            }
        }
        for _ in 0..<3 {
            _ = try await lab.store.adoptTrash(ofCluster: cluster.clusterID)
            try await Task.sleep(for: .milliseconds(200))
        }
        let left = try await census.rawTrash().filter { names.contains($0.name) }
        #expect(Set(left.map(\.name)) == Set(names))
        for entry in left {
            try await census.blocking { (pool) throws(RBDError) in
                try pool.removeFromTrash(id: entry.id) { _, _ in }
            }
        }
    }

    @Test("What a killed service left in the trash, the next one empties")
    func inherits() async throws {
        let nacre = try NacreProcess(cluster)
        let first = try await nacre.start(environment: ["NACRE_CRASH_AT": VolumeStep.recheckingUse.rawValue])
        #expect(try await nacre.ask("Controller/CreateVolume", nacre.createBody("pvc-\(uuid)")).isOK)
        let id = try #require(try await census.pool.imageID(named: image))
        let body = #"{"volumeId":"\#(try cluster.clusterID)/replicapool//\#(image)","secrets":\#(try nacre.secrets())}"#
        await #expect(throws: (any Error).self) { try await nacre.call("Controller/DeleteVolume", body) }
        #expect(try await first.end() == .killed(SIGKILL))
        #expect(try await isInTrash(id))
        let second = try await nacre.start()
        try await eventually("the trash is emptied") { try await !isInTrash(id) }
        #expect(try await second.stop() == .exited(0))
    }
}
