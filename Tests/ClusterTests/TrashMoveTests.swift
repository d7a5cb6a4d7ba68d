import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// A move to the trash without opening has the same result as librbd's, or none.
@Suite("Moves to the trash without opening", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct TrashMoveTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let image = "csi-vol-\(UUID().uuidString.lowercased())"

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
    }

    /// Creates the image with `rbd create`; returns its id.
    private func make() async throws -> String {
        try await cluster.execute("rbd", "create", "--size", "16M", "rbd/\(image)")
        return try #require(try await census.pool.imageID(named: image))
    }

    private func removeFromTrash(_ id: String) async throws {
        try await cluster.execute("rbd", "trash", "rm", "rbd/\(id)")
    }

    @Test("A plain image lies there as after `rbd trash mv`, comes back whole, and goes for good")
    func plain() async throws {
        let id = try await make()
        let begin = Int64(Date().timeIntervalSince1970)
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: id) != nil)
        #expect(try await census.hasNoTrace(of: image))
        let raw = try await census.rawTrash().filter { $0.id == id }
        #expect(raw == [RawTrashEntry(id: id, name: image, source: .user, state: .normal)])
        let entry = try #require(try await census.blocking { try $0.trashEntries() }.first { $0.id == id })
        #expect(entry.wasMovedByUser && entry.name == image)
        #expect((begin...begin + 600).contains(entry.deletedAt) && entry.deferredUntil == entry.deletedAt)
        try await cluster.execute("rbd", "trash", "restore", "rbd/\(id)")
        #expect(try await census.isWhole(image))
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: id) != nil)
        try await removeFromTrash(id)
        #expect(try await !census.holds(ImageObject.header(ofID: id)))
    }

    @Test(
        "What librbd must do more for is left alone",
        arguments: [
            "rbd feature enable $image journaling",
            "rbd lock add $image of-a-dead-client",
            "rbd mirror pool enable $pool image && rbd mirror image enable $image snapshot",
        ]
    )
    func notPlain(_ preparation: String) async throws {
        // Its own pool, so that mirroring does not affect other tests.
        let pool = "move-\(UUID().uuidString.prefix(8).lowercased())"
        try await cluster.execute("sh", "-ec", "ceph osd pool create \(pool) 1 && rbd pool init \(pool)")
        let script = """
            pool=\(pool) image=\(pool)/\(image)
            rbd create --size 16M --image-feature layering,exclusive-lock $image
            \(preparation)
            """
        try await cluster.execute("sh", "-ec", script)
        let there = try PoolCensus(cluster, pool: pool)
        let id = try #require(try await there.pool.imageID(named: image))
        #expect(try await there.pool.moveToTrash(image, unopenedWithID: id) == nil)
        #expect(try await there.isWhole(image))
        #expect(try await there.rawTrash().isEmpty)
        try await cluster.execute("ceph", "osd", "pool", "rm", pool, pool, "--yes-i-really-really-mean-it")
    }

    @Test(
        "What another has begun is brought to its end, unless it is something else than a move",
        arguments: [true, false]
    )
    func begun(_ isMove: Bool) async throws {
        let id = try await make()
        try await census.addToTrash(RawTrashEntry(id: id, name: image, state: isMove ? .moving : .restoring))
        #expect(try await (census.pool.moveToTrash(image, unopenedWithID: id) != nil) == isMove)
        #expect(try await census.isWhole(image) == !isMove)
        if !isMove { try await cluster.execute("sh", "-ec", "rbd trash restore rbd/\(id); rbd trash mv rbd/\(image)") }
        #expect(try await census.rawTrash().contains { $0.id == id && $0.state == .normal })
        try await removeFromTrash(id)
    }

    @Test("What nobody made is left to librbd")
    func nobody() async throws {
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: "0123456789ab") == nil)
    }

    @Test("A move that comes late finds the name a new image's: it says of no other image that it is to go, too")
    func late() async throws {
        let id = try await make()
        // As another process leaves it that was killed after it took the name and the listing away.
        try await census.removeObject(ImageObject.id(ofName: image))
        try await census.unlist(image, id: id)
        let other = try await make()
        let move = try #require(try await census.pool.moveToTrash(image, unopenedWithID: id))
        #expect(!move.leavesNamesake)
        #expect(try await census.isWhole(image))
        #expect(try await census.pool.imageID(named: image) == other)
        try await removeFromTrash(id)
        try await cluster.execute("rbd", "rm", "rbd/\(image)")
    }

    @Test("A name that leads to another image by now stays that image's")
    func renamed() async throws {
        let id = try await make()
        try await cluster.execute("rbd", "rename", "rbd/\(image)", "rbd/\(image)-before")
        let other = try await make()
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: id) != nil)
        #expect(try await census.isWhole(image))
        #expect(try await census.pool.imageID(named: image) == other)
        #expect(try await census.pool.listedID(of: image) == other)
        #expect(try await census.isWhole("\(image)-before"))
        #expect(try await !census.rawTrash().contains { $0.id == id })
        for each in [image, "\(image)-before"] { try await cluster.execute("rbd", "rm", "rbd/\(each)") }
    }
}
