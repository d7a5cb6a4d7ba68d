import Foundation
import RADOS
import RBD
import SystemPackage
import TestSupport
import Testing

/// What has changed, beside what `rbd diff` says of the same.
@Suite("Differences between snapshots", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ImageDifferenceTests {
    let bench: SnapshotBench

    init() throws { bench = try SnapshotBench() }

    struct Extent: Decodable, Sendable, Equatable {
        let offset: UInt64
        let length: UInt64
        let exists: Bool

        enum CodingKeys: String, CodingKey { case offset, length, exists }

        init(_ offset: UInt64, _ length: UInt64, _ exists: Bool) {
            (self.offset, self.length, self.exists) = (offset, length, exists)
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            offset = try values.decode(UInt64.self, forKey: .offset)
            length = try values.decode(UInt64.self, forKey: .length)
            let word = try? values.decode(String.self, forKey: .exists)
            exists = try word.map { $0 == "true" } ?? values.decode(Bool.self, forKey: .exists)
        }
    }

    private func ours(
        _ image: String,
        at end: String?,
        since begin: String?,
        whole: Bool,
        _ range: Range<UInt64> = 0..<(40 << 20)
    ) async throws -> [Extent] {
        try await bench.withImage(image, at: end, .readOnly) { image in
            var found: [Extent] = []
            try image.changedExtents(
                since: begin,
                from: range.lowerBound,
                length: UInt64(range.count),
                wholeObjects: whole
            ) { found.append(Extent($0, $1, $2)) }
            return found
        }
    }

    private func theirs(_ image: String, at end: String?, since begin: String?, whole: Bool) async throws -> [Extent] {
        let words = (begin.map { "--from-snap \($0) " } ?? "") + (whole ? "--whole-object " : "")
        return try await bench.json("rbd diff \(words)\(bench.pool)/\(image)\(end.map { "@\($0)" } ?? "")")
    }

    /// 40 MiB, its tail written in part; two snapshots, and changes before, between and after them.
    private func make(_ features: String) async throws {
        try await bench.shell("rbd create --size 40M --image-feature \(features) $image")
        try await bench.write(["a:0:4096", "a:6291456:1048576", "a:16777216:4194304", "a:41938944:4096"])
        try await bench.withImage { try $0.createSnapshot("one") }
        try await bench.write(["b:8388608:65536", "d:16777216:4194304", "b:100:1", "d:6291456:524288"])
        try await bench.withImage { try $0.createSnapshot("two") }
        try await bench.write(["c:20971520:8192", "c:16777216:512"])
    }

    private func expectSame(_ image: String, _ begins: [String?], _ ends: [String?]) async throws {
        for whole in [true, false] {
            for end in ends {
                for begin in begins where begin == nil || begin != end {
                    let ours = try await ours(image, at: end, since: begin, whole: whole)
                    let theirs = try await theirs(image, at: end, since: begin, whole: whole)
                    #expect(ours == theirs, "\(image) \(begin ?? "-")..\(end ?? "-") whole \(whole)")
                    #expect(!ours.isEmpty)
                }
            }
        }
    }

    @Test(
        "Each part is the one that `rbd diff` tells, of whole objects and to the byte, with an object map and without",
        arguments: ["layering,exclusive-lock,object-map,fast-diff,deep-flatten", "layering"]
    )
    func same(_ features: String) async throws {
        try await make(features)
        try await expectSame(bench.name, [nil, "one"], ["two", nil])
        // A whole object that was discarded is a hole since then.
        let holes = try await ours(bench.name, at: "two", since: "one", whole: true).filter { !$0.exists }
        #expect(holes == [Extent(16 << 20, 4 << 20, false)])
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }

    @Test(
        "A clone's parts are also those of its parent, and its own; since its own snapshot they are its own alone",
        arguments: ["layering,exclusive-lock,object-map,fast-diff,deep-flatten", "layering"]
    )
    func cloned(_ features: String) async throws {
        try await make(features)
        let clone = "\(bench.name)-clone"
        try await bench.shell("rbd clone --rbd-default-clone-format 2 $image@two $image-clone")
        try await bench.write(["e:29360128:4096", "e:4096:1"], to: clone)
        try await bench.withImage(clone) { try $0.createSnapshot("own") }
        try await bench.write(["f:12582912:4096"], to: clone)
        try await expectSame(clone, [nil, "own"], [nil])
        try await expectSame(clone, [nil], ["own"])
        let all = try await ours(clone, at: nil, since: nil, whole: true)
        #expect(all.contains { $0.offset == 8 << 20 } && all.contains { $0.offset == 28 << 20 }, "\(all)")
        let own = try await ours(clone, at: nil, since: "own", whole: true)
        #expect(own == [Extent(12 << 20, 4 << 20, true)])
        try await bench.shell(
            """
            rbd snap purge --no-progress $image-clone; rbd rm --no-progress $image-clone
            rbd snap purge --no-progress $image; rbd rm --no-progress $image
            """
        )
    }

    @Test("A part of the image is looked at alone; what the closure throws ends it; an unknown snapshot is an error")
    func bounds() async throws {
        try await make("layering,exclusive-lock,object-map,fast-diff,deep-flatten")
        let some = try await ours(bench.name, at: nil, since: nil, whole: false, (4 << 20)..<(9 << 20))
        let isInside = some.allSatisfy { $0.offset >= 4 << 20 && $0.offset + $0.length <= 9 << 20 }
        #expect(!some.isEmpty && isInside, "\(some)")
        let all = try await ours(bench.name, at: nil, since: nil, whole: false)
        #expect(some == all.filter { $0.offset >= 4 << 20 && $0.offset < 9 << 20 })
        struct Enough: Error {}
        let calls = try await bench.withImage(.readOnly) { image in
            var calls = 0
            #expect(throws: Enough.self) {
                try image.changedExtents(since: nil, from: 0, length: 40 << 20, wholeObjects: true) { _, _, _ in
                    calls += 1
                    throw Enough()
                }
            }
            return calls
        }
        #expect(calls == 1)
        let unknown = await bench.code { _ = try await ours(bench.name, at: nil, since: "none", whole: true) }
        #expect(unknown == .noSuchFileOrDirectory)
        try await bench.shell("rbd snap purge --no-progress $image; rbd rm --no-progress $image")
    }
}
