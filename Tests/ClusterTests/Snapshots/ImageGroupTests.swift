import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// Groups of images and their snapshots, beside what `rbd group` says of them.
@Suite("Groups of images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ImageGroupTests {
    let bench: SnapshotBench
    var group: String { "\(bench.name)-group" }
    var images: [String] { ["a", "b"].map { "\(bench.name)-\($0)" } }

    init() throws { bench = try SnapshotBench() }

    struct Named: Decodable {
        let image: String?
        let snapshot: String?
    }

    private func does<R: Sendable>(_ body: @escaping @Sendable (IOContext) throws -> R) async throws -> R {
        try await bench.census.blocking(body)
    }

    private func makeImages() async throws {
        for image in images {
            try await bench.shell("rbd create --size 8M $pool/\(image)")
            try await bench.write(["1:0:4096"], to: image)
        }
    }

    private func removeImages() async throws {
        for image in images { try await bench.shell("rbd rm --no-progress $pool/\(image)") }
    }

    @Test("A group has the images that were added, until they are removed; it is the one that `rbd group` shows")
    func members() async throws {
        try await makeImages()
        let (group, images) = (group, images)
        try await does { try $0.createGroup(group) }
        #expect(try await does { try $0.groups() }.contains(group))
        #expect(try await bench.shell("rbd group ls $pool").split(separator: "\n").contains(group[...]))
        for image in images { try await does { try $0.addImage(image, in: $0, toGroup: group) } }
        let members = try await does { try $0.images(ofGroup: group) }
        #expect(Set(members.map(\.name)) == Set(images))
        #expect(members.allSatisfy { $0.isAttached && $0.poolID == bench.census.pool.poolID })
        let shown: [Named] = try await bench.json("rbd group image ls $pool/\(group)")
        #expect(shown.map(\.image) == members.map(\.name))
        let ties = try #require(try await bench.census.pool.ties(ofImageID: try await bench.id(images[0])))
        #expect(ties.group == group)

        try await does { try $0.removeImage(images[0], in: $0, fromGroup: group) }
        #expect(try await does { try $0.images(ofGroup: group) }.map(\.name) == [images[1]])
        try await does { try $0.removeGroup(group) }
        #expect(try await !does { try $0.groups() }.contains(group))
        try await removeImages()
    }

    @Test("Its snapshot has a part in each image, all of one instant; it is made, listed and removed as a whole")
    func snapshots() async throws {
        try await makeImages()
        let (group, images) = (group, images)
        try await does { pool in
            try pool.createGroup(group)
            for image in images { try pool.addImage(image, in: pool, toGroup: group) }
            try pool.createGroupSnapshot("é now", ofGroup: group)
        }
        for image in images { try await bench.write(["2:0:4096"], to: image) }
        try await does { try $0.createGroupSnapshot("later", ofGroup: group) }
        let listed = try await does { try $0.snapshots(ofGroup: group) }
        #expect(Set(listed.map(\.name)) == ["é now", "later"] && listed.allSatisfy(\.isComplete))
        let shown: [Named] = try await bench.json("rbd group snap ls $pool/\(group)")
        #expect(shown.map(\.snapshot) == listed.map(\.name))

        // The parts lead to the group's snapshots: the same two in both images, the older one first.
        let parts = try await [bench.snapshots(images[0]), bench.snapshots(images[1])]
        for part in parts { #expect(part.map(\.kind) == [.group, .group]) }
        #expect(parts[0].map(\.groupPart) == parts[1].map(\.groupPart))
        #expect(Set(parts[0].compactMap(\.groupPart?.snapshotID)).count == 2)

        try await does { try $0.removeGroupSnapshot("é now", ofGroup: group) }
        #expect(try await does { try $0.snapshots(ofGroup: group) }.map(\.name) == ["later"])
        #expect(try await bench.snapshots(images[0]).map(\.id) == [parts[0][1].id])
        try await does { try $0.removeGroup(group) }
        #expect(try await bench.snapshots(images[1]).isEmpty)
        try await removeImages()
    }

    @Test("A database that writes to two images one after the other finds the group's snapshot in that order")
    func order() async throws {
        try await makeImages()
        let (group, images) = (group, images)
        try await does { pool in
            try pool.createGroup(group)
            for image in images { try pool.addImage(image, in: pool, toGroup: group) }
        }
        for image in images { try await bench.write(["0:0:4096"], to: image) }
        // Counts in the first image, then in the second, and so on; each write is answered before the next.
        let writer = """
            import os, rados, rbd, sys, time
            cluster = rados.Rados(conffile=os.environ["CEPH_CONF"], name="client.admin")
            cluster.connect()
            with cluster.open_ioctx(sys.argv[1]) as pool, \\
                    rbd.Image(pool, sys.argv[2]) as log, rbd.Image(pool, sys.argv[3]) as data:
                end, number = time.time() + 12, 0
                while time.time() < end:
                    number += 1
                    log.write(b"%012d" % number, 0)
                    log.flush()
                    data.write(b"%012d" % number, 0)
                    data.flush()
            cluster.shutdown()
            """
        async let written = bench.shell("/usr/bin/python3 -c '\(writer)' $pool \(images[0]) \(images[1])")
        for round in 0..<5 {
            try await Task.sleep(for: .milliseconds(900))
            try await does { try $0.createGroupSnapshot("round\(round)", ofGroup: group) }
        }
        _ = try await written
        let parts = try await [bench.snapshots(images[0]), bench.snapshots(images[1])]
        var numbers: [[Int]] = [[], []]
        for (index, image) in images.enumerated() {
            let ids = parts[index].map { "\($0.id)" }.joined(separator: " ")
            let script = """
                import os, rados, rbd, sys
                cluster = rados.Rados(conffile=os.environ["CEPH_CONF"], name="client.admin")
                cluster.connect()
                with cluster.open_ioctx(sys.argv[1]) as pool, rbd.Image(pool, sys.argv[2], read_only=True) as image:
                    for snapshot in sys.argv[3:]:
                        image.set_snap_by_id(int(snapshot))
                        print(image.read(0, 12).decode())
                """
            let text = try await bench.shell("/usr/bin/python3 -c '\(script)' $pool \(image) \(ids)")
            numbers[index] = text.split(separator: "\n").compactMap { Int($0) }
        }
        #expect(numbers[0].count == 5 && numbers[1].count == 5, "\(numbers)")
        // The second image is as far as the first one, or one behind it; never more, and never ahead.
        for (log, data) in zip(numbers[0], numbers[1]) { #expect(log == data || log == data + 1, "\(numbers)") }
        try await does { try $0.removeGroup(group) }
        try await removeImages()
    }

    @Test("What cannot be done with a group has the error that says so")
    func errors() async throws {
        try await makeImages()
        let (group, images) = (group, images)
        let gone = Errno.noSuchFileOrDirectory
        try await does { try $0.removeGroup(group) }
        #expect(await bench.code { try await does { try $0.createGroupSnapshot("s", ofGroup: group) } } == gone)
        #expect(await bench.code { try await does { try $0.removeGroupSnapshot("s", ofGroup: group) } } == gone)
        #expect(await bench.code { try await does { try $0.addImage(images[0], in: $0, toGroup: group) } } == gone)
        #expect((try? await does { try $0.images(ofGroup: group) }) ?? [] == [])
        #expect((try? await does { try $0.snapshots(ofGroup: group) }) ?? [] == [])
        try await does { try $0.createGroup(group) }
        #expect(await bench.code { try await does { try $0.createGroup(group) } } == .fileExists)
        #expect(await bench.code { try await does { try $0.addImage("none", in: $0, toGroup: group) } } == gone)
        try await does { try $0.addImage(images[0], in: $0, toGroup: group) }
        try await does { try $0.addImage(images[0], in: $0, toGroup: group) }
        try await does { try $0.createGroup("\(group)-2") }
        let other = await bench.code { try await does { try $0.addImage(images[0], in: $0, toGroup: "\(group)-2") } }
        #expect(other == .fileExists)
        try await does { try $0.createGroupSnapshot("s", ofGroup: group) }
        #expect(await bench.code { try await does { try $0.createGroupSnapshot("s", ofGroup: group) } } == .fileExists)
        #expect(await bench.code { try await does { try $0.removeGroupSnapshot("none", ofGroup: group) } } == gone)
        try await does { pool in
            try pool.removeGroup(group)
            try pool.removeGroup("\(group)-2")
        }
        try await removeImages()
    }
}
