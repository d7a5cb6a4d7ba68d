import Synchronization

/// An outcome that is set once and that many callers can wait for, each until its own deadline.
final class Eventual<Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, VolumeError>

    private struct State {
        var outcome: Outcome?
        var waiters: [UInt64: CheckedContinuation<Outcome?, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Sets the outcome for all present and later waiters; a second call is a bug.
    func resolve(_ outcome: Outcome) {
        let waiters = state.withLock { state in
            precondition(state.outcome == nil, "an operation ended twice")
            state.outcome = outcome
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }

    /// Waits for the outcome; returns `nil` at `deadline` and if the task is cancelled.
    func value(until deadline: ContinuousClock.Instant) async -> Outcome? {
        let ticket = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task {
            try? await Task.sleep(until: deadline, clock: .continuous)
            giveUp(ticket)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enroll(ticket, continuation)
                // The timer or the cancellation may have come before the ticket was registered.
                if Task.isCancelled || .now >= deadline { giveUp(ticket) }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    private func enroll(_ ticket: UInt64, _ continuation: CheckedContinuation<Outcome?, Never>) {
        let outcome = state.withLock { state -> Outcome? in
            if state.outcome == nil { state.waiters[ticket] = continuation }
            return state.outcome
        }
        if let outcome { continuation.resume(returning: outcome) }
    }

    private func giveUp(_ ticket: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume(returning: nil)
    }
}
