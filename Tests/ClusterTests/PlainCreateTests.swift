import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// A create without librbd makes the same image as librbd, or nothing.
@Suite("Images made without librbd", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct PlainCreateTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let image = "csi-vol-\(UUID().uuidString.lowercased())"
    var metadata: [String: String] { ["csi.storage.k8s.io/pv/name": "pvc-ü", "test": image] }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
    }

    /// Runs a shell line with `$image` and `$pool`, and returns its output.
    @discardableResult
    private func shell(_ script: String, pool: String = "rbd", image: String? = nil) async throws -> String {
        let words = "export LC_ALL=C.UTF-8; pool=\(pool) image=\(pool)/\(image ?? self.image)\n\(script)"
        return try await cluster.execute("sh", "-ec", words)
    }

    @Test(
        "It has the header, the metadata and the object map that `rbd create` makes, and librbd can do all with it",
        arguments: [
            "layering", "layering,exclusive-lock", "layering,exclusive-lock,object-map",
            "layering,exclusive-lock,object-map,fast-diff,deep-flatten", nil,
        ]
    )
    func same(_ features: String?) async throws {
        var options = ImageOptions()
        options.objectSizeBytes = features == "layering" ? 1 << 20 : nil
        options.features = features.map { names in
            ImageFeatures(
                ImageFeatures.named.filter { names.split(separator: ",").contains($0.name[...]) }.map(\.feature)
            )
        }
        // Not a whole number of objects.
        let size: UInt64 = 33 << 20 + 4096
        let id = try #require(
            try await census.pool.createPlainImage(image, sizeBytes: size, options: options, metadata: metadata)
        )
        #expect(id.count == 14)
        #expect(try await census.pool.imageID(named: image) == id)
        let words = features.map { "--image-feature \($0)" } ?? ""
        let objectSize = options.objectSizeBytes.map { "--object-size \($0)" } ?? ""
        try await shell("rbd create --size \(size)B \(words) \(objectSize) $image-twin")
        let twin = try #require(try await census.pool.imageID(named: "\(image)-twin"))
        for key in metadata.keys { try await shell("rbd image-meta set $image-twin \(key) '\(metadata[key] ?? "")'") }
        // Names, ids and times differ, and nothing else.
        let facts = """
            rbd info --format json $1 | tr , '\\n' | grep -v -e timestamp -e '"name"' | sed "s/$2/ID/g"
            rbd image-meta list --format json $1
            rados -p rbd listomapkeys rbd_header.$2
            rados -p rbd getomapval rbd_header.$2 size; rados -p rbd getomapval rbd_header.$2 features
            rados -p rbd getomapval rbd_header.$2 data_pool_id 2>&1 | sed "s/$2/ID/g" || true
            rados -p rbd get rbd_object_map.$2 - 2>/dev/null | od -An -tx1
            """
        let ours = try await shell("set -- $image \(id)\n\(facts)")
        let theirs = try await shell("set -- $image-twin \(twin)\n\(facts)")
        #expect(ours == theirs && ours.contains("pvc-ü") && ours.contains("object_size"), "\(ours)")
        try await shell(
            """
            rbd ls $pool | grep -qx \(image)
            rbd bench --io-type write --io-size 4096 --io-total 65536 $image
            rbd resize --size 64M --no-progress $image
            if rbd info $image | grep -q object-map; then rbd object-map check --no-progress $image; fi
            rbd snap create --no-progress $image@one
            rbd export --no-progress $image@one - >/dev/null
            rbd snap rm --no-progress $image@one
            rbd rm --no-progress $image; rbd rm --no-progress $image-twin
            """
        )
        #expect(try await isGone(id))
    }

    /// Whether nothing is left of an id and of the name.
    private func isGone(_ id: String, in census: PoolCensus? = nil) async throws -> Bool {
        let there = census ?? self.census
        let objects = [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id), ImageObject.id(ofName: image)]
        for object in objects where try await there.holds(object) { return false }
        return try await !there.pool.directoryHolds(image)
    }

    private static let whole = ImageFeatures([.layering, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten])

    private func options(_ change: (inout ImageOptions) -> Void = { _ in }) -> ImageOptions {
        var options = ImageOptions()
        options.features = Self.whole
        change(&options)
        return options
    }

    private func create(
        _ options: ImageOptions? = nil,
        sizeBytes: UInt64 = 64 << 20,
        in census: PoolCensus? = nil
    ) async throws(RBDError) -> String? {
        try await (census ?? self.census).pool.createPlainImage(
            image,
            sizeBytes: sizeBytes,
            options: options ?? self.options(),
            metadata: metadata
        )
    }

    @Test("What librbd must make, or refuse, is left to it")
    func notPlain() async throws {
        let layouts = [
            options { ($0.stripeUnitBytes, $0.stripeCount) = (65536, 4) },
            options { $0.features?.insert(.journaling) },
            options { $0.features = [.layering, .fastDiff] },
            options { $0.features?.insert(ImageFeatures(rawValue: 1 << 40)) },
            options { $0.dataPool = "replicapool" },
            options { $0.objectSizeBytes = 3 << 20 },
            options { $0.objectSizeBytes = 64 << 20 },
        ]
        for layout in layouts { #expect(try await create(layout) == nil, "\(layout)") }
        #expect(try await create(sizeBytes: (256_000_000 << 22) + 1) == nil)
        #expect(try await census.hasNoTrace(of: image))
    }

    @Test(
        "A pool that librbd has not prepared, and one that has its own settings, are left to librbd",
        arguments: [
            ("true", nil), ("rbd pool init $pool", true),
            ("rbd pool init $pool; rbd config pool set $pool rbd_default_features layering", nil),
            ("rbd pool init $pool; rbd config pool set $pool rbd_qos_iops_limit 5", true),
        ]
    )
    func pools(_ preparation: String, isTaken: Bool?) async throws {
        let pool = "create-\(UUID().uuidString.prefix(8).lowercased())"
        try await shell("ceph osd pool create $pool 1; \(preparation)", pool: pool)
        let there = try PoolCensus(cluster, pool: pool)
        let id = try await create(in: there)
        #expect((id != nil) == (isTaken ?? false))
        #expect(try await there.isWhole(image) == (isTaken ?? false))
        try await shell("ceph osd pool rm $pool $pool --yes-i-really-really-mean-it", pool: pool)
    }

    @Test("A name that an image of format 1 has is left to librbd, which refuses it; that image stays as it is")
    func formatOne() async throws {
        // librbd creates format 1 only with this variable.
        try await shell("RBD_FORCE_ALLOW_V1=1 rbd create --image-format 1 --size 16M $image")
        #expect(try await create() == nil)
        #expect(try await census.pool.imageID(named: image) == nil)
        try await shell("rbd info $image | grep -q 'format: 1'; rbd rm --no-progress $image")
        #expect(try await create() != nil)
        try await shell("rbd rm --no-progress $image")
    }

    @Test("In a namespace it is made there; a namespace that is not there stays so")
    func namespaces() async throws {
        let namespace = "create-\(UUID().uuidString.prefix(8).lowercased())"
        let context = try census.pool.cluster.ioContext(pool: "rbd", namespace: namespace)
        #expect(try await context.createPlainImage(image, sizeBytes: 1 << 30, options: options(), metadata: [:]) == nil)
        #expect(try await context.imageID(named: image) == nil)
        try await shell("rbd namespace create $pool/\(namespace)")
        let made = try await context.createPlainImage(image, sizeBytes: 1 << 30, options: options(), metadata: [:])
        #expect(made != nil)
        #expect(try await census.hasNoTrace(of: image))
        try await shell("rbd rm --no-progress $image", pool: "rbd/\(namespace)")
        try await shell("rbd namespace rm $pool/\(namespace)")
    }

    @Test("A name that is taken is refused, who has it is as before, and nothing is left of the other")
    func taken() async throws {
        try await shell("rbd create --size 16M $image")
        let id = try #require(try await census.pool.imageID(named: image))
        await #expect {
            try await create()
        } throws: {
            ($0 as? RBDError)?.code == .fileExists
        }
        #expect(try await census.pool.listedID(of: image) == id)
        #expect(try await census.pool.imageID(named: image) == id)
        #expect(try await marked() == 0)
        try await shell("rbd rm --no-progress $image")
        #expect(try await isGone(id))
    }

    /// How many headers there are with this test's name in their metadata, listed or not.
    private func marked() async throws -> Int {
        let script = """
            for header in $(rados -p $pool ls | grep '^rbd_header[.]'); do
                rados -p $pool getomapval $header metadata_test /dev/stdout 2>/dev/null | grep -c \(image) || true
            done
            """
        return try await shell(script).split(separator: "\n").compactMap { Int($0) }.reduce(0, +)
    }

    @Test("An id that another image has leaves that image as it is", arguments: [whole, .layering])
    func sameID(_ features: ImageFeatures) async throws {
        try await shell("rbd create --size 16M $image-other; rbd bench --io-type write --io-total 1M $image-other")
        let id = try #require(try await census.pool.imageID(named: "\(image)-other"))
        let options = options { ($0.objectSizeBytes, $0.features) = (4 << 20, features) }
        let layout = try #require(PlainLayout(sizeBytes: 1 << 40, options: options, defaults: { _ in nil }))
        await #expect {
            try await census.pool.makeImage(image, id: id, layout: layout, metadata: metadata)
        } throws: {
            [.fileExists, .badFileDescriptor].contains(($0 as? RBDError)?.code)
        }
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await census.isWhole("\(image)-other"))
        try await shell(
            """
            rbd object-map check --no-progress $image-other
            rbd info $image-other | grep -q 'size 16 MiB'; test -z "$(rbd image-meta list $image-other | grep nacre)"
            rbd rm --no-progress $image-other
            """
        )
    }

    @Test("An image that another process lists or gives its object map meanwhile stays whole")
    func mendedMeanwhile() async throws {
        let id = String(UInt64.random(in: 1 << 52..<1 << 56), radix: 16)
        let pool = census.pool
        let layout = try #require(
            PlainLayout(sizeBytes: 1 << 24, options: options { $0.objectSizeBytes = 4 << 20 }, defaults: { _ in nil })
        )
        try await pool.makeImage(image, id: id, layout: layout, metadata: metadata) {
            try? await pool.listImage(image, id: id)
            // Four objects, none of which exists.
            let resize = ClassCall("rbd", "object_map_resize", input: [4] + [UInt8](repeating: 0, count: 8))
            try? await pool.execute(resize, on: ImageObject.objectMap(ofID: id))
        }
        #expect(try await census.isWhole(image))
        #expect(try await pool.metadata(ofImageID: id) == metadata)
        try await shell("rbd rm --no-progress $image")
        #expect(try await isGone(id))
    }
}
