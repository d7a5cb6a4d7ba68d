internal import Synchronization

/// Whether the loops of a process go on: what `/livez` answers, and whether kubelet starts the process anew.
///
/// A kernel takes connections for a process that hangs, and a thread that writes answers may be well where those that work
/// are not. So every loop says in each round that it goes on. A cluster that is away stops none: calls to Ceph and to the
/// API server have deadlines, and a loop waits for none of longer work. A restart would not mend the cluster either.
package final class Liveness: Sendable {
    /// A loop that did not say for too long that it goes on.
    package struct Stall: Sendable, Hashable {
        /// The loop's name.
        package let loop: String
        /// For how long it said nothing.
        package let silence: Duration
    }

    /// What one loop says it by; a copy speaks for the same loop.
    package struct Loop: Sendable {
        fileprivate let liveness: Liveness
        fileprivate let name: String

        /// Says that the loop goes on.
        package func goesOn() { liveness.note(name) }

        /// Says that it has ended, or need not go on for now.
        package func rests() { liveness.forget(name) }
    }

    private struct State {
        var limit: Duration
        var last: ContinuousClock.Instant
    }

    private let states = Mutex<[String: State]>([:])
    private let limits = Mutex<[String: Duration]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    /// Watches nothing yet.
    ///
    /// - Parameter now: The clock; another in tests.
    package init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) { self.now = now }

    /// A loop that is watched from its first word on.
    ///
    /// - Parameters:
    ///   - name: In words: `the queue of claims`.
    ///   - limit: For how long it may say nothing: well above what a round takes, deadlines of its calls included.
    /// - Returns: What it says it by.
    package func loop(_ name: String, limit: Duration = .seconds(120)) -> Loop {
        limits.withLock { $0[name] = limit }
        return Loop(liveness: self, name: name)
    }

    /// The loops that hang, by name; none in a process that is well.
    package var stalls: [Stall] {
        let now = now()
        return states.withLock { states in
            states.filter { now - $0.value.last > $0.value.limit }
                .map { Stall(loop: $0.key, silence: now - $0.value.last) }
        }
        .sorted { $0.loop < $1.loop }
    }

    private func note(_ name: String) {
        let limit = limits.withLock { $0[name] } ?? .seconds(120)
        let now = now()
        states.withLock { $0[name] = State(limit: limit, last: now) }
    }

    private func forget(_ name: String) { states.withLock { $0[name] = nil } }
}
