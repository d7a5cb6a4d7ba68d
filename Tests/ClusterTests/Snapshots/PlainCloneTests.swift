import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// A clone without librbd is the same as librbd's, or there is none.
@Suite("Clones made without librbd", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct PlainCloneTests {
    let bench: SnapshotBench
    var pool: IOContext { bench.census.pool }
    var clone: String { "\(bench.name)-clone" }

    init() throws { bench = try SnapshotBench() }

    /// Makes an image of 8 MiB with a snapshot `one`, after which it has other content.
    private func makeParent(_ words: String = "") async throws -> CloneableSnapshot {
        try await bench.shell("rbd create --size 8M \(words) $image; rbd image-meta set $image whose parent")
        try await bench.write(["P:0:4096", "P:5242880:4096"])
        try await bench.withImage { try $0.createSnapshot("one") }
        try await bench.write(["Q:0:4096"])
        return try #require(try await pool.cloneableSnapshot("one", ofImageID: try await bench.id()))
    }

    private func make(
        _ source: CloneableSnapshot,
        in context: IOContext? = nil,
        sizeBytes: UInt64? = nil,
        _ options: ImageOptions = ImageOptions(),
        named: () async -> Void = {}
    ) async throws -> String? {
        try await (context ?? pool).createPlainClone(
            of: source,
            clone,
            sizeBytes: sizeBytes,
            options: options,
            metadata: ["own": "é"],
            named: named
        )
    }

    /// Removes the parent, whose snapshots no clone needs any more, and its objects are all gone.
    private func removeParent() async throws {
        #expect(try await bench.snapshots().allSatisfy { $0.cloneCount == 0 && $0.kind == .user })
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    /// Whether nothing is left of a clone.
    private func isGone(_ id: String, in census: PoolCensus? = nil) async throws -> Bool {
        let there = census ?? bench.census
        for object in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id), ImageObject.id(ofName: clone)] {
            guard try await !there.holds(object) else { return false }
        }
        return try await there.hasNoTrace(of: clone)
    }

    @Test("It has the snapshot's content, its parent and its own metadata; the parent knows it; `rbd` removes it")
    func made() async throws {
        let source = try await makeParent()
        let id = try #require(try await make(source))
        let info = try await bench.json("rbd info $image-clone", as: ImageCloneTests.Info.self)
        #expect(info.op_features == ["clone-child"] && info.parent?.id == source.imageID && info.size == 8 << 20)
        #expect(info.parent?.snapshot == "one" && info.parent?.overlap == 8 << 20)
        #expect(try await pool.metadata(ofImageID: id) == ["own": "é"])
        #expect(try await bench.shell("rbd children $image@one").contains("rbd/\(clone)"))
        #expect(try await bench.snapshots().map(\.cloneCount) == [1])
        #expect(try await bench.checksum(clone) == bench.checksum("\(bench.name)@one"))
        #expect(try await bench.census.isWhole(clone))

        // Writes to it, a deleted snapshot, and the end of both.
        try await bench.write(["C:100:100"], to: clone)
        let content = try await bench.checksum(clone)
        try await bench.withImage { try $0.removeSnapshot("one") }
        #expect(try await bench.snapshots().map(\.kind) == [.trash])
        try await bench.shell("rbd object-map check --no-progress $image-clone; rbd flatten --no-progress $image-clone")
        #expect(try await bench.checksum(clone) == content)
        #expect(try await bench.snapshots().isEmpty)
        try await bench.shell("rbd rm --no-progress $image-clone")
        #expect(try await isGone(id))
        try await removeParent()
    }

    @Test("It is larger than the snapshot at once where that is wanted, and reads as zeroes there; never smaller")
    func larger() async throws {
        let source = try await makeParent()
        #expect(try await make(source, sizeBytes: 4 << 20) == nil)
        let id = try #require(try await make(source, sizeBytes: 13 << 20))
        let info = try await bench.json("rbd info $image-clone", as: ImageCloneTests.Info.self)
        #expect(info.size == 13 << 20 && info.parent?.overlap == 8 << 20)
        let expected = try await bench.shell(
            "{ rbd export --no-progress $image@one - 2> /dev/null; head -c 5242880 /dev/zero; } | sha256sum | cut -c 1-64"
        )
        #expect(try await bench.checksum(clone) == expected)
        try await bench.write(["C:12582912:4096"], to: clone)
        try await bench.shell("rbd object-map check --no-progress $image-clone; rbd rm --no-progress $image-clone")
        #expect(try await isGone(id))
        try await removeParent()
    }

    @Test("It lies in another pool and namespace, and is a clone of a clone")
    func elsewhere() async throws {
        let source = try await makeParent()
        let namespace = "clone-\(UUID().uuidString.prefix(8).lowercased())"
        let there = try pool.cluster.ioContext(pool: "replicapool", namespace: namespace)
        #expect(try await make(source, in: there) == nil)
        #expect(try await there.imageID(named: clone) == nil)
        try await bench.shell("rbd namespace create replicapool/\(namespace)")
        let id = try #require(try await make(source, in: there))
        let spec = "replicapool/\(namespace)/\(clone)"
        #expect(try await bench.shell("rbd children $image@one").contains(spec))
        try await bench.shell("rbd snap create --no-progress \(spec)@two")
        let next = try #require(try await there.cloneableSnapshot("two", ofImageID: id))
        let second = try #require(
            try await pool.createPlainClone(
                of: next,
                "\(clone)-2",
                options: ImageOptions(),
                metadata: [:]
            )
        )
        #expect(try await bench.checksum("\(clone)-2") == bench.checksum("\(bench.name)@one"))
        try await bench.shell(
            """
            rbd rm --no-progress $image-clone-2; rbd snap purge --no-progress \(spec); rbd rm --no-progress \(spec)
            rbd namespace rm replicapool/\(namespace)
            """
        )
        #expect(try await !bench.census.holds(ImageObject.header(ofID: second)))
        try await removeParent()
    }

    @Test("What librbd must make, or refuse, is left to it, and nothing is left behind")
    func notPlain() async throws {
        let source = try await makeParent()
        var layouts = [ImageOptions](repeating: ImageOptions(), count: 4)
        layouts[0].features = [.exclusiveLock]
        layouts[1].features = [.layering, .exclusiveLock, .journaling]
        (layouts[2].stripeUnitBytes, layouts[2].stripeCount) = (65536, 4)
        layouts[3].dataPool = "replicapool"
        for layout in layouts { #expect(try await make(source, layout) == nil, "\(layout)") }
        // A pool that librbd has not prepared.
        let bare = "clone-\(UUID().uuidString.prefix(8).lowercased())"
        try await bench.shell("ceph osd pool create \(bare) 1")
        let there = try PoolCensus(bench.cluster, pool: bare)
        #expect(try await make(source, in: there.pool) == nil)
        #expect(try await there.hasNoTrace(of: clone))
        try await bench.shell("ceph osd pool rm \(bare) \(bare) --yes-i-really-really-mean-it")
        #expect(try await bench.census.hasNoTrace(of: clone))
        #expect(try await pool.cloneableSnapshot("none", ofImageID: source.imageID) == nil)
        #expect(try await pool.cloneableSnapshot("one", ofImageID: "0123456789abcd") == nil)
        try await removeParent()
    }

    @Test("Parents with stripes or without layering are left to librbd")
    func oddParents() async throws {
        for words in ["--stripe-unit 65536 --stripe-count 4", "--image-feature exclusive-lock"] {
            let source = try await makeParent(words)
            #expect(try await make(source) == nil)
            #expect(try await bench.census.hasNoTrace(of: clone))
            try await removeParent()
        }
    }

    @Test("A name that is taken is refused; a snapshot that was deleted meanwhile, too; neither leaves anything")
    func refused() async throws {
        let source = try await makeParent()
        try await bench.shell("rbd create --size 4M $image-clone")
        let taken = try await bench.id(clone)
        #expect(await bench.code { _ = try await make(source) } == .fileExists)
        #expect(try await bench.id(clone) == taken)
        #expect(try await bench.snapshots().map(\.cloneCount) == [0])
        try await bench.shell("rbd rm --no-progress $image-clone; rbd snap rm --no-progress $image@one")
        #expect(await bench.code { _ = try await make(source) } == .noSuchFileOrDirectory)
        #expect(try await bench.census.hasNoTrace(of: clone))
        try await removeParent()
    }

    @Test("One that is taken for half-made while it is made leaves nothing, on the parent neither")
    func removedMeanwhile() async throws {
        let source = try await makeParent()
        let (pool, clone) = (pool, clone)
        var seen: String?
        let code = await bench.code {
            _ = try await make(source) {
                seen = try? await pool.imageID(named: clone)
                if let seen { _ = try? await pool.removeHeaderless(clone, id: seen) }
            }
        }
        #expect(code == .fileExists)
        let id = try #require(seen)
        #expect(try await isGone(id))
        try await removeParent()
    }

    @Test("What a kill leaves without a header goes as a whole, also from the parent; with it a deleted snapshot")
    func killed() async throws {
        let source = try await makeParent()
        for isDeleted in [false, true] {
            let id = try #require(try await make(source))
            try await bench.census.removeObject(ImageObject.header(ofID: id))
            #expect(try await bench.snapshots().map(\.cloneCount) == [1])
            if isDeleted { try await bench.withImage { try $0.removeSnapshot("one") } }
            #expect(try await pool.removeHeaderless(clone, id: id))
            #expect(try await isGone(id))
            let left = try await bench.snapshots()
            #expect(isDeleted ? left.isEmpty : left.map(\.cloneCount) == [0])
        }
        try await removeParent()
    }

    @Test("What lists a clone that was never made goes from a deleted snapshot, and the maker that comes late fails")
    func unmade() async throws {
        let source = try await makeParent()
        let alive = try #require(try await make(source))
        let id = String(UInt64.random(in: 1 << 52..<1 << 56), radix: 16)
        let note = ClonePlaceNote(
            cloneID: id,
            poolID: pool.poolID,
            namespace: "",
            imageID: source.imageID,
            snapshotID: source.snapshot.id
        )
        try await pool.tellParent("child_attach", in: pool, note)
        // While the snapshot is there, its maker may be at work.
        try await pool.forgetUnmadeClones(ofImageID: source.imageID)
        #expect(try await bench.snapshots().map(\.cloneCount) == [2])
        try await bench.withImage { try $0.removeSnapshot("one") }
        try await pool.forgetUnmadeClones(ofImageID: source.imageID)
        #expect(try await bench.snapshots().map(\.cloneCount) == [1])
        let late = await bench.code { () async throws(RADOSError) in
            try await pool.execute(on: ImageObject.header(ofID: id), isNew: true)
        }
        #expect(late != nil)
        // Again, it changes nothing; the clone that was made keeps the snapshot until it goes.
        try await pool.forgetUnmadeClones(ofImageID: source.imageID)
        #expect(try await bench.snapshots().map(\.cloneCount) == [1])
        try await bench.shell("rbd rm --no-progress $image-clone")
        #expect(try await isGone(alive))
        try await bench.census.removeObject(ImageObject.header(ofID: id))
        try await removeParent()
    }

    @Test("Many at once of one snapshot are all whole, and all known to the parent")
    func many() async throws {
        let source = try await makeParent()
        let (pool, name) = (pool, bench.name)
        let ids = try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 0..<24 {
                group.addTask {
                    try await pool.createPlainClone(
                        of: source,
                        "\(name)-\(number)",
                        options: ImageOptions(),
                        metadata: [:]
                    )
                }
            }
            return try await group.reduce(into: [String]()) { ids, id in if let id { ids.append(id) } }
        }
        #expect(Set(ids).count == 24)
        #expect(try await bench.snapshots().map(\.cloneCount) == [24])
        let shown = try await bench.shell("rbd children $image@one").split(separator: "\n")
        #expect(Set(shown) == Set((0..<24).map { "rbd/\(name)-\($0)"[...] }))
        try await bench.shell("for n in $(seq 0 23); do rbd rm --no-progress $image-$n; done")
        try await removeParent()
    }

    @Test("It takes no commit of the monitors, and less time than librbd's")
    func cost() async throws {
        let source = try await makeParent()
        let (name, clock) = (bench.name, ContinuousClock())
        var (ours, theirs): ([Duration], [Duration]) = ([], [])
        let before = try await epoch()
        // By turns, so that what else the machine does befalls both.
        for number in 0..<20 {
            ours.append(
                try await clock.measure {
                    let id = try await pool.createPlainClone(
                        of: source,
                        "\(name)-\(number)",
                        options: ImageOptions(),
                        metadata: [:]
                    )
                    #expect(id != nil)
                }
            )
            theirs.append(
                try await clock.measure {
                    try await bench.census.blocking { pool in
                        let clone = "\(name)-\(number + 20)"
                        try pool.cloneImage("one", of: name, in: pool, to: clone, options: ImageOptions())
                    }
                }
            )
        }
        // Other tests make pools and snapshots meanwhile, so this is told, not required.
        let epochs = try await epoch() - before
        let middle = (ours: ours.sorted()[10], theirs: theirs.sorted()[10])
        #expect(middle.ours < middle.theirs, "by class calls \(ours), by librbd \(theirs); \(epochs) epochs meanwhile")
        try await bench.shell("for n in $(seq 0 39); do rbd rm --no-progress $image-$n; done")
        try await removeParent()
    }

    private func epoch() async throws -> Int {
        struct Map: Decodable { let epoch: Int }
        let text = try await bench.shell("ceph osd dump --format json 2> /dev/null")
        return try JSONDecoder().decode(Map.self, from: Data(text.utf8)).epoch
    }
}
