import CephVolumes
import Foundation
import RADOS
import RBD
import Secrets
import SystemPackage
import TestSupport
import Testing
import Volumes

/// Two processes that create, repair or delete one image at once: a process that gets success has the volume.
@Suite("Makers at once", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct MakersAtOnceTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
    }

    private func bench() throws -> VolumeBehaviour.Bench {
        VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func handle(_ image: String) throws -> VolumeID {
        try VolumeID(clusterID: cluster.clusterID, pool: "rbd", namespace: "", image: image)
    }

    private func layout(_ sizeBytes: UInt64 = 64 << 20) throws -> PlainLayout {
        var options = ImageOptions()
        options.features = [.layering, .exclusiveLock, .objectMap]
        options.objectSizeBytes = 4 << 20
        return try #require(PlainLayout(sizeBytes: sizeBytes, options: options, defaults: { _ in nil }))
    }

    private static func newID() -> String { String(UInt64.random(in: 1 << 52..<1 << 56), radix: 16) }

    private func expectNothing(of id: String) async throws {
        for object in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id)] {
            #expect(try await !census.holds(object), "\(object)")
        }
    }

    private func delete() async throws {
        try await bench().delete(handle(image).description)
        #expect(try await census.hasNoTrace(of: image))
    }

    @Test("Two services that make one volume at the same moment both have it, and it is the same image for good")
    func two() async throws {
        let (one, other) = (try bench(), try bench())
        for round in 0..<20 {
            let uuid = UUID().uuidString.lowercased()
            let image = "csi-vol-\(uuid)"
            let ids = try await withThrowingTaskGroup { group in
                for (number, bench) in [one, other].enumerated() {
                    group.addTask {
                        // From the same time to the end of the first.
                        try await Task.sleep(for: .microseconds(number * round * 500))
                        _ = try await bench.create(bench.request(uuid))
                        return try await census.pool.imageID(named: image)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(ids).count == 1 && ids[0] != nil, "round \(round): \(ids)")
            #expect(try await census.isWhole(image), "round \(round)")
            #expect(try await census.pool.imageID(named: image) == ids[0])
            try await one.delete(handle(image).description)
        }
    }

    @Test("To mend what is whole changes nothing")
    func whole() async throws {
        let maker = try bench()
        _ = try await maker.create(maker.request(uuid))
        let id = try await census.pool.imageID(named: image)
        try await cluster.lab().store.mendImage(handle(image), credentials: cluster.provisioner)
        #expect(try await census.isWhole(image))
        #expect(try await census.pool.imageID(named: image) == id)
        try await delete()
    }

    @Test("Several that mend a name without header, one after the other, end with one volume", arguments: [0, 60, 200])
    func menders(_ apart: Int) async throws {
        let maker = try bench()
        _ = try await maker.create(maker.request(uuid))
        let dead = try #require(try await census.pool.imageID(named: image))
        try await HalfMade.idWithObjectMap.make(of: image, id: dead, in: census)
        let ids = try await withThrowingTaskGroup { group in
            for number in 0..<3 {
                let (bench, uuid, image, census) = (try bench(), uuid, image, census)
                group.addTask {
                    try await Task.sleep(for: .milliseconds(number * apart))
                    _ = try await bench.create(bench.request(uuid))
                    return try await census.pool.imageID(named: image)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(ids).count == 1 && ids[0] != dead, "\(ids), \(dead)")
        #expect(try await census.isWhole(image))
        try await expectNothing(of: dead)
        try await delete()
    }

    @Test("A maker that stands still behind the name fails when another has made the volume since, and leaves nothing")
    func overtaken() async throws {
        let (id, layout) = (Self.newID(), try layout())
        let maker = try bench()
        await #expect {
            try await census.pool.makeImage(image, id: id, layout: layout, metadata: [:]) {
                _ = try? await maker.create(maker.request(uuid))
            }
        } throws: {
            ($0 as? RBDError)?.code == .fileExists
        }
        #expect(try await census.isWhole(image))
        let present = try #require(try await census.pool.imageID(named: image))
        #expect(present != id)
        #expect(try await census.pool.listedID(of: image) == present)
        try await expectNothing(of: id)
        try await delete()
    }

    @Test(
        "A maker fails whose name was taken away, or its header's place",
        arguments: [true, false]
    )
    func fenced(_ isThroughMending: Bool) async throws {
        let (id, layout) = (Self.newID(), try layout())
        await #expect {
            try await census.pool.makeImage(image, id: id, layout: layout, metadata: [:]) {
                if isThroughMending {
                    #expect((try? await census.pool.removeHeaderless(image, id: id)) == true)
                } else {
                    // The repairing process was killed right after its start.
                    try? await census.pool.execute(on: ImageObject.header(ofID: id), isNew: true)
                }
            }
        } throws: {
            ($0 as? RBDError)?.code == .fileExists
        }
        #expect(try await census.hasNoTrace(of: image))
        guard !isThroughMending else { return try await expectNothing(of: id) }
        try await census.removeObject(ImageObject.header(ofID: id))
    }

    @Test("Where a mend was killed right after it had begun, the next one brings it to its end")
    func tombstone() async throws {
        let maker = try bench()
        _ = try await maker.create(maker.request(uuid))
        let dead = try #require(try await census.pool.imageID(named: image))
        try await HalfMade.idAndListingWithObjectMap.make(of: image, id: dead, in: census)
        try await census.pool.execute(on: ImageObject.header(ofID: dead), isNew: true)
        _ = try await maker.create(maker.request(uuid))
        #expect(try await census.isWhole(image))
        try await expectNothing(of: dead)
        try await delete()
    }

    @Test("An image that is listed only after it was deleted is taken out of the directory, and stays in the trash")
    func deletedMeanwhile() async throws {
        let (id, layout) = (Self.newID(), try layout())
        let pool = census.pool
        try await pool.makeImage("\(image)-a", id: id, layout: layout, metadata: [:])
        // Listed late, as by a creator that was stopped: the deleting process has seen it unlisted.
        try await pool.unlistImage("\(image)-a", id: id)
        #expect(try await pool.moveToTrash("\(image)-a", unopenedWithID: id) != nil)
        try await pool.listImage("\(image)-a", id: id)
        try await pool.removeUnreachable(id, wasNamed: "\(image)-a")
        #expect(try await pool.listedID(of: "\(image)-a") == nil)
        #expect(try await census.rawTrash().contains { $0.id == id })
        #expect(try await census.holds(ImageObject.header(ofID: id)))
        try await cluster.execute("rbd", "trash", "rm", "rbd/\(id)")
    }

    @Test("An id that was renamed, or is in the trash, is not unreachable")
    func reachable() async throws {
        let (id, layout) = (Self.newID(), try layout())
        let pool = census.pool
        try await pool.makeImage(image, id: id, layout: layout, metadata: [:])
        try await cluster.execute("rbd", "rename", "rbd/\(image)", "rbd/\(image)-renamed")
        try await pool.removeUnreachable(id, wasNamed: image)
        #expect(try await census.isWhole("\(image)-renamed"))
        try await cluster.execute("rbd", "rm", "--no-progress", "rbd/\(image)-renamed")
    }

    @Test("What a name is listed with that leads nowhere goes to the trash, where it can be restored")
    func listedImage() async throws {
        let id = Self.newID()
        let pool = census.pool
        try await pool.makeImage(image, id: id, layout: layout(), metadata: [ImageMetadataKey.requestName: image])
        try await census.removeObject(ImageObject.id(ofName: image))
        try await cluster.lab().store.mendImage(handle(image), credentials: cluster.provisioner)
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await pool.trashRecord(ofID: id)?.state == .normal)
        try await cluster.execute("sh", "-ec", "rbd trash restore rbd/\(id); rbd rm --no-progress rbd/\(image)")
    }

    @Test("A volume's image that was renamed to be kept is not deleted with the volume")
    func renamed() async throws {
        let maker = try bench()
        _ = try await maker.create(maker.request(uuid))
        let id = try #require(try await census.pool.imageID(named: image))
        try await cluster.execute("rbd", "rename", "rbd/\(image)", "rbd/kept-\(uuid)")
        try await maker.delete(handle(image).description)
        // As a process that checked before the image was renamed.
        #expect(try await census.pool.moveToTrash(image, unopenedWithID: id) != nil)
        #expect(try await census.isWhole("kept-\(uuid)"))
        #expect(try await census.pool.trashRecord(ofID: id) == nil)
        try await cluster.execute("rbd", "rm", "--no-progress", "rbd/kept-\(uuid)")
    }

    @Test("A name that is listed with a lost image's id is listed with the new one's, and goes with it")
    func staleListing() async throws {
        let maker = try bench()
        let stale = Self.newID()
        try await census.pool.listImage(image, id: stale)
        _ = try await maker.create(maker.request(uuid))
        _ = try await maker.create(maker.request(uuid))
        let id = try #require(try await census.pool.imageID(named: image))
        #expect(try await census.pool.listedID(of: image) == id)
        try await delete()
    }

    @Test("What has a header is not taken back when it cannot be listed, and is mended when it can")
    func headerStays() async throws {
        let (id, layout) = (Self.newID(), try layout())
        let pool = census.pool
        // The id belongs to another name, so it cannot be listed.
        try await pool.listImage("\(image)-other", id: id)
        await #expect {
            try await pool.makeImage(image, id: id, layout: layout, metadata: [ImageMetadataKey.requestName: image])
        } throws: {
            ($0 as? RBDError)?.code == .badFileDescriptor
        }
        #expect(try await pool.imageID(named: image) == id)
        #expect(try await pool.imageHeader(id: id) != nil)
        try await pool.unlistImage("\(image)-other", id: id)
        try await cluster.lab().store.mendImage(handle(image), credentials: cluster.provisioner)
        #expect(try await census.isWhole(image))
        try await delete()
    }
}
