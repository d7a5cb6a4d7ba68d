internal import Synchronization
internal import Volumes

/// Contents of chunks that were read a moment ago: of one that holds small parts, many windows of an image need it.
final class ChunkCache: Sendable {
    private struct State {
        var contents: [Digest: [UInt8]] = [:]
        var order: [Digest] = []
    }

    private let state = Mutex(State())
    private let store: BackupStore
    private let keys: BackupKeys

    /// So many are kept, of 4 MiB at most.
    private static let room = 48

    init(_ store: BackupStore, _ keys: BackupKeys) {
        self.store = store
        self.keys = keys
    }

    /// A chunk's content, checked.
    func content(of digest: Digest) async throws(VolumeError) -> [UInt8] {
        if let content = state.withLock({ $0.contents[digest] }) { return content }
        let content = try await store.content(of: digest, keys)
        state.withLock { state in
            guard state.contents.updateValue(content, forKey: digest) == nil else { return }
            state.order.append(digest)
            if state.order.count > Self.room { state.contents[state.order.removeFirst()] = nil }
        }
        return content
    }
}
