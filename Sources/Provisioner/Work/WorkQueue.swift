internal import KubernetesAPI
internal import Synchronization

/// Keys to work on: each only once at a time, a limited number at once, and again after a growing wait if it failed.
final class WorkQueue: Sendable {
    /// What came of a key.
    enum Outcome: Sendable {
        /// Nothing more to do.
        case done
        /// It failed; again after the next wait.
        case retry
        /// Again after this long.
        case after(Duration)
    }

    private struct State {
        var ready: [String] = []
        var head = 0
        var isReady: Set<String> = []
        var running: Set<String> = []
        /// Asked for again while it ran.
        var again: Set<String> = []
        var waits: [String: Backoff] = [:]
        var delayed: [String: ContinuousClock.Instant] = [:]
        var isStopped = false
        var waiter: CheckedContinuation<String?, Never>?

        var isIdle: Bool { isReady.isEmpty && running.isEmpty }

        mutating func pop() -> String? {
            guard head < ready.count else { return nil }
            let key = ready[head]
            head += 1
            if head > 1024, head > ready.count / 2 {
                ready.removeFirst(head)
                head = 0
            }
            isReady.remove(key)
            running.insert(key)
            return key
        }
    }

    private let state = Mutex(State())
    private let parallel: Int
    private let backoff: Backoff
    private let progress: WorkProgress
    private let work: @Sendable (String) async -> Outcome

    init(
        parallel: Int,
        backoff: Backoff,
        progress: WorkProgress = .unwatched,
        work: @escaping @Sendable (String) async -> Outcome
    ) {
        self.parallel = parallel
        self.backoff = backoff
        self.progress = progress
        self.work = work
    }

    /// Waiting keys, without those that wait after a failure.
    var length: Int { state.withLock { $0.isReady.count } }

    /// Keys that are worked on.
    var running: Int { state.withLock { $0.running.count } }

    /// Keys that wait after a failure.
    var delayed: Int { state.withLock { $0.delayed.count } }

    /// Wants a key worked on, at once.
    func add(_ key: String) {
        let start = state.withLock { state -> (CheckedContinuation<String?, Never>, String)? in
            state.delayed[key] = nil
            guard !state.running.contains(key) else {
                state.again.insert(key)
                return nil
            }
            // What comes while others wait is no progress.
            if state.isIdle, !state.isStopped { progress.goesOn() }
            guard state.isReady.insert(key).inserted else { return nil }
            state.ready.append(key)
            return Self.handOver(&state, parallel)
        }
        start?.0.resume(returning: start?.1)
    }

    /// Starts no more keys; those under way are completed.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            progress.rests()
            return state.waiter.take()
        }?.resume(returning: nil)
    }

    /// Works until `stop`, then until the work under way has ended.
    func run() async {
        await withDiscardingTaskGroup { group in
            while let key = await next() {
                group.addTask { await self.perform(key) }
            }
        }
    }

    private func next() async -> String? {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state -> (CheckedContinuation<String?, Never>, String?)? in
                guard !state.isStopped else { return (continuation, nil) }
                state.waiter = continuation
                return Self.handOver(&state, parallel).map { ($0.0, $0.1) }
            }
            now?.0.resume(returning: now?.1)
        }
    }

    private static func handOver(_ state: inout State, _ parallel: Int) -> (
        CheckedContinuation<String?, Never>, String
    )? {
        guard state.waiter != nil, state.running.count < parallel, let key = state.pop() else { return nil }
        guard let waiter = state.waiter.take() else { return nil }
        return (waiter, key)
    }

    private func perform(_ key: String) async {
        let outcome = await work(key)
        let (start, due) = state.withLock { state in
            state.running.remove(key)
            var due: ContinuousClock.Instant?
            switch outcome {
            case .done:
                state.waits[key] = nil
            case .retry:
                var backoff = state.waits[key] ?? self.backoff
                due = .now + backoff.next()
                state.waits[key] = backoff
            case .after(let wait):
                due = .now + wait
            }
            if state.again.remove(key) != nil {
                due = nil
                if state.isReady.insert(key).inserted { state.ready.append(key) }
            }
            if state.isIdle || state.isStopped { progress.rests() } else { progress.goesOn() }
            if let due { state.delayed[key] = due }
            return (Self.handOver(&state, parallel), due)
        }
        start?.0.resume(returning: start?.1)
        if let due { wake(key, at: due) }
    }

    private func wake(_ key: String, at due: ContinuousClock.Instant) {
        Task { [weak self] in
            try? await Task.sleep(until: due, clock: .continuous)
            guard let self, state.withLock({ $0.delayed[key] == due && !$0.isStopped }) else { return }
            add(key)
        }
    }
}
