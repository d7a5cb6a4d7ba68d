import Synchronization

/// One step of an operation: it is reported to waiting callers, and the crash tests kill the process there.
public protocol OperationStep: Sendable {
    /// The step's name in the crash matrix: `creatingImage`.
    var name: String { get }
    /// What is going on, for a person: `creating image`.
    var phrase: String { get }
}

/// The progress of an operation: its current step and when it began.
///
/// The operation enters steps; callers that wait for it, or time out, read them.
public final class OperationProgress: Sendable {
    /// The step that is under way.
    public struct Snapshot: Sendable {
        /// The step, for a person: `creating image 'replicapool/csi-vol-…'`.
        public let description: String
        /// How long it has been under way.
        public let age: Duration
    }

    /// The progress of the operation that this task works for, if any.
    @TaskLocal public static var current: OperationProgress?

    private struct State {
        var description: String
        var since: ContinuousClock.Instant
    }

    private let state: Mutex<State>
    private let observer: StepObserver?

    /// Starts at "waiting to start".
    public init(observer: StepObserver? = nil) {
        state = Mutex(State(description: "waiting to start", since: .now))
        self.observer = observer
    }

    /// Records that `step` begins now, on `subject`; the step before it is done.
    public func enter(_ step: some OperationStep, _ subject: String = "") {
        let description = subject.isEmpty ? step.phrase : "\(step.phrase) '\(subject)'"
        state.withLock { $0 = State(description: description, since: .now) }
        observer?(step)
    }

    /// The step under way and its age.
    public var snapshot: Snapshot {
        state.withLock { Snapshot(description: $0.description, age: .now - $0.since) }
    }
}

/// Called for every step when it begins; the crash tests use it.
public typealias StepObserver = @Sendable (any OperationStep) -> Void

/// Records that `step` begins in the operation of this task; does nothing outside of an operation.
public func enter(_ step: some OperationStep, _ subject: String = "") {
    OperationProgress.current?.enter(step, subject)
}
