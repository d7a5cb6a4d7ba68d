internal import Blocking
internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import Synchronization

/// A process that removes images for this one; it ends when its pipe is closed, and so with this process.
final class RemovalProcess: Sendable {
    private struct Job {
        let continuation: CheckedContinuation<RemovalOutcome, Never>
        let progress: RemovalProgress
    }

    private struct State {
        var jobs: [UInt64: Job] = [:]
        var nextTicket: UInt64 = 0
        var lastUse = ContinuousClock.now
        var lastWord = ContinuousClock.now
        /// How it ended, once it has.
        var ending: String?
        var isDismissed = false
    }

    /// A process that is silent for this long hangs: normally it reports every few seconds.
    private static let longestSilence = Duration.seconds(120)

    let pid: Int32
    private let state = Mutex(State())
    private let toProcess: Mutex<OwnedDescriptor?>
    /// One thread reads and one writes, because a stopped process does not read its orders.
    private let threads = BlockingPool(threads: 2)

    /// Starts it.
    ///
    /// - Parameters:
    ///   - command: A program and arguments that run `RemovalProcessMain.run()`.
    ///   - setting: What it is told first.
    ///   - ended: Called with how it ended, if it was not asked to end.
    /// - Throws: `KernelError` when it cannot be started.
    init(
        _ command: [String],
        _ setting: RemovalSetting,
        ended: @escaping @Sendable (String) -> Void
    ) throws(KernelError) {
        let there = try Ends(), back = try Ends()
        pid = try ProcessControl.spawn(
            command.first ?? "/proc/self/exe",
            isDetached: false,
            arguments: command,
            // Ceph's variables are not passed on.
            environment: ProcessControl.inheritedEnvironment(and: "NACRE_CRASH_AT"),
            descriptors: [there.readEnd.rawValue, 2, 2, back.writeEnd.rawValue]
        )
        try there.writeEnd.writeAll(setting.line())
        toProcess = Mutex(there.writeEnd)
        let reader = Reader(descriptor: back.readEnd)
        let pid = pid
        Task { [self] in
            let ending = await threads.run { () -> String in
                var lines = LineReader(reader.descriptor.rawValue)
                while let line = lines.next() { self.take(line) }
                return ProcessControl.ending(of: pid)
            }
            if end(ending) { ended(ending) }
        }
    }

    /// Whether it can be given work.
    var isRunning: Bool { state.withLock { $0.ending == nil && !$0.isDismissed } }

    /// Has it remove an image.
    func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome {
        await withCheckedContinuation { continuation in
            let ticket = state.withLock { state -> UInt64? in
                guard state.ending == nil, !state.isDismissed else { return nil }
                state.nextTicket += 1
                state.lastUse = .now
                if state.jobs.isEmpty { state.lastWord = .now }
                state.jobs[state.nextTicket] = Job(continuation: continuation, progress: progress)
                return state.nextTicket
            }
            guard let ticket else {
                return continuation.resume(returning: .blocked("the process that would remove it has just ended"))
            }
            Task {
                // The answer, or the end of the process, shows whether it arrived.
                await threads.run {
                    let line = RemovalOrder(image, ticket: ticket).line()
                    self.toProcess.withLock { pipe in try? pipe?.writeAll(line) }
                }
            }
        }
    }

    /// Ends it if it was idle for `limit` or if it hangs.
    func review(idleLimit limit: Duration) {
        let (isIdle, hangs) = state.withLock { state in
            let isIdle = state.jobs.isEmpty && .now - state.lastUse > limit
            if isIdle { state.isDismissed = true }
            return (isIdle, !state.jobs.isEmpty && .now - state.lastWord > Self.longestSilence && state.ending == nil)
        }
        if isIdle { closeLine() }
        if hangs { kill(pid, SIGKILL) }
    }

    /// Has it end, whatever it does.
    func dismiss() {
        state.withLock { $0.isDismissed = true }
        closeLine()
    }

    private func closeLine() {
        Task { await threads.run { self.toProcess.withLock { $0 = nil } } }
    }

    private func take(_ line: [UInt8]) {
        guard let news = try? JSONDecoder().decode(RemovalNews.self, from: Data(line)) else { return }
        switch news {
        case .alive: state.withLock { $0.lastWord = .now }
        case .progress(let ticket, let done, let total):
            state.withLock { $0.jobs[ticket]?.progress }?(done, total)
        case .removed(let ticket): finish(ticket, .removed)
        case .blocked(let ticket, let reason): finish(ticket, .blocked(reason))
        }
    }

    private func finish(_ ticket: UInt64, _ outcome: RemovalOutcome) {
        let job = state.withLock { state in
            state.lastUse = .now
            return state.jobs.removeValue(forKey: ticket)
        }
        job?.continuation.resume(returning: outcome)
    }

    /// Whether it ended unasked.
    private func end(_ ending: String) -> Bool {
        let (jobs, isDismissed) = state.withLock { state in
            state.ending = ending
            defer { state.jobs = [:] }
            return (Array(state.jobs.values), state.isDismissed)
        }
        for job in jobs { job.continuation.resume(returning: .crashed(Self.words(ending))) }
        return !isDismissed
    }

    private static func words(_ ending: String) -> String {
        "the process that removed it ended by \(ending)"
    }

    /// A thread's own.
    private final class Reader: Sendable {
        let descriptor: OwnedDescriptor
        init(descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    private struct Ends: ~Copyable {
        let readEnd: OwnedDescriptor
        let writeEnd: OwnedDescriptor

        init() throws(KernelError) {
            self = try OwnedDescriptor.withPipe { Ends($0, $1) }
        }

        private init(_ readEnd: consuming OwnedDescriptor, _ writeEnd: consuming OwnedDescriptor) {
            self.readEnd = readEnd
            self.writeEnd = writeEnd
        }
    }
}
