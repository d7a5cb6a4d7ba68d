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
        var all = try await discarded(at: key) ?? Discarded(more.backup)
        all.chunks.formUnion(more.chunks)
        all.maps.formUnion(more.maps)
        try await destination.put(Chunk.object(of: all.bytes), as: key)
    }

    /// What is written down at a key; nothing if that is damaged, for then nothing proves anything.
    func discarded(at key: String) async throws(VolumeError) -> Discarded? {
        do throws(VolumeError) {
            guard let bytes = try await destination.bytes(of: key),
                let content = try? Chunk.content(of: bytes, named: nil, most: Chunk.mostMapBytes)
            else { return nil }
            return try? Discarded(parsing: content)
        } catch {
            guard error.code == .dataLoss else { throw error }
            return nil
        }
    }
}
