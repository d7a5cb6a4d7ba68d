import Testing
import Volumes

@testable import Backups

/// Objects that a server does not give, beside servers that give nothing.
@Suite("Backups at a place that fails in part")
struct OutageTests {
    private static let contents = (1...3).map { [UInt8](repeating: UInt8($0), count: 4096) }

    private func lab(_ code: VolumeError.Code = .unavailable) async throws -> (StoreLab, FaultyPlace) {
        var faulty: FaultyPlace?
        let lab = try await StoreLab { inner in
            let place = FaultyPlace(inner, code)
            faulty = place
            return place
        }
        return (lab, try #require(faulty))
    }

    @Test("A chunk that a server never gives is written anew; a server that is down stops the backup")
    func mend() async throws {
        for code in [VolumeError.Code.unavailable, .internal] {
            let (lab, place) = try await lab(code)
            try await lab.backup(1, Self.contents)
            let digest = Digest(of: Self.contents[0])
            place.fail(lab.keys.chunk(digest))
            let chunks = ChunkWriter(lab.store, lab.keys, there: try await lab.store.chunks(lab.keys))
            #expect(try await chunks.deed(for: digest) == .mend)
            place.goDown()
            await #expect {
                _ = try await chunks.deed(for: Digest(of: Self.contents[1]))
            } throws: {
                ($0 as? VolumeError)?.code == code
            }
        }
        // The first backup has no manifest yet.
        let (lab, place) = try await lab()
        let one = try await lab.backup(1, Self.contents)
        try await lab.store.destination.remove(lab.keys.manifest(one.id))
        place.fail(lab.keys.chunk(Digest(of: Self.contents[2])))
        #expect(try await !lab.store.isWhole(Digest(of: Self.contents[2]), lab.keys))
    }

    @Test("After a short outage nothing is called damaged; what a server never gives is")
    func verify() async throws {
        let (lab, place) = try await lab()
        let backup = try await lab.backup(1, Self.contents)
        for content in Self.contents { place.fail(lab.keys.chunk(Digest(of: content)), times: 1) }
        place.fail(lab.keys.map(backup.map), times: 1)
        let short = try await lab.store.verify(nil, lab.progress)
        #expect(short.chunks == 3 && short.faults == [], "\(short)")
        place.fail(lab.keys.chunk(Digest(of: Self.contents[1])))
        let long = try await lab.store.verify(nil, lab.progress)
        #expect(long.chunks == 3 && long.faults.count == 1, "\(long)")
        #expect(long.faults.first?.contains("it held bytes ") == true, "\(long)")
    }

    @Test("A chain goes on whose file the disk does not read; without a manifest a new one begins, and it is said")
    func chain() async throws {
        let (lab, place) = try await lab(.dataLoss)
        let backup = try await lab.backup(1, Self.contents)
        let well = try await lab.store.chain(of: lab.volume, after: backup)
        #expect(well.id == "c" && well.note == nil, "\(well)")
        place.fail(lab.keys.chain, times: 1)
        let kept = try await lab.store.chain(of: lab.volume, after: backup)
        #expect(kept.id == "c" && kept.note?.contains("the manifest of backup \(backup.id)") == true, "\(kept)")
        try lab.damage(lab.keys.chain)
        #expect(try await lab.store.chain(of: lab.volume, after: backup).id == "c")
        let mended = try await lab.store.chain(of: lab.volume, after: nil)
        #expect(mended.id == "c" && mended.note == nil, "\(mended)")
        try lab.damage(lab.keys.chain)
        let new = try await lab.store.chain(of: lab.volume, after: nil)
        #expect(new.id != "c" && new.note?.contains("nacre backup forget") == true, "\(new)")
        // A place that lacks it begins anew, though manifests were copied there.
        try await lab.store.destination.remove(lab.keys.chain)
        let copied = try await lab.store.chain(of: lab.volume, after: backup)
        #expect(copied.id != "c" && copied.note == nil, "\(copied)")
    }
}
