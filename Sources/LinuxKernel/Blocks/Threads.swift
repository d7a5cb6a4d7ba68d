internal import Glibc
internal import Synchronization

/// Blocking work on several devices at once.
public enum Threads {
    /// Runs jobs on threads, at most `limit` at a time, and returns when all are done.
    ///
    /// The caller's thread starts with the first job, and each other thread with the next one; a thread that is done
    /// takes a remaining job. So jobs within the limit have the same thread in every run.
    ///
    /// See: pthread_create(3). The results stand in the order of the jobs.
    public static func run<Result: Sendable>(
        limit: Int,
        _ jobs: [@Sendable () -> Result]
    ) -> [Result] {
        guard !jobs.isEmpty else { return [] }
        let width = max(1, min(limit, jobs.count))
        let shared = SharedJobs(jobs, next: width)
        let threads = (1..<width).compactMap { first in startThread(isJoined: true) { shared.run(from: first) } }
        shared.run(from: 0)
        for thread in threads { pthread_join(thread, nil) }
        return shared.results()
    }

    /// Has this thread wait.
    public static func pause(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
    }
}

private final class SharedJobs<Result: Sendable>: Sendable {
    private let jobs: [@Sendable () -> Result]
    private let state: Mutex<(next: Int, results: [Int: Result])>

    init(_ jobs: [@Sendable () -> Result], next: Int) {
        self.jobs = jobs
        state = Mutex((next, [:]))
    }

    func run(from first: Int) {
        var index: Int? = first
        while let now = index {
            let result = jobs[now]()
            index = state.withLock { state in
                state.results[now] = result
                return take(&state.next)
            }
        }
    }

    func results() -> [Result] {
        state.withLock { state in jobs.indices.compactMap { state.results[$0] } }
    }

    private func take(_ next: inout Int) -> Int? {
        guard next < jobs.count else { return nil }
        defer { next += 1 }
        return next
    }
}
