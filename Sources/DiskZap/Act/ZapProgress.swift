internal import Synchronization

/// The progress of a zap, readable from another thread, and a request to stop it.
public final class ZapProgress: Sendable {
    /// One moment.
    public struct Snapshot: Sendable, Hashable {
        /// What it is about: `taking down`, `erasing`, `verifying`, `done`.
        public var phase = "waiting"
        /// How much of it is done, in bytes.
        public var done: UInt64 = 0
        /// How much of that was done before the phase began here.
        public var before: UInt64 = 0
        /// How much there is to do in this phase, in bytes.
        public var total: UInt64 = 0
        /// When the phase began.
        public var since = ContinuousClock.now

        /// How fast it goes, in bytes a second.
        public var bytesPerSecond: Double {
            let seconds = (ContinuousClock.now - since) / .seconds(1)
            return seconds > 0 ? Double(done - before) / seconds : 0
        }

        /// The estimated remaining time; `nil` before anything is done.
        public var remaining: Duration? {
            let rate = bytesPerSecond
            guard rate > 0, total > done else { return nil }
            return .seconds(Double(total - done) / rate)
        }
    }

    private struct State {
        var snapshot = Snapshot()
        var begun = [Snapshot()]
        var isStopped = false
    }

    private let state = Mutex(State())

    /// Nothing done yet.
    public init() {}

    /// This moment.
    public var now: Snapshot { state.withLock(\.snapshot) }

    /// The phases that began since this was last asked, in order, each as it was then: a quick one is over before anybody
    /// looks.
    public func takeBegun() -> [Snapshot] {
        state.withLock { state in
            defer { state.begun = [] }
            return state.begun
        }
    }

    /// Asks to stop after the present chunk; the next zap continues.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// Whether somebody asked to stop.
    public var isStopped: Bool { state.withLock(\.isStopped) }

    func begin(_ phase: String, total: UInt64, done: UInt64 = 0) {
        state.withLock { state in
            state.snapshot = Snapshot(phase: phase, done: done, before: done, total: total)
            state.begun.append(state.snapshot)
        }
    }

    func advance(_ bytes: UInt64) { state.withLock { $0.snapshot.done += bytes } }
}
