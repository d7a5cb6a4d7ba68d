import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// Marks go when nothing needs them any more, and not before.
extension StaleMarkTests {
    /// Two volumes, of which the first was cloned under the name by a maker that was killed.
    private func sources() async throws -> (first: Volume, second: Volume) {
        let first = try await bench.create(bench.request(uuid))
        let second = try await bench.create(bench.request(UUID().uuidString.lowercased()))
        try await killMaker(from: source(image))
        #expect(try await hasCloneSnapshot())
        return (first, second)
    }

    private static let unlock = "rbd lock rm $image mine \"$(rbd lock ls --format json $image | jq -r '.[0].locker')\""

    enum Origin: String, Sendable, CaseIterable { case volume, snapshot, snapshotByLibrbd }

    @Test(
        "The snapshot of a volume whose clone was killed goes when the name's next clone is made, of whatever that is",
        arguments: Origin.allCases
    )
    func otherSource(_ origin: Origin) async throws {
        let (first, second) = try await sources()
        let source =
            origin == .volume
            ? ContentSource.volume(second.id.description)
            : .snapshot(try await bench.take("s-\(uuid)", of: second.id).id.description)
        let layout = origin == .snapshotByLibrbd ? self.layout : [:]
        _ = try await bench.create(bench.clone(other, from: source, required: 128 << 20, adding: layout))
        #expect(try await census.isWhole(copy))
        for spec in ["$image", second.id.imageSpec] { #expect(try await !hasCloneSnapshot(spec), "\(spec)") }
        #expect(try await !census.holds("nacre_cloning.\(copy)"))
        try await bench.delete(try handle(copy))
        if case .snapshot(let handle) = source { try await bench.remove(handle) }
        for volume in [first, second] { try await bench.delete(volume.id.description) }
    }

    @Test("Where a snapshot cannot be removed, create and delete do not fail, and what tells of it stays for the next")
    func lockedSource() async throws {
        let (first, second) = try await sources()
        try await shell("rbd lock add $image mine")
        let request = try bench.clone(other, from: .volume(second.id.description))
        for deed in ["create", "create again", "delete", "delete again"] {
            if deed.hasPrefix("create") {
                _ = try await bench.create(request)
                #expect(try await census.isWhole(copy), "\(deed)")
            } else {
                try await bench.delete(try handle(copy))
                #expect(try await census.hasNoTrace(of: copy), "\(deed)")
            }
            #expect(try await hasCloneSnapshot(), "\(deed)")
            #expect(try await census.holds("nacre_cloning.\(copy)"), "\(deed)")
        }
        #expect(try await !hasCloneSnapshot(second.id.imageSpec))
        try await shell(Self.unlock)
        try await bench.delete(try handle(copy))
        #expect(try await !hasCloneSnapshot())
        #expect(try await !census.holds("nacre_cloning.\(copy)"))
        for volume in [first, second] { try await bench.delete(volume.id.description) }
    }

    @Test("A deleted volume is not kept for the clone that was made under the name since, though the mark is there")
    func deletedSource() async throws {
        let (first, second) = try await sources()
        let lab = cluster.lab()
        let id = try #require(try await census.pool.imageID(named: image))
        try await shell("rbd lock add $image mine")
        _ = try await bench.create(bench.clone(other, from: .volume(second.id.description)))
        try await shell(Self.unlock)
        #expect(try await census.holds("nacre_cloning.\(copy)"))
        try await bench.delete(first.id.description)
        try await eventually("it goes to the trash") {
            _ = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
            return try await census.hasNoTrace(of: KeptMark.name(ofImageID: id))
        }
        #expect(try await census.isWhole(copy))
        try await bench.delete(try handle(copy))
        #expect(try await !census.holds("nacre_cloning.\(copy)"))
        try await bench.delete(second.id.description)
    }

    @Test(
        "The mark of a create that was killed at its very end goes with the volume's next create, and with its delete",
        arguments: [true, false]
    )
    func made(isRepeated: Bool) async throws {
        let request = try bench.request(other, adding: layout)
        let volume = try await bench.create(request)
        let id = try await census.pool.imageID(named: copy)
        let mark = MakerNotes("nacre_making.\(copy)")
        try await census.pool.write(mark, "client.\(census.pool.cluster.instanceID)", #"{"time":"1"}"#)
        if isRepeated {
            _ = try await bench.create(request)
            #expect(try await census.pool.imageID(named: copy) == id)
            #expect(try await !census.holds(mark.object))
        }
        try await bench.delete(volume.id.description)
        #expect(try await census.hasNoTrace(of: copy))
        #expect(try await !census.holds(mark.object))
    }

    @Test("What a killed create left is completed, where the image's id fits other makers that the mark names, too")
    func severalMakers() async throws {
        try await killMaker(from: nil)
        let id = try #require(try await census.pool.imageID(named: copy))
        let mark = MakerNotes("nacre_making.\(copy)")
        let there = try #require(try await census.pool.texts(of: mark))
        var others = 0
        for random in 1...8 where random < id.count {
            guard let number = UInt64(id.dropLast(random), radix: 16), ImageObject.isID(id, drawnFor: number),
                there["client.\(number)"] == nil
            else { continue }
            // These began later than the image was made.
            try await census.pool.write(mark, "client.\(number)", #"{"time":"4000000000"}"#)
            others += 1
        }
        #expect(others > 0)
        _ = try await bench.create(bench.request(other, required: 128 << 20, adding: layout))
        #expect(try await census.pool.imageID(named: copy) == id)
        #expect(try await !census.holds(mark.object))
        try await bench.delete(try handle(copy))
    }
}
