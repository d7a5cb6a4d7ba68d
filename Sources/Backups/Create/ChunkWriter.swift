internal import Synchronization
internal import Volumes

/// Stores chunks, each once in a run, and writes those anew that lie there damaged.
final class ChunkWriter: Sendable {
    /// What has to be done for a chunk.
    enum Deed: Sendable {
        /// It is there and whole, or another part of this run does what has to be done.
        case nothing
        /// It is not there.
        case store
        /// It is there, and damaged.
        case mend
    }

    private struct State {
        /// Those of which this run knows that they are whole, or sees to it.
        var seenTo: Set<Digest> = []
        /// Those that were read, and are damaged.
        var damaged: Set<Digest> = []
        var mended = 0
    }

    private let store: BackupStore
    private let keys: BackupKeys
    private let there: Set<Digest>
    private let state = Mutex(State())

    /// `there` are the chunks that have a name there, whole or not.
    init(_ store: BackupStore, _ keys: BackupKeys, there: Set<Digest>) {
        self.store = store
        self.keys = keys
        self.there = there
    }

    /// How many damaged ones were written anew.
    var mended: Int { state.withLock { $0.mended } }

    /// Whether there is a chunk of that name, whole or not.
    func isThere(_ digest: Digest) -> Bool { there.contains(digest) }

    /// Whether a chunk that an earlier run has stored is still there, and whole.
    func isStored(_ digest: Digest) async throws(VolumeError) -> Bool {
        guard there.contains(digest) else { return false }
        if state.withLock({ $0.seenTo.contains(digest) }) { return true }
        guard try await store.isWhole(digest, keys) else {
            _ = state.withLock { $0.damaged.insert(digest) }
            return false
        }
        _ = state.withLock { $0.seenTo.insert(digest) }
        return true
    }

    /// What has to be done for a chunk; whoever asks first does it.
    func deed(for digest: Digest) async throws(VolumeError) -> Deed {
        guard state.withLock({ $0.seenTo.insert(digest).inserted }) else { return .nothing }
        guard there.contains(digest) else { return .store }
        if state.withLock({ $0.damaged.contains(digest) }) { return .mend }
        // It is read: a name alone would keep what is damaged for all backups to come.
        return try await store.isWhole(digest, keys) ? .nothing : .mend
    }

    /// Does it.
    func carryOut(_ deed: Deed, _ object: [UInt8], _ digest: Digest) async throws(VolumeError) {
        switch deed {
        case .nothing: return
        case .store: try await store.destination.put(object, as: keys.chunk(digest))
        case .mend:
            try await store.destination.put(object, as: keys.chunk(digest))
            state.withLock { $0.mended += 1 }
        }
    }
}
