import CephVolumes
import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// An `rbd rename` that was killed before its last step leaves an image with two names.
@Suite("Images in the middle of a renaming", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct RenamingTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let bench: VolumeBehaviour.Bench
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

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

    private var sum: String { "rbd export --no-progress rbd/kept-\(uuid) - | md5sum" }

    /// A volume with data whose image `rbd rename` has given its new name; the old name's object is there as before.
    private func renamed(_ parameters: [String: String]) async throws -> (handle: String, id: String, sum: String) {
        let volume = try await bench.create(bench.request(uuid, adding: parameters))
        let id = try #require(try await census.pool.imageID(named: image))
        try await cluster.execute(
            "sh",
            "-ec",
            """
            rbd bench --io-type write --io-size 4K --io-total 64K rbd/\(image) > /dev/null
            rados -p rbd get rbd_id.\(image) /tmp/id-\(uuid)
            rbd rename rbd/\(image) rbd/kept-\(uuid)
            rados -p rbd put rbd_id.\(image) /tmp/id-\(uuid); rm /tmp/id-\(uuid)
            """
        )
        #expect(try await census.pool.imageID(named: image) == id)
        return (volume.id.description, id, try await cluster.execute("sh", "-ec", sum))
    }

    private static let layouts: [[String: String]] = [[:], NacreProcess.stripes]

    @Test("A delete of the old name leaves the image to the new one", arguments: layouts)
    func delete(_ parameters: [String: String]) async throws {
        let (handle, id, before) = try await renamed(parameters)
        for _ in 0..<2 { try await bench.delete(handle) }
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await census.pool.imageID(named: "kept-\(uuid)") == id)
        #expect(try await !census.rawTrash().contains { $0.id == id })
        #expect(try await cluster.execute("sh", "-ec", sum) == before)
        try await cluster.execute("rbd", "rm", "--no-progress", "rbd/kept-\(uuid)")
    }

    @Test("A create of the old name makes another image, and leaves the first one to the new name", arguments: layouts)
    func create(_ parameters: [String: String]) async throws {
        let (handle, id, before) = try await renamed(parameters)
        for _ in 0..<2 { _ = try await bench.create(bench.request(uuid, adding: parameters)) }
        let new = try #require(try await census.pool.imageID(named: image))
        #expect(new != id)
        #expect(try await census.isWhole(image))
        #expect(try await census.pool.imageID(named: "kept-\(uuid)") == id)
        #expect(try await cluster.execute("sh", "-ec", sum) == before)
        try await bench.delete(handle)
        #expect(try await cluster.execute("sh", "-ec", sum) == before)
        try await cluster.execute("rbd", "rm", "--no-progress", "rbd/kept-\(uuid)")
    }

    @Test("A delete that goes on while the image is renamed leaves it to its new name")
    func race() async throws {
        _ = try await bench.create(bench.request(uuid))
        let id = try #require(try await census.pool.imageID(named: image))
        // As one that has looked before, and was as far as the entry; then the renaming, but for its end.
        try await census.addToTrash(RawTrashEntry(id: id, name: image, state: .moving))
        try await cluster.execute(
            "sh",
            "-ec",
            """
            rados -p rbd get rbd_id.\(image) /tmp/id-\(uuid)
            rbd rename rbd/\(image) rbd/kept-\(uuid)
            rados -p rbd put rbd_id.\(image) /tmp/id-\(uuid); rm /tmp/id-\(uuid)
            """
        )
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: id) != nil)
        #expect(try await census.pool.imageID(named: image) == nil)
        #expect(try await census.isWhole("kept-\(uuid)"))
        #expect(try await !census.rawTrash().contains { $0.id == id })
        try await cluster.execute("rbd", "rm", "--no-progress", "rbd/kept-\(uuid)")
    }
}
