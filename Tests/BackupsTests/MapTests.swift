import TestSupport
import Testing

@testable import Backups

/// Maps of images, beside a plain array of bytes.
@Suite("Maps of backups")
struct MapTests {
    private static let size = 4000

    /// A chunk with random content, and the bytes that a map says an image has.
    private struct World {
        var contents: [Digest: [UInt8]] = [:]

        func bytes(of map: BlockMap) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: Int(map.sizeBytes))
            for extent in map.extents {
                let content = contents[map.chunks[Int(extent.chunk)].digest] ?? []
                for index in 0..<Int(extent.length) {
                    bytes[Int(extent.offset) + index] = content[Int(extent.position) + index]
                }
            }
            return bytes
        }
    }

    @Test(
        "After any chain of changes a map tells each byte, and comes back from its file",
        arguments: 0..<20 as Range<UInt64>
    )
    func changes(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var world = World()
        var size = Self.size
        var model = [UInt8](repeating: 0, count: size)
        var map = BlockMap(sizeBytes: UInt64(size))
        for _ in 0..<60 {
            if Int.random(in: 0..<10, using: &random) == 0 {
                size = Int.random(in: Self.size / 2...2 * Self.size, using: &random)
                model = Array(model.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - model.count))
            }
            var cuts = (0..<Int.random(in: 1...4, using: &random) * 2).map { _ in
                Int.random(in: 0...size, using: &random)
            }
            cuts = Set(cuts).sorted()
            var changed: [Range<UInt64>] = []
            var content: [UInt8] = []
            var spans: [(Int, Int, Int)] = []
            for index in stride(from: 0, to: cuts.count - 1, by: 2) {
                changed.append(UInt64(cuts[index])..<UInt64(cuts[index + 1]))
                let isHole = Bool.random(using: &random)
                for place in cuts[index]..<cuts[index + 1] { model[place] = 0 }
                guard !isHole else { continue }
                spans.append((cuts[index], cuts[index + 1] - cuts[index], content.count))
                for place in cuts[index]..<cuts[index + 1] {
                    model[place] = UInt8.random(in: 1...255, using: &random)
                    content.append(model[place])
                }
            }
            let record = BlockMap.ChunkRecord(
                digest: Digest(of: content),
                contentBytes: UInt32(content.count),
                storedBytes: 1
            )
            world.contents[record.digest] = content
            let pieces = spans.map {
                BlockMap.Piece(offset: UInt64($0.0), length: UInt32($0.1), chunk: record, position: UInt32($0.2))
            }
            map = map.changing(changed, to: pieces, sizeBytes: UInt64(size))
            #expect(world.bytes(of: map) == model)
            #expect(try BlockMap(parsing: map.bytes) == map)
            #expect(Set(map.extents.map(\.chunk)).count == map.chunks.count)
        }
    }

    @Test("A map that contradicts itself is refused")
    func refused() {
        var map = BlockMap(sizeBytes: 100)
        map.chunks = [BlockMap.ChunkRecord(digest: Digest(of: []), contentBytes: 50, storedBytes: 1)]
        for extents in [
            [(90, 20, 0, 0)], [(0, 10, 1, 0)], [(0, 10, 0, 45)], [(10, 10, 0, 0), (15, 5, 0, 0)], [(0, 0, 0, 0)],
        ] as [[(UInt64, UInt32, UInt32, UInt32)]] {
            map.extents = extents.map { BlockMap.Extent(offset: $0.0, length: $0.1, chunk: $0.2, position: $0.3) }
            #expect(throws: Damage.self) { try BlockMap(parsing: map.bytes) }
        }
        #expect(throws: Damage.self) { try BlockMap(parsing: Array(map.bytes.dropLast())) }
    }

    @Test("Windows hold what the map says")
    func windows() {
        var map = BlockMap(sizeBytes: 10 << 20)
        let record = BlockMap.ChunkRecord(digest: Digest(of: []), contentBytes: 4 << 20, storedBytes: 1)
        map = map.changing(
            [3 << 20..<7 << 20],
            to: [BlockMap.Piece(offset: 3 << 20, length: 4 << 20, chunk: record, position: 0)],
            sizeBytes: 10 << 20
        )
        let windows = ImageWindows(map)
        #expect(windows.windows.map(\.number) == [0, 1])
        #expect(windows.windows.map(\.dataBytes) == [1 << 20, 3 << 20])
        #expect(windows.windows[1].extents[0].position == 1 << 20)
        #expect(windows.length(of: 2) == 2 << 20)
    }
}
