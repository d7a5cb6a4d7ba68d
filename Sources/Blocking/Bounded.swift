internal import Synchronization

/// Waits for `body`, at most for `limit`; then returns `nil`, and `body` continues on its own.
package func bounded<R: Sendable>(
    until limit: ContinuousClock.Instant,
    _ body: @escaping @Sendable () async -> R
) async -> R? {
    let gate = Gate<R>()
    Task { gate.open(await body()) }
    let timer = Task {
        try? await Task.sleep(until: limit, clock: .continuous)
        gate.open(nil)
    }
    defer { timer.cancel() }
    return await gate.value()
}

/// Resumes one waiter with the first value that arrives.
private final class Gate<Value: Sendable>: Sendable {
    private enum State {
        case closed
        case awaited(CheckedContinuation<Value?, Never>)
        case open(Value?)
    }

    private let state = Mutex(State.closed)

    func open(_ value: Value?) {
        let waiter = state.withLock { state -> CheckedContinuation<Value?, Never>? in
            switch state {
            case .closed:
                state = .open(value)
                return nil
            case .awaited(let waiter):
                state = .open(value)
                return waiter
            case .open: return nil
            }
        }
        waiter?.resume(returning: value)
    }

    func value() async -> Value? {
        await withCheckedContinuation { continuation in
            let value = state.withLock { state -> Value?? in
                guard case .open(let value) = state else {
                    state = .awaited(continuation)
                    return nil
                }
                return .some(value)
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
