import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// Snapshots as the room RBD reads and makes them, beside what `rbd snap ls --all` says of the same.
@Suite("Snapshots of an image", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ImageSnapshotTests {
    let bench: SnapshotBench

    init() throws { bench = try SnapshotBench() }

    /// A line of `rbd snap ls --all --format json`.
    struct Listed: Decodable {
        struct Space: Decodable {
            let type: String
            let original_name: String?
        }

        let id: UInt64
        let name: String
        let size: UInt64
        let timestamp: String
        let namespace: Space
        let isProtected: Bool

        enum CodingKeys: String, CodingKey {
            case id, name, size, timestamp, namespace
            case isProtected = "protected"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            id = try values.decode(UInt64.self, forKey: .id)
            name = try values.decode(String.self, forKey: .name)
            size = try values.decode(UInt64.self, forKey: .size)
            timestamp = try values.decode(String.self, forKey: .timestamp)
            namespace = try values.decode(Space.self, forKey: .namespace)
            let word = try? values.decode(String.self, forKey: .isProtected)
            isProtected = try word.map { $0 == "true" } ?? values.decode(Bool.self, forKey: .isProtected)
        }

        /// Seconds since 1970 of `Mon Nov 30 21:00:00 2026`, in UTC.
        var seconds: Int64? {
            let form = DateFormatter()
            form.locale = Locale(identifier: "en_US_POSIX")
            form.timeZone = TimeZone(secondsFromGMT: 0)
            form.dateFormat = "EEE MMM d HH:mm:ss yyyy"
            return form.date(from: timestamp.replacing("  ", with: " ")).map { Int64($0.timeIntervalSince1970) }
        }
    }

    /// Compares the whole list, to the byte of each name.
    private func expectSame(_ ours: [ImageSnapshot], _ location: SourceLocation = #_sourceLocation) async throws {
        let theirs = try await bench.json("rbd snap ls --all $image", as: [Listed].self).sorted { $0.id < $1.id }
        let words: [ImageSnapshot.Kind: String] = [.user: "user", .group: "group", .trash: "trash", .mirror: "mirror"]
        try #require(ours.map(\.id) == theirs.map(\.id), sourceLocation: location)
        for (our, their) in zip(ours, theirs) {
            #expect(Array(our.name.utf8) == Array(their.name.utf8), sourceLocation: location)
            #expect(our.sizeBytes == their.size, "\(our)", sourceLocation: location)
            #expect(our.created.components.seconds == their.seconds, "\(our) \(their)", sourceLocation: location)
            #expect(words[our.kind] == their.namespace.type, "\(our)", sourceLocation: location)
            #expect(our.isProtected == their.isProtected, "\(our)", sourceLocation: location)
            #expect(our.formerName == their.namespace.original_name, "\(our)", sourceLocation: location)
        }
    }

    @Test("Their names, sizes, times and kinds are those that `rbd snap ls --all` tells, oldest first")
    func listed() async throws {
        let begin = Int64(Date().timeIntervalSince1970)
        try await bench.shell(
            """
            rbd create --size 16M $image
            rbd snap create --no-progress $image@one
            rbd resize --no-progress --size 24M $image
            rbd snap create --no-progress $image@two; rbd snap protect $image@two
            rbd clone --rbd-default-clone-format 2 $image@one $image-clone
            rbd clone --rbd-default-clone-format 2 $image@one $image-other
            rbd group create $image-group; rbd group image add $image-group $image
            rbd group snap create $image-group@all
            """
        )
        let before = try await bench.snapshots()
        #expect(before.map(\.name).prefix(2) == ["one", "two"])
        #expect(before.map(\.sizeBytes) == [16 << 20, 24 << 20, 24 << 20])
        #expect(before.map(\.cloneCount) == [2, 0, 0] && before.map(\.isProtected) == [false, true, false])
        #expect(before.allSatisfy { (begin...begin + 600).contains($0.created.components.seconds) })
        try await expectSame(before)
        let part = try #require(before.last?.groupPart)
        #expect(part.poolID == bench.census.pool.poolID)
        #expect(!part.groupID.isEmpty && !part.snapshotID.isEmpty)

        // A deleted one that clones need.
        try await bench.withImage { try $0.removeSnapshot("one") }
        let after = try await bench.snapshots()
        #expect(after.map(\.kind) == [.trash, .user, .group])
        #expect(after[0].formerName == "one" && after[0].name != "one" && after[0].cloneCount == 2)
        try await expectSame(after)

        // It goes with its last clone, whichever way that goes.
        try await bench.shell("rbd rm --no-progress $image-clone; rbd flatten --no-progress $image-other")
        #expect(try await bench.snapshots().map(\.kind) == [.user, .group])
        try await bench.shell(
            """
            rbd group rm $image-group; rbd snap unprotect $image@two; rbd snap purge --no-progress $image
            rbd rm --no-progress $image; rbd rm --no-progress $image-other
            """
        )
    }

    @Test("Snapshots of rbd-mirror are told apart")
    func mirrored() async throws {
        // Its own pool, so that mirroring does not affect other tests.
        let pool = "mirror-\(UUID().uuidString.prefix(8).lowercased())"
        let setUp = "ceph osd pool create \(pool) 1; rbd pool init \(pool); rbd mirror pool enable \(pool) image"
        try await bench.cluster.execute("bash", "-ec", setUp)
        let there = try SnapshotBench(pool: pool)
        try await there.shell("rbd create --size 16M $image; rbd mirror image enable $image snapshot")
        let found = try await there.snapshots()
        #expect(found.map(\.kind) == [.mirror])
        try await there.shell("ceph osd pool rm $pool $pool --yes-i-really-really-mean-it")
    }

    static let names = [
        "one", "with space", "é", "e\u{301}", "a'b\"c\\", "sl/ash", "at@sign", "\u{1F40C}", "-dash", "new\nline",
        String(repeating: "x", count: 200),
    ]

    @Test("A snapshot is made, found, read and removed under any name, to the byte")
    func names() async throws {
        try await bench.shell("rbd create --size 4M $image")
        for name in Self.names { try await bench.withImage { try $0.createSnapshot(name) } }
        let made = try await bench.snapshots()
        #expect(made.map { Array($0.name.utf8) } == Self.names.map { Array($0.utf8) })
        try await expectSame(made)
        for name in Self.names {
            let bytes = try await bench.withImage(at: name, .readOnly) { try $0.bytes(at: 0, count: 1) }
            #expect(bytes == [0])
            #expect(await bench.code { try await bench.withImage { try $0.createSnapshot(name) } } == .fileExists)
        }
        for (index, name) in Self.names.enumerated() {
            try await bench.withImage { try $0.removeSnapshot(name) }
            #expect(try await bench.snapshots().map(\.id) == made.dropFirst(index + 1).map(\.id))
        }
        try await bench.shell("rbd rm --no-progress $image")
    }

    @Test("A name that is no UTF-8 does not hide the snapshot, nor the others")
    func bytes() async throws {
        try await bench.shell(
            """
            rbd create --size 4M $image
            /usr/bin/python3 -c '
            import ctypes, os, sys
            rados, rbd = ctypes.CDLL("librados.so.2"), ctypes.CDLL("librbd.so.1")
            cluster, pool, image = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
            assert rados.rados_create2(ctypes.byref(cluster), b"ceph", b"client.admin", ctypes.c_uint64(0)) == 0
            assert rados.rados_conf_read_file(cluster, os.environb[b"CEPH_CONF"]) == 0
            assert rados.rados_connect(cluster) == 0
            assert rados.rados_ioctx_create(cluster, sys.argv[1].encode(), ctypes.byref(pool)) == 0
            assert rbd.rbd_open(pool, sys.argv[2].encode(), ctypes.byref(image), None) == 0
            for name in [b"x\\xff\\xfey", b"plain"]:
                assert rbd.rbd_snap_create(image, name) == 0
            rbd.rbd_close(image)
            ' $pool $name
            """
        )
        #expect(try await bench.snapshots().map(\.name) == ["x\u{FFFD}\u{FFFD}y", "plain"])
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    @Test("More of them than one page are all listed, in the order in which they were made")
    func many() async throws {
        try await bench.shell("rbd create --size 4M $image")
        let names = (0..<70).map { "s\($0)" }
        try await bench.withImage { image in
            for name in names { try image.createSnapshot(name) }
        }
        #expect(try await bench.snapshots().map(\.name) == names)
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    @Test("What cannot be done has the error that says so")
    func errors() async throws {
        #expect(try await bench.census.pool.snapshots(ofImageID: "0123456789abcd") == nil)
        #expect(try await bench.census.pool.imageName(ofID: "0123456789abcd") == nil)
        try await bench.shell("rbd create --size 4M $image; rbd snap create --no-progress $image@one")
        let id = try await bench.id()
        #expect(try await bench.census.pool.imageName(ofID: id) == bench.name)
        #expect(await bench.code { try await bench.withImage { try $0.createSnapshot("one") } } == .fileExists)
        let gone = Errno.noSuchFileOrDirectory
        #expect(await bench.code { try await bench.withImage { try $0.removeSnapshot("two") } } == gone)
        #expect(await bench.code { try await bench.withImage(at: "two", .readOnly) { _ in } } == gone)
        let readOnly = Errno.readOnlyFileSystem
        #expect(await bench.code { try await bench.withImage(.readOnly) { try $0.createSnapshot("new") } } == readOnly)
        #expect(await bench.code { try await bench.withImage(.readOnly) { try $0.removeSnapshot("one") } } == readOnly)
        try await bench.shell("rbd snap protect $image@one")
        #expect(await bench.code { try await bench.withImage { try $0.removeSnapshot("one") } } == .resourceBusy)
        try await bench.shell("rbd snap limit set --limit 1 $image")
        let quota = Errno(rawValue: EDQUOT)
        #expect(await bench.code { try await bench.withImage { try $0.createSnapshot("two") } } == quota)
        #expect(try await bench.snapshots().map(\.name) == ["one"])

        // In the trash the image keeps its id, its snapshots, and no name.
        try await bench.shell("rbd snap unprotect $image@one; rbd trash mv $image")
        #expect(try await bench.census.pool.imageName(ofID: id) == nil)
        #expect(try await bench.census.pool.snapshots(ofImageID: id)?.map(\.name) == ["one"])
        let size = try await bench.census.blocking { pool in
            try Image.open(id: id, at: "one", in: pool, access: .readOnly).sizeBytes()
        }
        #expect(size == 4 << 20)
        try await bench.shell(
            "rbd trash restore $pool/\(id); rbd snap purge --no-progress $image; rbd rm --no-progress $image"
        )
    }

    @Test("One that is opened has the content and the size of its time, also while the image goes on")
    func opened() async throws {
        try await bench.shell("rbd create --size 8M $image")
        try await bench.write(["A:0:4096", "B:6291456:4096"])
        try await bench.withImage { try $0.createSnapshot("one") }
        try await bench.shell("rbd resize --no-progress --size 12M $image")
        try await bench.write(["C:0:4096", "C:6291456:4096"])
        let then = try await bench.withImage(at: "one", .readOnly) { image in
            let bytes = try [image.bytes(at: 0, count: 1), image.bytes(at: 6 << 20, count: 1)]
            return (try image.sizeBytes(), bytes[0], bytes[1], image.spec)
        }
        #expect(then.0 == 8 << 20 && then.1 == [UInt8(ascii: "A")] && then.2 == [UInt8(ascii: "B")])
        #expect(then.3 == "rbd/\(bench.name)@one")
        let now = try await bench.withImage(.readOnly) { (try $0.sizeBytes(), try $0.bytes(at: 0, count: 1)) }
        #expect(now.0 == 12 << 20 && now.1 == [UInt8(ascii: "C")])
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    @Test("It is made also while a writer elsewhere has the image's lock: that writer makes it")
    func lockedElsewhere() async throws {
        try await bench.shell("rbd create --size 8M $image")
        let made = try await bench.withImage { holder in
            // It takes the lock when it first changes something.
            try holder.createSnapshot("first")
            return holder.spec
        }
        #expect(made == "rbd/\(bench.name)")
        let (name, cluster) = (bench.name, bench.cluster)
        let other = try PoolCensus(cluster, pool: "rbd")
        try await bench.census.blocking { pool in
            let holder = try Image.open(name, in: pool, access: .readWrite)
            try holder.createSnapshot("second")
            let asking = try Image.open(name, in: other.pool, access: .readWrite)
            try asking.createSnapshot("third")
            try holder.createSnapshot("fourth")
            asking.close()
            holder.close()
        }
        #expect(try await bench.snapshots().map(\.name) == ["first", "second", "third", "fourth"])
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }
}
