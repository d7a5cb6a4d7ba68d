import Foundation
import Glibc
import Testing
import Volumes

@testable import Backups

/// What stays at a place, what goes, and what is written anew.
@Suite("Keeping backups")
struct KeepTests {
    /// Contents of chunks, each another one.
    private static let contents = (1...5).map { [UInt8](repeating: UInt8($0), count: 4096) }

    private func key(_ lab: StoreLab, _ index: Int) -> String { lab.keys.chunk(Digest(of: Self.contents[index])) }

    @Test("A chunk that lies there damaged is written anew, once, and a whole one is left alone")
    func mend() async throws {
        let lab = try await StoreLab()
        try await lab.backup(1, Array(Self.contents[0...1]))
        try lab.damage(key(lab, 1))
        var before = stat(), after = stat()
        #expect(stat(lab.file(key(lab, 0)), &before) == 0)
        let chunks = ChunkWriter(lab.store, lab.keys, there: try await lab.store.chunks(lab.keys))
        // An unfinished backup that had stored it reads that part again.
        #expect(try await chunks.isStored(Digest(of: Self.contents[0])))
        #expect(try await !chunks.isStored(Digest(of: Self.contents[1])))
        #expect(try await !chunks.isStored(Digest(of: Self.contents[2])))
        for (index, deed) in [ChunkWriter.Deed.nothing, .mend, .store].enumerated() {
            let digest = Digest(of: Self.contents[index])
            #expect(try await chunks.deed(for: digest) == deed)
            #expect(try await chunks.deed(for: digest) == .nothing)
            try await chunks.carryOut(deed, Chunk.object(of: Self.contents[index]), digest)
            #expect(try await lab.store.isWhole(digest, lab.keys))
        }
        #expect(chunks.mended == 1)
        #expect(stat(lab.file(key(lab, 0)), &after) == 0)
        #expect(before.st_ino == after.st_ino)
    }

    @Test("A check goes on behind what is damaged, lost, or cannot be read")
    func verify() async throws {
        let lab = try await StoreLab()
        try await lab.backup(1, Self.contents)
        #expect(try await lab.store.verify(nil, lab.progress).faults == [])
        try lab.damage(key(lab, 1))
        for index in 2...3 { try FileManager.default.removeItem(atPath: lab.file(key(lab, index))) }
        // The kernel reads no directory: EISDIR.
        try FileManager.default.createDirectory(atPath: lab.file(key(lab, 3)), withIntermediateDirectories: false)
        let finding = try await lab.store.verify(nil, lab.progress)
        #expect(finding.chunks == 5 && finding.faults.count == 3, "\(finding)")
        for index in 1...3 {
            #expect(
                finding.faults.contains { $0.contains(key(lab, index)) && $0.contains("it held bytes ") },
                "\(finding)"
            )
        }
    }

    @Test("Half-written files go with the next owner of the lock, but for those that somebody writes")
    func tidy() async throws {
        let lab = try await StoreLab()
        let one = try await lab.backup(1, [Self.contents[0]])
        let halves = [
            "\(lab.keys.manifests).new-1", "\(lab.keys.maps).new-2", "\(lab.keys.chunks).new-3",
            "\(lab.keys.maps).new-x",
        ]
        for key in halves { #expect(FileManager.default.createFile(atPath: lab.file(key), contents: nil)) }
        let writer = open(lab.file(halves[1]), O_WRONLY | O_CLOEXEC)
        #expect(writer >= 0 && flock(writer, LOCK_EX | LOCK_NB) == 0)
        #expect(try await lab.remove([]).removed.isEmpty)
        #expect(halves.filter { lab.files().contains($0) } == [halves[1], halves[3]])
        close(writer)
        #expect(try await lab.remove([one.id]).removed.count == 1)
        #expect(halves.filter { lab.files().contains($0) } == [halves[3]])
    }

    @Test("A removal takes what only it needed; what no manifest knows stays, and is told")
    func remove() async throws {
        let lab = try await StoreLab()
        let first = try await lab.backup(1, Array(Self.contents[0...1]))
        let second = try await lab.backup(2, Array(Self.contents[1...2]))
        let lost = try await lab.backup(3, [Self.contents[3]])
        let manifest = try Data(contentsOf: URL(filePath: lab.file(lab.keys.manifest(lost.id))))
        try FileManager.default.removeItem(atPath: lab.file(lab.keys.manifest(lost.id)))
        let removal = try await lab.remove([first.id])
        #expect(removal.objects == 2 && removal.unknown == 2)
        #expect(
            lab.files() == [
                key(lab, 1), key(lab, 2), key(lab, 3), lab.keys.map(second.map), lab.keys.map(lost.map), lab.keys.chain,
                lab.keys.manifest(second.id),
            ]
        )
        // The manifest comes back from a copy, and its backup is whole.
        try manifest.write(to: URL(filePath: lab.file(lab.keys.manifest(lost.id))))
        #expect(try await lab.store.verify(nil, lab.progress).faults == [])
        #expect(try await lab.remove([second.id, lost.id]).unknown == 0)
        #expect(lab.files() == [lab.keys.chain])
    }

    @Test("A removal that was killed, and a backup that was dropped, are finished by the next removal")
    func killed() async throws {
        let lab = try await StoreLab()
        let first = try await lab.backup(1, Array(Self.contents[0...1]))
        let second = try await lab.backup(2, Array(Self.contents[1...2]))
        // Killed behind its manifest; what another backup needs by now is written down, too.
        let gone = Discarded(first.id, chunks: Set(Self.contents[0...1].map { Digest(of: $0) }), maps: [first.map])
        try await lab.store.discard(gone, lab.keys)
        try await lab.store.destination.remove(lab.keys.manifest(first.id))
        let dropped = Chunk.object(of: Self.contents[4])
        try await lab.store.destination.put(dropped, as: key(lab, 4))
        try await lab.store.discard(Discarded("d", chunks: [Digest(of: Self.contents[4])]), lab.keys)
        let removal = try await lab.remove([])
        #expect(removal.objects == 3 && removal.unknown == 0)
        #expect(
            lab.files() == [
                key(lab, 1), key(lab, 2), lab.keys.map(second.map), lab.keys.chain, lab.keys.manifest(second.id),
            ]
        )
        // But for the last backup.
        try await lab.store.discard(
            Discarded(second.id, chunks: Set(Self.contents[1...2].map { Digest(of: $0) }), maps: [second.map]),
            lab.keys
        )
        try await lab.store.destination.remove(lab.keys.manifest(second.id))
        // Without any manifest they may be elsewhere for the moment.
        let files = lab.files()
        let none = try await lab.remove([])
        #expect(none.objects == 0 && none.unknown == 3)
        #expect(lab.files() == files)
    }

    @Test("Where a volume has no backups nothing is removed, nor made")
    func wrongPlace() async throws {
        let lab = try await StoreLab()
        let chunk = key(lab, 0)
        try FileManager.default.createDirectory(
            atPath: lab.file("\(lab.keys.chunks)\(Digest(of: Self.contents[0]).description.prefix(2))"),
            withIntermediateDirectories: true
        )
        #expect(FileManager.default.createFile(atPath: lab.file(chunk), contents: nil))
        do {
            _ = try await lab.remove([])
            Issue.record("it was not refused")
        } catch let error as VolumeError {
            #expect(error.code == .notFound && error.message.contains("there are no backups of volume"), "\(error)")
        }
        #expect(lab.files() == [chunk])
        #expect(!FileManager.default.fileExists(atPath: lab.file(lab.keys.lock)))
        // The sign of another volume's chain is none.
        try await lab.store.destination.put(StoreLab.chain(of: "a/p//other"), as: lab.keys.chain)
        do {
            _ = try await lab.remove([])
            Issue.record("it was not refused")
        } catch let error as VolumeError {
            #expect(error.code == .notFound)
        }
    }

    @Test("What is discarded comes back from its file, and grows")
    func discarded() async throws {
        let lab = try await StoreLab()
        let (one, two) = (Digest(of: [1]), Digest(of: [2]))
        try await lab.store.discard(Discarded("b", chunks: [one]), lab.keys)
        try await lab.store.discard(Discarded("b", chunks: [two], maps: [one]), lab.keys)
        let key = lab.keys.discarded("b")
        #expect(try await lab.store.discarded(at: key, lab.keys) == Discarded("b", chunks: [one, two], maps: [one]))
        try lab.damage(key)
        #expect(try await lab.store.discarded(at: key, lab.keys) == nil)
    }
}
