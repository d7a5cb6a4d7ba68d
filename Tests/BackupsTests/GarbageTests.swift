import Foundation
import Testing
import Volumes

@testable import Backups

/// What proves that chunks are garbage, and what does not.
@Suite("Garbage of backups")
struct GarbageTests {
    private static let contents = (1...5).map { [UInt8](repeating: UInt8($0), count: 4096) }

    private func digest(_ index: Int) -> Digest { Digest(of: Self.contents[index]) }

    private func loseManifest(_ manifest: Manifest, _ lab: StoreLab) async throws -> [UInt8] {
        let key = lab.keys.manifest(manifest.id)
        let bytes = try #require(try await lab.store.destination.bytes(of: key))
        try await lab.store.destination.remove(key)
        return bytes
    }

    @Test("What a new backup uses again is no garbage any more, also while its manifest is lost")
    func reused() async throws {
        let lab = try await StoreLab()
        try await lab.backup(1, [Self.contents[0]])
        let second = try await lab.backup(2, Array(Self.contents[1...2]))
        // Of one that was removed, of one that was dropped, and of its own when a drop was killed.
        try await lab.store.discard(Discarded("a", chunks: [digest(1), digest(3)], maps: [second.map]), lab.keys)
        try await lab.store.discard(Discarded("b", chunks: [digest(2)]), lab.keys)
        try await lab.store.discard(Discarded(second.id, chunks: [digest(1)], maps: [second.map]), lab.keys)
        let lock = try await lab.store.destination.lock(lab.keys.lock, for: "test") { _ in }
        let map = try await lab.store.map(of: second)
        try await lab.store.spare(map, second.map, for: second.id, lab.keys, lock)
        await lock.release()
        let own = try await lab.store.discarded(at: lab.keys.discarded(second.id), lab.keys)
        #expect(own == Discarded(second.id, maps: [second.map]))
        // The backup is done.
        try await lab.store.destination.remove(lab.keys.discarded(second.id))
        let manifest = try await loseManifest(second, lab)
        let removal = try await lab.remove([])
        #expect(removal.objects == 0 && removal.unknown == 3, "\(removal)")
        try await lab.store.destination.put(manifest, as: lab.keys.manifest(second.id))
        #expect(try await lab.store.verify(nil, lab.progress).faults == [])
    }

    @Test("A backup that is dropped calls no chunk garbage that it found there, or that another one needs")
    func dropped() async throws {
        let lab = try await StoreLab()
        let first = try await lab.backup(1, Array(Self.contents[0...1]))
        func mark(_ index: Int, added: UInt64) async throws -> String {
            let object = Chunk.object(of: Self.contents[index])
            let record = BlockMap.ChunkRecord(
                digest: digest(index),
                contentBytes: 4096,
                storedBytes: UInt32(object.count)
            )
            let piece = BlockMap.Piece(offset: 0, length: 4096, chunk: record, position: 0)
            let key = lab.keys.mark("d", index)
            try await lab.store.destination.put(object, as: lab.keys.chunk(digest(index)))
            try await lab.store.destination.put(
                StoredPack(pieces: [piece], readBytes: 4096, addedBytes: added).bytes,
                as: key
            )
            return key
        }
        // One that was mended, one of a manifest that is lost, and one that is new.
        let marks = [
            try await mark(0, added: 9), try await mark(2, added: 0), try await mark(3, added: 9),
        ]
        try await lab.store.discard(chunksOf: "d", marks, of: lab.volume)
        let key = lab.keys.discarded("d")
        #expect(try await lab.store.discarded(at: key, lab.keys) == Discarded("d", chunks: [digest(3)]))
        try await lab.store.destination.remove(key)
        // Where the map of another one cannot be read, nothing is proven.
        try lab.damage(lab.keys.map(first.map))
        try await lab.store.discard(chunksOf: "d", marks, of: lab.volume)
        #expect(!lab.files().contains(key))
    }

    @Test("A document that cannot be read stays, and so do those of backups that are begun")
    func documents() async throws {
        let lab = try await StoreLab()
        try await lab.backup(1, [Self.contents[0]])
        for index in 1...2 {
            let object = Chunk.object(of: Self.contents[index])
            try await lab.store.destination.put(object, as: lab.keys.chunk(digest(index)))
            try await lab.store.discard(Discarded("d\(index)", chunks: [digest(index)]), lab.keys)
        }
        let whole = try Data(contentsOf: URL(filePath: lab.file(lab.keys.discarded("d1"))))
        try lab.damage(lab.keys.discarded("d1"))
        try await lab.store.destination.put([0], as: lab.keys.mark("d2", 0))
        let none = try await lab.remove([])
        #expect(none.objects == 0 && none.unknown == 1)
        try await lab.store.destination.remove(lab.keys.mark("d2", 0))
        let some = try await lab.remove([])
        #expect(some.objects == 1 && some.unknown == 1)
        #expect(lab.files().filter { $0.contains("/discarded/") } == [lab.keys.discarded("d1")])
        // The disk reads it again.
        try whole.write(to: URL(filePath: lab.file(lab.keys.discarded("d1"))))
        let all = try await lab.remove([])
        #expect(all.objects == 1 && all.unknown == 0)
        #expect(lab.files().filter { $0.contains("/discarded/") }.isEmpty)
    }

    @Test("What nobody knows goes when a person has looked at it, and not while anything is damaged or begun")
    func unknown() async throws {
        let lab = try await StoreLab()
        let first = try await lab.backup(1, Array(Self.contents[0...1]))
        let lost = try await lab.backup(2, Array(Self.contents[1...3]))
        _ = try await loseManifest(lost, lab)
        let keys = [lab.keys.chunk(digest(2)), lab.keys.chunk(digest(3)), lab.keys.map(lost.map)]
        let sizes = try keys.map { try Data(contentsOf: URL(filePath: lab.file($0))).count }
        let found = try await lab.store.unknown(of: lab.volume, lab.progress)
        #expect(found.objects == 3 && found.backups == 1 && Int(found.bytes) == sizes.reduce(0, +), "\(found)")

        try await lab.store.destination.put([0], as: lab.keys.plan("d"))
        await #expect {
            _ = try await lab.store.remove(found, of: lab.volume, for: "test", lab.progress)
        } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition
        }
        try await lab.store.destination.remove(lab.keys.plan("d"))
        let whole = try Data(contentsOf: URL(filePath: lab.file(lab.keys.manifest(first.id))))
        try lab.damage(lab.keys.manifest(first.id))
        await #expect {
            _ = try await lab.store.remove(found, of: lab.volume, for: "test", lab.progress)
        } throws: {
            ($0 as? VolumeError)?.code == .dataLoss
        }
        // A manifest that is lost meanwhile makes more unknown than was looked at.
        try FileManager.default.removeItem(atPath: lab.file(lab.keys.manifest(first.id)))
        await #expect {
            _ = try await lab.store.remove(found, of: lab.volume, for: "test", lab.progress)
        } throws: {
            ($0 as? VolumeError)?.code == .aborted
        }
        try whole.write(to: URL(filePath: lab.file(lab.keys.manifest(first.id))))
        // What came later was not looked at.
        try await lab.store.destination.put(Chunk.object(of: Self.contents[4]), as: lab.keys.chunk(digest(4)))
        let gone = try await lab.store.remove(found, of: lab.volume, for: "test", lab.progress)
        #expect(gone.objects == 3)
        #expect(lab.files().isDisjoint(with: keys) && lab.files().contains(lab.keys.chunk(digest(4))))
        #expect(try await lab.store.verify(nil, lab.progress).faults == [])
    }
}
