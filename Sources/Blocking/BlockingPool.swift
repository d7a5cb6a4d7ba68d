internal import NIOPosix
import Synchronization

/// A fixed number of threads for calls that block, such as librbd calls, ioctls and mounts.
///
/// Each Ceph cluster has its own pool, so that a cluster which does not answer stalls neither another cluster nor the
/// node's own calls. A blocked thread cannot be cancelled; only the library's own time limits bound it. Therefore the
/// number of threads is fixed, and the length of the queue is a metric.
public final class BlockingPool: Sendable {
    /// What a pool has to do at one moment.
    public struct Load: Sendable, Hashable {
        /// Threads in the pool.
        public let threads: Int
        /// Calls that run now, at most `threads`.
        public let running: Int
        /// Calls that wait for a thread.
        public let queued: Int
    }

    private let pool: NIOThreadPool
    private let threads: Int
    private let submitted = Atomic<Int>(0)
    private let started = Atomic<Int>(0)
    private let finished = Atomic<Int>(0)

    /// Starts `threads` threads.
    ///
    /// - Parameter threads: 1 or more.
    public init(threads: Int) {
        self.threads = threads
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    deinit {
        // It must not wait: one of the pool's own threads may drop the last reference.
        pool.shutdownGracefully { _ in }
    }

    /// What the pool has to do now.
    public var load: Load {
        let finished = finished.load(ordering: .relaxed)
        let started = max(started.load(ordering: .relaxed), finished)
        let submitted = max(submitted.load(ordering: .relaxed), started)
        return Load(threads: threads, running: min(threads, started - finished), queued: submitted - started)
    }

    /// Runs `work` on a thread of the pool and waits for it, also when the task is cancelled.
    public func run<R: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> R
    ) async throws(Failure) -> R {
        submitted.add(1, ordering: .relaxed)
        let outcome: Result<R, Failure> = await withCheckedContinuation { continuation in
            pool.submit { _ in
                // The pool's state is not checked: while it shuts down, callers still get an answer.
                self.started.add(1, ordering: .relaxed)
                let outcome: Result<R, Failure>
                do throws(Failure) {
                    outcome = .success(try work())
                } catch {
                    outcome = .failure(error)
                }
                self.finished.add(1, ordering: .relaxed)
                continuation.resume(returning: outcome)
            }
        }
        return try outcome.get()
    }
}
