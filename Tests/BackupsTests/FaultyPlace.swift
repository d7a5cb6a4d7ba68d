import Synchronization
import Volumes

@testable import Backups

/// A place whose server does not give some objects, for a time or for ever.
final class FaultyPlace: BackupDestination {
    private struct State {
        /// How many reads of an object fail yet.
        var faults: [String: Int] = [:]
        var isDown = false
    }

    private let inner: any BackupDestination
    private let code: VolumeError.Code
    private let state = Mutex(State())

    init(_ inner: any BackupDestination, _ code: VolumeError.Code = .unavailable) {
        self.inner = inner
        self.code = code
    }

    /// Lets the next reads of an object fail.
    func fail(_ key: String, times: Int = .max) { state.withLock { $0.faults[key] = times } }

    /// Lets every read fail.
    func goDown() { state.withLock { $0.isDown = true } }

    var name: String { inner.name }

    func bytes(of key: String) async throws(VolumeError) -> [UInt8]? {
        let isFault = state.withLock { state in
            guard let left = state.faults[key], left > 0 else { return state.isDown }
            state.faults[key] = left - 1
            return true
        }
        guard !isFault else { throw VolumeError(code, "cannot read '\(key)'") }
        return try await inner.bytes(of: key)
    }

    func put(_ bytes: [UInt8], as key: String) async throws(VolumeError) { try await inner.put(bytes, as: key) }

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
