internal import ExactText
import Synchronization

/// The operations under way, one for each key: a repeated call joins the running operation, a different call waits for
/// its turn.
///
/// An operation that fails for a cause that was removed meanwhile is repeated once; every operation may be repeated.
///
/// An operation does not belong to a request: when a caller's deadline passes or its connection breaks, the operation
/// continues, and the next caller joins it. So a deadline never leaves anything half-done.
public final class Operations: Sendable {
    /// An operation as others see it.
    public struct Description: Sendable {
        /// What it is, for a person: `create volume 'pvc-…'`.
        public let title: String
        /// Its step and the step's age.
        public let progress: OperationProgress.Snapshot
        /// How long it has been under way in all.
        public let age: Duration
    }

    private struct Entry: Sendable {
        let title: String
        let fingerprint: String
        let progress: OperationProgress
        let startedAt: ContinuousClock.Instant
        let outcome: Eventual<any Sendable>
        let obstacle: @Sendable () async -> String?
    }

    private let running = Mutex<[ExactText: Entry]>([:])
    private let ticket = Atomic<UInt64>(0)
    private let lastEnd = Mutex(ContinuousClock.now)
    private let observer: StepObserver?

    /// Makes an empty table.
    ///
    /// - Parameter observer: Called for every step of every operation.
    public init(observer: StepObserver? = nil) {
        self.observer = observer
    }

    /// What is under way now, oldest first.
    public var underWay: [Description] {
        running.withLock { Array($0.values) }
            .sorted { $0.startedAt < $1.startedAt }
            .map { Description(title: $0.title, progress: $0.progress.snapshot, age: .now - $0.startedAt) }
    }

    /// How long no operation has been under way; `nil` while one is.
    public var idle: Duration? {
        guard running.withLock({ $0.isEmpty }) else { return nil }
        return lastEnd.withLock { .now - $0 }
    }

    /// Runs `body` as the only operation on `key`, or joins the one that runs with the same fingerprint.
    ///
    /// - Parameters:
    ///   - title: The operation for a person: `create volume 'pvc-…'`.
    ///   - key: What it works on; one operation a key.
    ///   - fingerprint: Equal for calls that ask for the same; they share one run and its result.
    ///   - deadline: When this caller stops waiting; the operation itself continues.
    ///   - obstacle: Called when a caller's deadline is near, for this operation or for its turn behind it: says what the
    ///     operation may be waiting for, within seconds.
    ///   - body: The operation; it runs in a task of its own.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; `VolumeError` with `.deadlineExceeded` that tells the step and its age,
    ///   or `.aborted` when another operation held the key until then.
    public func run<R: Sendable>(
        _ title: String,
        on key: String,
        fingerprint: String,
        deadline: ContinuousClock.Instant,
        obstacle: @escaping @Sendable () async -> String? = { nil },
        _ body: @escaping @Sendable () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        let waitingSince = ContinuousClock.now
        while true {
            let (entry, isOurs) = startOrFind(title, on: key, fingerprint: fingerprint, obstacle, body)
            let reason = Eventual<String?>()
            let outcome = await Self.outcome(of: entry, until: deadline, reason)
            if isOurs || entry.fingerprint.isExactly(fingerprint) {
                guard let outcome else {
                    let waited = ContinuousClock.now - waitingSince
                    throw await Self.overdue(entry, waited: waited, reason)
                }
                guard let value = try outcome.get() as? R else {
                    throw VolumeError(.internal, "\(title) joined an operation of another kind on '\(key)'")
                }
                return value
            }
            guard outcome != nil else { throw await Self.busy(title, behind: entry, reason) }
        }
    }

    /// Runs `body` without a key, beside all other operations, for a caller that waits until `deadline`.
    ///
    /// - Parameters:
    ///   - title: The operation for a person.
    ///   - deadline: When the caller stops waiting.
    ///   - obstacle: As `run` has it.
    ///   - body: The operation; it must change nothing.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; `VolumeError` with `.deadlineExceeded`.
    public func runAlone<R: Sendable>(
        _ title: String,
        deadline: ContinuousClock.Instant,
        obstacle: @escaping @Sendable () async -> String? = { nil },
        _ body: @escaping @Sendable () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        let key = "\(title) #\(ticket.add(1, ordering: .relaxed).newValue)"
        return try await run(title, on: key, fingerprint: title, deadline: deadline, obstacle: obstacle, body)
    }

    private func startOrFind<R: Sendable>(
        _ title: String,
        on key: String,
        fingerprint: String,
        _ obstacle: @escaping @Sendable () async -> String?,
        _ body: @escaping @Sendable () async throws(VolumeError) -> R
    ) -> (entry: Entry, isOurs: Bool) {
        let key = ExactText(key)
        return running.withLock { running in
            if let entry = running[key] { return (entry, false) }
            let progress = OperationProgress(observer: observer)
            let entry = Entry(
                title: title,
                fingerprint: fingerprint,
                progress: progress,
                startedAt: .now,
                outcome: Eventual(),
                obstacle: obstacle
            )
            running[key] = entry
            Task {
                let outcome: Result<any Sendable, VolumeError>
                do throws(VolumeError) {
                    outcome = .success(
                        try await Self.withProgress(progress, body)
                    )
                } catch {
                    outcome = .failure(error)
                }
                // Removed from the table before the outcome is published, so that a later caller starts a new
                // operation.
                self.running.withLock { $0[key] = nil }
                self.lastEnd.withLock { $0 = .now }
                entry.outcome.resolve(outcome)
            }
            return (entry, true)
        }
    }

    private static func withProgress<R: Sendable>(
        _ progress: OperationProgress,
        _ body: @Sendable () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        let result: Result<R, VolumeError> = await OperationProgress.$current.withValue(progress) {
            do throws(VolumeError) {
                return .success(try await body())
            } catch {
                guard error.isMended else { return .failure(error) }
            }
            do throws(VolumeError) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func overdue(_ entry: Entry, waited: Duration, _ reason: Eventual<String?>) async -> VolumeError {
        let progress = entry.progress.snapshot
        let reason = await words(reason)
        return VolumeError(
            .deadlineExceeded,
            "\(entry.title) is not done after \(waited.seconds): \(progress.description) for \(progress.age.seconds)"
                + "\(reason); it goes on, a retry joins it"
        )
    }

    /// Who says what stands in the way takes seconds, of which a caller with a deadline has none to give.
    private static let patience = Duration.milliseconds(3500)
    /// How long a caller waits for it after his deadline.
    private static let grace = Duration.milliseconds(500)

    /// Waits for an operation, and asks what it may be waiting for, early enough for the answer to be there at the deadline.
    private static func outcome(
        of entry: Entry,
        until deadline: ContinuousClock.Instant,
        _ reason: Eventual<String?>
    ) async -> Eventual<any Sendable>.Outcome? {
        let now = ContinuousClock.now
        let begin = deadline - min(patience, max(.zero, deadline - now) * 4 / 5)
        // One timer in the usual case: it ends long before.
        if let outcome = await entry.outcome.value(until: begin) { return outcome }
        guard !Task.isCancelled else { return nil }
        Task { reason.resolve(.success(await entry.obstacle())) }
        return await entry.outcome.value(until: deadline)
    }

    /// What an operation may be waiting for, for the end of a sentence.
    private static func words(_ reason: Eventual<String?>) async -> String {
        guard case .success(let words?)? = await reason.value(until: .now + grace) else { return "" }
        return "; \(words)"
    }

    private static func busy(
        _ title: String,
        behind entry: Entry,
        _ reason: Eventual<String?>
    ) async -> VolumeError {
        let progress = entry.progress.snapshot
        let reason = await words(reason)
        return VolumeError(
            .aborted,
            "cannot \(title) yet: \(entry.title) has been under way for \((.now - entry.startedAt).seconds), "
                + "\(progress.description) for \(progress.age.seconds)\(reason); retry when it is done"
        )
    }
}
