internal import Synchronization

/// What a backup, a restore or a check does now, for a person who waits.
public final class BackupProgress: Sendable {
    private struct State {
        var phrase: String?
        var done: UInt64 = 0
        var total: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Nothing is done yet.
    public init() {}

    /// What is done now: `reading, 120 MiB of 2048 MiB`.
    public var phrase: String? {
        state.withLock { state in
            guard state.total > 0 else { return state.phrase }
            return "\(state.phrase ?? ""), \(state.done >> 20) of \(state.total >> 20) MiB"
        }
    }

    /// Begins something else; `total` is how many bytes it is about, 0 if that is not known.
    func enter(_ phrase: String, total: UInt64 = 0) {
        state.withLock { $0 = State(phrase: phrase, total: total) }
    }

    /// So many bytes more are done.
    func add(_ bytes: UInt64) {
        state.withLock { $0.done += bytes }
    }
}
