import Foundation
import RADOS
import RBD
import TestSupport
import Testing

/// What class calls make and move, beside what the release's own `rbd` makes and moves: equal to the byte.
///
/// And all that is done with them has the same answers. `tools/test cluster --release` runs it on each release.
@Suite("Twins of the release's own", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ReleaseTwinTests {
    let cluster: MicroCluster
    /// Whoever makes what a test looks at has a pool of its own, so nothing else is in it.
    let pools = ["ours", "theirs"].map { "twin-\($0)-\(UInt32.random(in: 0...UInt32.max))" }
    let begin = Int(Date().timeIntervalSince1970)

    init() throws { cluster = try #require(MicroCluster.current) }

    /// Runs shell words with the release's own programs; `$pool` and `$image` are the pool and the image in it.
    @discardableResult
    private func release(_ script: String, in pool: String) async throws -> String {
        let words = "export LC_ALL=C.UTF-8; pool=\(pool) image=\(pool)/one\n\(script)"
        return try await cluster.execute("sh", "-ec", words, ofItsRelease: true, within: .seconds(900))
    }

    /// Lends the two pools, ours first.
    private func withPools(_ body: (PoolCensus) async throws -> Void) async throws {
        for pool in pools { try await release("ceph osd pool create $pool 1; rbd pool init $pool", in: pool) }
        try await body(try PoolCensus(cluster, pool: pools[0]))
        for pool in pools {
            try await release("ceph osd pool rm $pool $pool --yes-i-really-really-mean-it", in: pool)
        }
    }

    /// All that both pools hold, a line each: `tools/lib/test/pool-dump`; without what Nacre alone writes beside a name.
    private func dumps() async throws -> [[Substring]] {
        let tool = MicroCluster.testTool("pool-dump")
        return try await both { try await release("/usr/bin/python3 -B \(tool) $pool \(begin)", in: $0) }
            .map { lines in lines.filter { line in !Self.besides.contains { line.contains("xattr \($0)") } } }
    }

    private func both(_ body: @Sendable (String) async throws -> String) async throws -> [[Substring]] {
        async let ours = body(pools[0])
        async let theirs = body(pools[1])
        return try await [ours.split(separator: "\n"), theirs.split(separator: "\n")]
    }

    /// Says what only one of them has.
    private func expectEqual(_ twins: [[Substring]], _ location: SourceLocation = #_sourceLocation) {
        let difference = twins[0].difference(from: twins[1])
        #expect(
            difference.isEmpty,
            "only ours: \(difference.insertions); only theirs: \(difference.removals)",
            sourceLocation: location
        )
    }

    private func make(
        _ features: [String],
        objectSize: Int? = nil,
        metadata: [String: String] = [:],
        in census: PoolCensus
    ) async throws {
        var options = ImageOptions()
        options.objectSizeBytes = objectSize.map(UInt64.init)
        options.features = ImageFeatures(
            ImageFeatures.named.filter { features.contains($0.name) }.map(\.feature)
        )
        // Not a whole number of objects.
        let size: UInt64 = 33 << 20 + 4096
        let id = try await census.pool.createPlainImage("one", sizeBytes: size, options: options, metadata: metadata)
        try #require(id?.count == 14, "not made by class calls")
        let object = objectSize.map { "--object-size \($0)" } ?? ""
        let script = "rbd create --size \(size)B --image-feature \(features.joined(separator: ",")) \(object) $image"
        try await release(script, in: pools[1])
    }

    /// That an image never had a data pool, for the day on which its header is lost.
    private static let beside = "nacre.no-data-pool"
    /// And what a clone was made of, for the day on which its maker is killed.
    private static let besides = [beside, "nacre.clone-of"]

    static let features = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"]

    @Test(
        "Each object, xattr and omap key of a new image is the one that the release's `rbd create` writes",
        arguments: [(1, 1 << 20), (2, nil), (3, 1 << 23), (4, 1 << 16), (5, nil)]
    )
    func created(_ count: Int, _ objectSize: Int?) async throws {
        try await withPools { census in
            try await make(Array(Self.features.prefix(count)), objectSize: objectSize, in: census)
            let twins = try await dumps()
            expectEqual(twins)
            let parts = [
                "rbd_directory omap name_one", "rbd_id.one bytes", "omap create_timestamp b'<now>'", "omap size",
            ]
            let id = try #require(try await census.pool.imageID(named: "one"))
            #expect(try await census.pool.holds(ObjectAttribute(Self.beside, id), on: "rbd_id.one"))
            for part in parts { #expect(twins[0].contains { $0.contains(part) }, "\(twins[0])") }
        }
    }

    @Test("What an image is made with of metadata is what the release's `rbd image-meta` leaves, and reads")
    func metadata() async throws {
        try await withPools { census in
            let metadata = [
                "csi.storage.k8s.io/pv/name": "pvc-ü", "long": String(repeating: "x", count: 4000),
            ]
            try await make(Self.features, metadata: metadata, in: census)
            for (key, value) in metadata {
                try await release("rbd image-meta set $image \(key) '\(value)'", in: pools[1])
            }
            let list = try await both { try await release("rbd image-meta list --format json $image", in: $0) }
            #expect(list[0] == list[1] && list[0].contains { $0.contains("pvc-ü") })
            // To set it, librbd took the image's lock, and an empty list of its holders stays.
            expectEqual(try await dumps().map { lines in lines.filter { !$0.contains("xattr lock.rbd_lock") } })
        }
    }

    @Test(
        "All that the release's `rbd` does with an image ends and answers as with one of its own, and leaves nothing",
        arguments: [["layering"], features]
    )
    func life(_ features: [String]) async throws {
        try await withPools { census in
            try await make(features, in: census)
            let life = MicroCluster.testTool("image-life")
            let lives = try await both { try await release("\(life) $pool one", in: $0) }
            expectEqual(lives)
            for verb in ["snap create", "clone", "flatten", "resize", "mirror image enable", "trash restore"] {
                #expect(lives[0].contains { $0.hasPrefix("$ rbd \(verb) ") && $0.hasSuffix(": 0") }, "\(verb)")
            }
            let twins = try await dumps()
            expectEqual(twins)
            #expect(!twins[0].contains { $0.contains("rbd_header.") || $0.contains("rbd_data.") })
        }
    }

    @Test(
        "A move to the trash leaves what the release's `rbd trash mv` leaves, and its `rbd` restores and removes it",
        arguments: [0, 3600]
    )
    func trashed(_ retention: Int) async throws {
        try await withPools { census in
            try await make(Self.features, in: census)
            // So that both have been open once.
            for pool in pools { try await release("rbd image-meta set $image opened once", in: pool) }
            let id = try #require(try await census.pool.imageID(named: "one"))
            try #require(
                try await census.pool.moveToTrash("one", unopenedWithID: id, keptFor: .seconds(retention)) != nil,
                "not moved by class calls"
            )
            let until = retention > 0 ? "--expires-at \"$(date -u -d '\(retention) seconds' '+%F %T')\"" : ""
            try await release("export TZ=UTC; rbd trash mv \(until) $image", in: pools[1])
            let twins = try await dumps()
            expectEqual(twins)
            let times = "one<now><for \(retention / 600) x"
            #expect(twins[0].contains { $0.contains("rbd_trash omap id_") && $0.contains(times) }, "\(twins[0])")
            let after = """
                plain() { sed -E "s/^$id /ID /; s/[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [0-9]{4}/TIME/g; s/ +/ /g"; }
                id=$(rbd trash ls $pool | cut -d ' ' -f 1)
                rbd trash ls -l $pool | plain
                rbd trash restore $pool/$id
                rbd info $image | grep -e size -e features -e flags
                rbd object-map check --no-progress $image
                rbd trash mv $image
                rbd trash rm --no-progress $pool/$id
                rbd ls $pool; rbd trash ls $pool
                """
            let lives = try await both { try await release(after, in: $0) }
            expectEqual(lives)
            expectEqual(try await dumps())
        }
    }

    /// Clones `one@base` as `two` in both pools: here by class calls, there by the release's `rbd clone`.
    private func clone(
        _ features: [String],
        objectSize: Int?,
        sizeBytes: UInt64?,
        in census: PoolCensus
    ) async throws {
        let base = "rbd create --size 8M --image-feature \(Self.features.joined(separator: ",")) $image"
        for pool in pools { try await release("\(base); rbd snap create --no-progress $image@base", in: pool) }
        var options = ImageOptions()
        options.objectSizeBytes = objectSize.map(UInt64.init)
        options.features = ImageFeatures(ImageFeatures.named.filter { features.contains($0.name) }.map(\.feature))
        let parent = try #require(try await census.pool.imageID(named: "one"))
        let source = try #require(try await census.pool.cloneableSnapshot("base", ofImageID: parent))
        let id = try await census.pool.createPlainClone(
            of: source,
            "two",
            sizeBytes: sizeBytes,
            options: options,
            metadata: [:]
        )
        try #require(id?.count == 14, "not made by class calls")
        // Without stripes of its own it would have its parent's, whose unit may be larger than an object.
        let object = objectSize.map { "--object-size \($0) --stripe-unit \($0) --stripe-count 1" } ?? ""
        let words = "--image-feature \(features.joined(separator: ",")) \(object)"
        try await release("rbd clone --rbd-default-clone-format 2 \(words) $image@base $pool/two", in: pools[1])
        if let sizeBytes { try await release("rbd resize --no-progress --size \(sizeBytes)B $pool/two", in: pools[1]) }
    }

    @Test(
        "Each object, xattr and omap key of a new clone and its parent is the one that the release's `rbd clone` writes",
        arguments: [(1, nil, nil), (2, 1 << 20, nil), (5, nil, nil), (5, 1 << 16, 13 << 20)] as [(Int, Int?, UInt64?)]
    )
    func cloned(_ count: Int, _ objectSize: Int?, _ sizeBytes: UInt64?) async throws {
        try await withPools { census in
            let features = Array(Self.features.prefix(count))
            try await clone(features, objectSize: objectSize, sizeBytes: sizeBytes, in: census)
            // To grow its clone, the release's `rbd` took the lock, and an empty list of its holders stays.
            let twins = try await dumps().map { lines in
                sizeBytes == nil ? lines : lines.filter { !$0.contains("xattr lock.rbd_lock") }
            }
            expectEqual(twins)
            for part in ["rbd_header.<id of two> omap parent", "omap op_features", "omap snap_children_"] {
                #expect(twins[0].contains { $0.contains(part) }, "\(twins[0])")
            }
        }
    }

    @Test("All that the release's `rbd` does with a clone ends and answers as with one of its own, and leaves nothing")
    func lifeOfClone() async throws {
        try await withPools { census in
            try await clone(Self.features, objectSize: nil, sizeBytes: nil, in: census)
            let life = MicroCluster.testTool("image-life")
            let lives = try await both { try await release("\(life) $pool two", in: $0) }
            expectEqual(lives)
            expectEqual(try await dumps())
            let end = "rbd snap purge --no-progress $image; rbd rm --no-progress $image; rbd ls $pool"
            expectEqual(try await both { try await release(end, in: $0) })
            let twins = try await dumps()
            expectEqual(twins)
            #expect(!twins[0].contains { $0.contains("rbd_header.") || $0.contains("rbd_data.") })
        }
    }
}
