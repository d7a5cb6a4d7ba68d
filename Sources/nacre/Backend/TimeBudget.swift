import Blocking
import Synchronization
import Volumes

/// The time that a command may take, `--timeout`: each of its steps has what those before it have left.
final class TimeBudget: Sendable {
    /// All of it.
    let limit: Duration
    private let end: Mutex<ContinuousClock.Instant>

    /// What is asked beside the command's own work gets a part of what is left.
    private static let part = 4

    /// Begins now.
    init(_ limit: Duration) {
        self.limit = limit
        end = Mutex(.now + limit)
    }

    /// When it is spent.
    var deadline: ContinuousClock.Instant { end.withLock(\.self) }

    /// When a question has to be given up that takes so long at most, and a quarter of what is left.
    func share(_ most: Duration) -> ContinuousClock.Instant {
        let now = ContinuousClock.now
        return now + max(.zero, min(most, (deadline - now) / Self.part))
    }

    /// When a question has to be given up that takes so long at most, and what is left.
    func rest(_ most: Duration) -> ContinuousClock.Instant { min(.now + most, deadline) }

    /// Begins anew, for what is done again and again.
    func renew() {
        end.withLock { $0 = .now + limit }
    }

    /// Runs what takes a person's time, which does not count.
    func pausing<R>(_ body: () async throws -> R) async rethrows -> R {
        let start = ContinuousClock.now
        defer {
            let spent = ContinuousClock.now - start
            end.withLock { $0 += spent }
        }
        return try await body()
    }
}

/// What `body` answers until a deadline, and little more, for what ends with its own time to say what it found.
///
/// It is left behind then: librados cannot be interrupted, and this process ends soon.
///
/// - Parameters:
///   - deadline: Until when.
///   - body: Calls that may know no deadline.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws; `VolumeError` with `.deadlineExceeded`.
func answered<R: Sendable>(
    by deadline: ContinuousClock.Instant,
    _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    let outcome = await bounded(until: deadline + .milliseconds(500)) { () async -> Result<R, any Error> in
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
    guard let outcome else { throw VolumeError(.deadlineExceeded, "no answer came in the time that --timeout gives") }
    return try outcome.get()
}
