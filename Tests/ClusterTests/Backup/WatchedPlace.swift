import Synchronization
import Volumes

@testable import Backups

/// A place that notes which chunks are written and read, and after so many gives or takes no more.
final class WatchedPlace: BackupDestination {
    /// What was done with a chunk.
    enum Deed: Sendable, Hashable { case read, written }

    private let inner: any BackupDestination
    private let most: [Deed: Int]
    private let log = Mutex<[Deed]>([])

    init(_ inner: any BackupDestination, most: [Deed: Int] = [:]) {
        self.inner = inner
        self.most = most
    }

    /// What was done, in its order.
    var deeds: [Deed] { log.withLock(\.self) }

    private func note(_ deed: Deed, _ key: String) throws(VolumeError) {
        guard key.contains("/chunks/") else { return }
        let isTooMuch = log.withLock { log in
            guard log.count(where: { $0 == deed }) < most[deed] ?? .max else { return true }
            log.append(deed)
            return false
        }
        if isTooMuch { throw VolumeError(.resourceExhausted, "the window of time is over") }
    }

    var name: String { inner.name }

    func bytes(of key: String) async throws(VolumeError) -> [UInt8]? {
        try note(.read, key)
        return try await inner.bytes(of: key)
    }

    func put(_ bytes: [UInt8], as key: String) async throws(VolumeError) {
        try note(.written, key)
        try await inner.put(bytes, as: key)
    }

    func keys(below prefix: String) async throws(VolumeError) -> [String] { try await inner.keys(below: prefix) }

    func sizes(below prefix: String) async throws(VolumeError) -> [String: UInt64] {
        try await inner.sizes(below: prefix)
    }

    func remove(_ key: String) async throws(VolumeError) { try await inner.remove(key) }

    func tidy(below prefixes: [String]) async throws(VolumeError) { try await inner.tidy(below: prefixes) }

    func lock(
        _ key: String,
        for owner: String,
        waiting: @Sendable (String) -> Void
    ) async throws(VolumeError) -> any DestinationLock {
        try await inner.lock(key, for: owner, waiting: waiting)
    }
}
