internal import Glibc
internal import Synchronization

/// Blocking work on several devices at once.
public enum Threads {
    /// Runs every job on a thread of its own, at most `limit` at a time, and returns when all are done.
    ///
    /// See: pthread_create(3). The results stand in the order of the jobs.
    public static func run<Result: Sendable>(
        limit: Int,
        _ jobs: [@Sendable () -> Result]
    ) -> [Result] {
        let shared = SharedJobs(jobs)
        var threads: [pthread_t] = []
        for _ in 1..<max(1, min(limit, jobs.count)) {
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(shared).toOpaque()
            let result = pthread_create(
                &thread,
                nil,
                { argument in
                    guard let argument else { return nil }
                    (Unmanaged<AnyObject>.fromOpaque(argument).takeRetainedValue() as? any JobRunning)?.runAll()
                    return nil
                },
                argument
            )
            if result == 0 {
                threads.append(thread)
            } else {
                Unmanaged<SharedJobs<Result>>.fromOpaque(argument).release()
            }
        }
        shared.runAll()
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

private protocol JobRunning: AnyObject, Sendable {
    func runAll()
}

private final class SharedJobs<Result: Sendable>: JobRunning {
    private let jobs: [@Sendable () -> Result]
    private let state = Mutex<(next: Int, results: [Int: Result])>((0, [:]))

    init(_ jobs: [@Sendable () -> Result]) { self.jobs = jobs }

    func runAll() {
        while let index = state.withLock({ take(&$0.next) }) {
            let result = jobs[index]()
            state.withLock { $0.results[index] = result }
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
