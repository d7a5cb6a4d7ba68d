import Testing
import Volumes

@testable import Backups

/// What stands in the files of a backup, and that no flipped bit of it passes.
@Suite("Files of backups")
struct FormatTests {
    private func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
        var other = bytes
        other[bit / 8] ^= 1 << UInt8(bit % 8)
        return other
    }

    @Test("A chunk comes back, compressed or not, and every flipped bit is found", arguments: [true, false])
    func chunk(isCompressible: Bool) throws {
        let content = (0..<300).map { isCompressible ? UInt8($0 / 100) : UInt8.random(in: 0...255) }
        let object = Chunk.object(of: content)
        #expect(object[8] == (isCompressible ? 1 : 0))
        let name = Digest(of: content)
        #expect(try Chunk.content(of: object, named: name) == content)
        for bit in 0..<object.count * 8 {
            #expect(throws: Damage.self, "bit \(bit)") { _ = try Chunk.content(of: flipped(object, bit), named: name) }
        }
        for count in 0..<object.count {
            #expect(throws: Damage.self) { _ = try Chunk.content(of: Array(object.prefix(count)), named: name) }
        }
    }

    @Test("A digest is written as sha256sum writes it")
    func digest() throws {
        // FIPS 180-4's example.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect("\(Digest(of: Array("abc".utf8)))" == text)
        #expect(Digest(parsing: text) == Digest(of: Array("abc".utf8)))
        #expect(Digest(parsing: text.uppercased()) == nil)
    }

    private var manifest: Manifest {
        get throws {
            Manifest(
                id: "4c1d5f4e-0000-4000-8000-000000000001",
                chain: "c",
                volume: try VolumeID(clusterID: "a", pool: "p", namespace: "", image: "i"),
                imageID: "1a2b",
                snapshotID: 7,
                sizeBytes: 1 << 40,
                created: "2026-11-21T08:09:47.000120Z",
                kind: .full,
                reason: "it is the first",
                parent: nil,
                map: Digest(of: []),
                changedBytes: 1,
                readBytes: 2,
                addedBytes: 3,
                dataBytes: 4,
                storedBytes: 5,
                metadata: ["nacre.io/request-name": "a \"quoted\" näme"]
            )
        }
    }

    @Test("A manifest comes back, and every flipped bit is found")
    func manifestBits() throws {
        let bytes = try manifest.bytes
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("\"}\n"))
        let back = try Manifest(parsing: bytes)
        #expect(back.bytes == bytes && back.name == "a \"quoted\" näme")
        for bit in 0..<bytes.count * 8 {
            #expect(throws: Damage.self, "bit \(bit)") { try Manifest(parsing: flipped(bytes, bit)) }
        }
    }

    @Test("A plan and what was stored of it come back")
    func plan() throws {
        let plan = BackupPlan(
            backup: "b",
            imageID: "i",
            snapshotID: 9,
            sizeBytes: 100 << 20,
            created: "c",
            parent: "p",
            reason: nil,
            extents: [0..<10, 4096..<(9 << 20), (10 << 20)..<(11 << 20)],
            holes: [20..<30]
        )
        #expect(try BackupPlan(parsing: plan.bytes) == plan)
        let packs = plan.packs
        #expect(packs.flatMap(\.self).reduce(0) { $0 + $1.count } == Int(plan.bytesToRead))
        #expect(packs.allSatisfy { $0.reduce(0) { $0 + $1.count } <= Chunk.mostBytes })
        // A window that is read whole is a chunk of its own, whatever lies around it.
        #expect(packs.contains([4194304..<8388608]))
        let record = BlockMap.ChunkRecord(digest: Digest(of: [1]), contentBytes: 30, storedBytes: 40)
        let pack = StoredPack(
            pieces: [BlockMap.Piece(offset: 5, length: 10, chunk: record, position: 20)],
            readBytes: 11,
            addedBytes: 0
        )
        #expect(try StoredPack(parsing: pack.bytes) == pack)
        let none = StoredPack(pieces: [], readBytes: 11, addedBytes: 0)
        #expect(try StoredPack(parsing: none.bytes) == none)
    }

    @Test("Zeroes are left out, and the rest lies where it was")
    func zeroes() {
        var builder = PackBuilder()
        let grain = Int(PackBuilder.grain)
        var bytes = [UInt8](repeating: 0, count: 4 * grain)
        bytes[grain + 5] = 1
        bytes[3 * grain] = 2
        builder.append(bytes, at: UInt64(10 * grain))
        #expect(builder.spans.map(\.offset) == [UInt64(11 * grain), UInt64(13 * grain)])
        #expect(builder.content.count == 2 * grain && builder.content[5] == 1 && builder.content[grain] == 2)
        builder.append([0, 0, 3], at: UInt64(20 * grain))
        #expect(builder.spans.last?.length == 3)
        #expect(PackBuilder.isZero([]) && PackBuilder.isZero([0]) && !PackBuilder.isZero([0, 1]))
    }
}
