internal import ExactText
internal import Volumes

extension BackupStore {
    /// What lies at a place that nothing needs, by its keys.
    struct Leftovers: Sendable {
        /// Chunks and maps that were those of backups which were removed or dropped.
        var garbage: [String] = []
        /// Chunks and maps of which nothing says whose they are.
        var unknown: [String] = []
        /// What says of the garbage that it is such.
        var documents: [String] = []
    }

    /// The backups that were begun, and are neither done nor dropped.
    func begun(_ keys: BackupKeys) async throws(VolumeError) -> Set<String> {
        Set(
            try await destination.keys(below: keys.partials).compactMap { key in
                key.behind(keys.partials)?.parts(at: "/").first
            }
        )
    }

    /// Looks for what nothing needs.
    ///
    /// - Parameters:
    ///   - keys: The volume's.
    ///   - used: What is needed.
    ///   - begun: The backups that were begun: what is written down of one may be needed when it goes on.
    /// - Returns: What was found. A document that cannot be read stays: it may be read another time.
    /// - Throws: `VolumeError`.
    func leftovers(
        _ keys: BackupKeys,
        _ used: Used,
        begun: Set<String>
    ) async throws(VolumeError) -> Leftovers {
        var leftovers = Leftovers()
        var garbage = Used()
        var open = Used()
        for key in try await destination.keys(below: keys.discards) {
            guard let discarded = try await discarded(at: key, keys) else { continue }
            guard !begun.contains(discarded.backup) else {
                open.chunks.formUnion(discarded.chunks)
                open.maps.formUnion(discarded.maps)
                continue
            }
            garbage.chunks.formUnion(discarded.chunks)
            garbage.maps.formUnion(discarded.maps)
            leftovers.documents.append(key)
        }
        for (prefix, used, garbage) in [
            (keys.chunks, used.chunks.union(open.chunks), garbage.chunks),
            (keys.maps, used.maps.union(open.maps), garbage.maps),
        ] {
            for key in try await destination.keys(below: prefix) {
                // What has another name is nobody's.
                guard let digest = key.parts(at: "/").last.flatMap({ Digest(parsing: $0) }), !used.contains(digest)
                else { continue }
                if garbage.contains(digest) { leftovers.garbage.append(key) } else { leftovers.unknown.append(key) }
            }
        }
        return leftovers
    }
}

extension [StoredPack] {
    /// The chunks that they lie in.
    var chunks: Set<Digest> { reduce(into: []) { $0.formUnion($1.pieces.map(\.chunk.digest)) } }
}
