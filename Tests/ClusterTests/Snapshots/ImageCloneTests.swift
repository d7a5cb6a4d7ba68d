import Foundation
import RADOS
import RBD
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Clones of format 2 and their parents, beside what `rbd info` and `rbd children` say of them.
@Suite("Clones of a snapshot", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ImageCloneTests {
    let bench: SnapshotBench

    init() throws { bench = try SnapshotBench() }

    /// What `rbd info --format json` says of an image.
    struct Info: Decodable {
        struct Parent: Decodable {
            let pool: String
            let pool_namespace: String
            let image: String
            let id: String
            let snapshot: String
            let trash: Bool
            let overlap: UInt64
        }

        let size: UInt64
        let object_size: UInt64
        let features: [String]
        let op_features: [String]
        let parent: Parent?
    }

    /// Makes an image of 4 MiB in 64 objects, all written to, with a snapshot `one`, after which it has other content.
    private func makeParent() async throws {
        try await bench.shell("rbd create --size 4M --object-size 64K $image")
        try await bench.write(["P:0:4194304"])
        try await bench.withImage { try $0.createSnapshot("one") }
        try await bench.write(["Q:0:1048576"])
    }

    private func clone(
        _ snapshot: String = "one",
        to name: String,
        in pool: String = "rbd",
        namespace: String = "",
        _ options: ImageOptions = ImageOptions()
    ) async throws {
        let parent = bench.name
        let context = try bench.census.pool.cluster.ioContext(pool: pool, namespace: namespace)
        try await bench.census.blocking { (source) throws(RBDError) in
            try context.cloneImage(snapshot, of: parent, in: source, to: name, options: options)
        }
    }

    private func removeAll(_ clones: [String]) async throws {
        for clone in clones { try await bench.shell("rbd rm --no-progress '\(clone)'") }
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    private func expectSameParent(_ ours: ParentImage?, _ theirs: Info.Parent?) {
        #expect(ours?.pool == theirs?.pool && ours?.namespace == theirs?.pool_namespace)
        #expect(ours?.name == theirs?.image && ours?.id == theirs?.id)
        #expect(ours?.snapshot == theirs?.snapshot && ours?.isInTrash == theirs?.trash)
    }

    @Test("It has the snapshot's content and size, is of format 2, and needs no protection; its parent is who it says")
    func made() async throws {
        try await makeParent()
        let name = bench.name
        try await clone(to: "\(name)-clone")
        let info = try await bench.json("rbd info $image-clone", as: Info.self)
        let original = try await bench.json("rbd info $image", as: Info.self)
        #expect(info.size == 4 << 20 && info.object_size == 65536)
        #expect(info.op_features.contains("clone-child") && original.op_features.contains("clone-parent"))
        #expect(info.features == original.features && info.parent?.overlap == 4 << 20)
        #expect(try await bench.checksum("\(name)-clone") == bench.checksum("\(name)@one"))
        let parent = try await bench.withImage("\(name)-clone", .readOnly) { try $0.parent() }
        expectSameParent(parent, info.parent)
        let snapshot = try #require(try await bench.snapshots().first)
        #expect(parent?.snapshotID == snapshot.id && parent?.isSnapshotInTrash == false && snapshot.cloneCount == 1)
        #expect(try await bench.shell("rbd children $image@one").contains("rbd/\(name)-clone"))
        #expect(try await bench.withImage(.readOnly) { try $0.parent() } == nil)

        // A snapshot that was deleted is still its parent.
        try await bench.withImage { try $0.removeSnapshot("one") }
        let kept = try await bench.withImage("\(name)-clone", .readOnly) { try $0.parent() }
        #expect(kept?.snapshotID == snapshot.id && kept?.isSnapshotInTrash == true && kept?.id == parent?.id)
        try await removeAll(["rbd/\(name)-clone"])
    }

    @Test("It lies in another pool or namespace as well, and has the layout that is wanted")
    func elsewhere() async throws {
        try await makeParent()
        let name = bench.name
        let namespace = "clone-\(UUID().uuidString.prefix(8).lowercased())"
        try await bench.shell("rbd namespace create replicapool/\(namespace)")
        var options = ImageOptions()
        options.features = [.layering, .exclusiveLock]
        options.objectSizeBytes = 1 << 20
        try await clone(to: name, in: "replicapool", namespace: namespace, options)
        let spec = "replicapool/\(namespace)/\(name)"
        let info = try await bench.json("rbd info \(spec)", as: Info.self)
        #expect(info.object_size == 1 << 20 && Set(info.features).isSuperset(of: ["layering", "exclusive-lock"]))
        #expect(!info.features.contains("object-map") && !info.features.contains("striping"))
        // Smaller objects than the parent's, too.
        options.objectSizeBytes = 1 << 14
        try await clone(to: "\(name)-small", options)
        let small = try await bench.json("rbd info $image-small", as: Info.self)
        #expect(small.object_size == 1 << 14 && !small.features.contains("striping"))
        #expect(try await bench.checksum("\(name)-small") == bench.checksum("\(name)@one"))
        #expect(info.parent?.pool == "rbd" && info.parent?.pool_namespace == "")
        let context = try bench.census.pool.cluster.ioContext(pool: "replicapool", namespace: namespace)
        let parent = try await bench.census.blocking { _ in
            try Image.open(name, in: context, access: .readOnly).parent()
        }
        expectSameParent(parent, info.parent)
        try await removeAll([spec, "rbd/\(name)-small"])
        try await bench.shell("rbd namespace rm replicapool/\(namespace)")
    }

    @Test("What cannot be cloned has the error that says so, and leaves nothing")
    func errors() async throws {
        try await makeParent()
        let name = bench.name
        try await bench.shell("rbd create --size 4M $image-taken")
        #expect(await bench.code { try await clone(to: "\(name)-taken") } == .fileExists)
        #expect(await bench.code { try await clone("two", to: "\(name)-new") } == .noSuchFileOrDirectory)
        var bare = ImageOptions()
        bare.features = [.exclusiveLock]
        #expect(await bench.code { try await clone(to: "\(name)-new", bare) } == .noFunction)
        #expect(try await bench.census.hasNoTrace(of: "\(name)-new"))
        #expect(try await bench.snapshots().map(\.cloneCount) == [0])
        try await removeAll(["rbd/\(name)-taken"])
    }

    @Test("A flatten that is stopped leaves a clone that reads the same; the next one ends it, and the parent is free")
    func flattened() async throws {
        try await makeParent()
        let clone = "\(bench.name)-clone"
        try await self.clone(to: clone)
        try await bench.write(["C:65536:100"], to: clone)
        let before = try await bench.checksum(clone)
        let seen = Steps()
        let stopped = await bench.code {
            try await bench.withImage(clone) { image in
                try image.flatten { done, total in seen.take(done, total) < 3 }
            }
        }
        #expect(stopped == .canceled)
        #expect(seen.total == 64 && seen.count < 30, "\(seen.count) of \(seen.total)")
        let prefix = "rbd_data.\(try await bench.id(clone))"
        let half = try await bench.shell("rados -p $pool ls | grep -c '^\(prefix)' || true")
        let copied = Int(half.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
        #expect((1..<64).contains(copied), "\(half)")
        #expect(try await bench.withImage(clone, .readOnly) { try $0.parent() } != nil)
        #expect(try await bench.checksum(clone) == before)

        let end = Steps()
        try await bench.withImage(clone) { image in
            try image.flatten { done, total in
                _ = end.take(done, total)
                return true
            }
        }
        #expect(end.count > 0 && end.total == 64)
        #expect(try await bench.withImage(clone, .readOnly) { try $0.parent() } == nil)
        #expect(try await bench.checksum(clone) == before)
        #expect(try await bench.snapshots().map(\.cloneCount) == [0])
        #expect(try await bench.shell("rbd children --all $image").isEmpty)
        let again = await bench.code { try await bench.withImage(clone) { try $0.flatten { _, _ in true } } }
        #expect(again == .invalidArgument)
        try await removeAll(["rbd/\(clone)"])
    }

    /// What a flatten tells of itself.
    final class Steps: Sendable {
        private let seen = Mutex<(count: Int, total: UInt64)>((0, 0))
        var count: Int { seen.withLock { $0.count } }
        var total: UInt64 { seen.withLock { $0.total } }

        func take(_ done: UInt64, _ total: UInt64) -> Int {
            seen.withLock {
                $0 = ($0.count + 1, total)
                return $0.count
            }
        }
    }
}
