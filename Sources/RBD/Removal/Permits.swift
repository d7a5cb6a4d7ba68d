internal import Synchronization

/// A number of permits; a caller waits in line while none is free.
///
/// Removals that share the permits get equal shares, because each has only few callers in line.
public final class Permits: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
        var first = 0
    }

    private let state: Mutex<State>

    /// Makes `count` permits, 1 or more.
    public init(_ count: Int) {
        state = Mutex(State(free: count))
    }

    /// Runs `body` with a permit.
    func withOne<R, Failure: Error>(_ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        await take()
        defer { giveBack() }
        return try await body()
    }

    private func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.first < state.waiting.count else {
                state.free += 1
                return nil
            }
            defer {
                state.first += 1
                if state.first > 64, state.first * 2 > state.waiting.count {
                    state.waiting.removeFirst(state.first)
                    state.first = 0
                }
            }
            return state.waiting[state.first]
        }
        next?.resume()
    }
}
