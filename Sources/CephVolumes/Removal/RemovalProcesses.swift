internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
public import Logging
internal import Synchronization
internal import Volumes

/// Removes images in separate processes, one for each cluster: if librbd ends or hangs one, the service continues.
///
/// A process starts with the first image and ends after it was idle for a while. If a process ends unexpectedly, its
/// images are tried again, each in a process of its own, so that no image disturbs another.
public final class RemovalProcesses: ImageRemoving {
    private struct Key: Hashable {
        var clusterID: String
        /// An image that is alone there.
        var suspect: String?
    }

    private struct State {
        var processes: [Key: RemovalProcess] = [:]
        var suspects: [String: Int] = [:]
        var crashes = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let command: [String]
    private let setting: RemovalSetting
    private let idleLimit: Duration
    private let logger: Logger

    /// Starts nothing yet.
    ///
    /// - Parameters:
    ///   - command: A program and arguments that run `RemovalProcessMain.run()`.
    ///   - configurationPath: config.json.
    ///   - options: Ceph options by name.
    ///   - objectCalls: Where images are emptied by class calls; otherwise librbd does it.
    ///   - idleLimit: How long an idle process is kept.
    ///   - watchPatience: How long a watch may prevent a removal before Ceph is made to review it.
    ///   - logger: Where ends of processes are told.
    public init(
        command: [String],
        configurationPath: String,
        options: [String: String] = [:],
        objectCalls: ObjectCalls = .onTestedReleases,
        idleLimit: Duration = .seconds(30),
        watchPatience: Duration = .seconds(30),
        logger: Logger
    ) {
        // Writing to a killed process must not end this one.
        signal(SIGPIPE, SIG_IGN)
        self.command = command
        setting = RemovalSetting(
            // The process works elsewhere.
            configurationPath: configurationPath.startsExactly(with: "/")
                ? configurationPath : "\(FileManager.default.currentDirectoryPath)/\(configurationPath)",
            options: options,
            isLibrbdOnly: objectCalls == .never,
            watchPatience: watchPatience.wholeMilliseconds
        )
        self.idleLimit = idleLimit
        self.logger = logger
    }

    /// How often a process ended unexpectedly, or was killed.
    public var crashes: Int { state.withLock { $0.crashes } }

    /// The ids of the present processes.
    public var processIDs: [Int32] {
        state.withLock { $0.processes.values.filter(\.isRunning).map(\.pid) }
    }

    /// Has an image removed.
    public func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome {
        let name = "\(image.id.description)#\(image.imageID)"
        let process: RemovalProcess
        do throws(KernelError) {
            let isSuspect = state.withLock { $0.suspects[name] != nil }
            let key = Key(clusterID: image.id.clusterID, suspect: isSuspect ? name : nil)
            guard let found = try self.process(key) else { return .blocked("the service ends") }
            process = found
        } catch {
            return .blocked("cannot start the process that removes it: \(error)")
        }
        let outcome = await process.remove(image, progress: progress)
        state.withLock { state in
            if case .crashed = outcome {
                state.suspects[name, default: 0] += 1
            } else {
                state.suspects[name] = nil
            }
        }
        return outcome
    }

    /// Ends processes that are idle or that hang.
    public func releaseIdle() {
        let processes = state.withLock { state in
            state.processes = state.processes.filter { $0.value.isRunning }
            return Array(state.processes.values)
        }
        for process in processes { process.review(idleLimit: idleLimit) }
    }

    /// Ends all of them; their removals are left as after a kill.
    public func stop() {
        let processes = state.withLock { state in
            state.isStopped = true
            defer { state.processes = [:] }
            return Array(state.processes.values)
        }
        for process in processes { process.dismiss() }
    }

    /// A running process, started if there is none; `nil` if the service is ending.
    private func process(_ key: Key) throws(KernelError) -> RemovalProcess? {
        let outcome: Result<RemovalProcess?, KernelError> = state.withLock { state in
            guard !state.isStopped else { return .success(nil) }
            if let running = state.processes[key], running.isRunning { return .success(running) }
            do throws(KernelError) {
                let process = try RemovalProcess(command, setting) { [weak self] ending in self?.note(ending, key) }
                state.processes[key] = process
                return .success(process)
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private func note(_ ending: String, _ key: Key) {
        let count = state.withLock { state in
            state.crashes += 1
            return state.crashes
        }
        logger.error(
            "the process that empties the trash ended",
            metadata: ["ceph.cluster": "\(key.clusterID)", "ending": "\(ending)", "count": "\(count)"]
        )
    }
}
