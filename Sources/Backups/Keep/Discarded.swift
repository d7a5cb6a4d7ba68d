internal import ExactText
internal import JSON
internal import Volumes

/// What a backup had that is removed or dropped, written down before its manifest or its plan goes.
///
/// It is the proof that chunks without a manifest are garbage: those of a manifest that was lost are in no such document.
struct Discarded: Sendable, Equatable {
    var backup: String
    var chunks: Set<Digest> = []
    var maps: Set<Digest> = []

    init(_ backup: String, chunks: Set<Digest> = [], maps: Set<Digest> = []) {
        self.backup = backup
        self.chunks = chunks
        self.maps = maps
    }

    /// The document, with its checksum.
    var bytes: [UInt8] {
        func names(_ digests: Set<Digest>) -> JSONValue {
            .array(digests.map(\.description).sorted().map { .string($0) })
        }
        return SignedDocument.bytes([("backup", .string(backup)), ("chunks", names(chunks)), ("maps", names(maps))])
    }

    /// Reads one, and checks it.
    init(parsing bytes: [UInt8]) throws(Damage) {
        func digests(_ names: [String]) throws(Damage) -> Set<Digest> {
            var digests: Set<Digest> = []
            for name in names {
                guard let digest = Digest(parsing: name) else { throw Damage("a name in it is no SHA-256") }
                digests.insert(digest)
            }
            return digests
        }
        let fields = try SignedDocument.fields(bytes)
        backup = try fields.text("backup")
        chunks = try digests(fields.list("chunks"))
        maps = try digests(fields.list("maps"))
    }
}

extension BackupStore {
    /// Adds to what is written down of a backup that goes.
    func discard(_ more: Discarded, _ keys: BackupKeys) async throws(VolumeError) {
        let key = keys.discarded(more.backup)
        var all = try await discarded(at: key, keys) ?? Discarded(more.backup)
        all.chunks.formUnion(more.chunks)
        all.maps.formUnion(more.maps)
        try await destination.put(Chunk.object(of: all.bytes), as: key)
    }

    /// Writes down what a backup has stored that is dropped: the chunks that it has added, and that no other one needs by now.
    func discard(
        chunksOf backup: String,
        _ marks: [String],
        of volume: VolumeID
    ) async throws(VolumeError) {
        // What another one needs that cannot be read now is unknown, so nothing is proven.
        guard let needed = try await chunks(neededBy: volume) else { return }
        let keys = BackupKeys(volume)
        let added = try await packs(ofMarks: marks, keys).filter { $0.addedBytes > 0 }
        let chunks = added.chunks.subtracting(needed)
        if !chunks.isEmpty { try await discard(Discarded(backup, chunks: chunks), keys) }
    }

    /// The chunks that the backups of a volume need; `nil` if that cannot be read of one.
    private func chunks(neededBy volume: VolumeID) async throws(VolumeError) -> Set<Digest>? {
        let listing = try await backups(of: volume)
        guard listing.damaged.isEmpty else { return nil }
        do throws(VolumeError) {
            return try await needs(of: listing.backups).chunks
        } catch {
            guard error.code == .dataLoss else { throw error }
            return nil
        }
    }

    /// Takes what a backup needs that is about to have its manifest out of all that is written down as discarded.
    ///
    /// That proves garbage also without the manifest, which may be lost for a while.
    func spare(
        _ map: BlockMap,
        _ name: Digest,
        for backup: String,
        _ keys: BackupKeys,
        _ lock: any DestinationLock
    ) async throws(VolumeError) {
        let chunks = map.chunks.map(\.digest)
        for key in try await destination.keys(below: keys.discards) {
            guard let before = try await discarded(at: key, keys) else { continue }
            var after = before
            after.chunks.subtract(chunks)
            // The map is its own until the manifest is there; with that, what is written down of it goes.
            if !key.isExactly(keys.discarded(backup)) { after.maps.remove(name) }
            guard after != before else { continue }
            try await lock.check()
            try await destination.put(Chunk.object(of: after.bytes), as: key)
        }
    }

    /// What is written down at a key; nothing if that is damaged, for then nothing proves anything.
    func discarded(at key: String, _ keys: BackupKeys) async throws(VolumeError) -> Discarded? {
        do throws(VolumeError) {
            let found = try await readingOne(of: keys) { () async throws(VolumeError) in
                try await destination.bytes(of: key)
            }
            guard let bytes = found,
                let content = try? Chunk.content(of: bytes, named: nil, most: Chunk.mostMapBytes)
            else { return nil }
            return try? Discarded(parsing: content)
        } catch {
            guard error.code == .dataLoss else { throw error }
            return nil
        }
    }
}
