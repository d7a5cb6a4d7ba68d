public import Glibc
import Synchronization

/// A child process of the test, started without a shell; killed when the last reference is released.
public final class ChildProcess: Sendable {
    /// How it ended.
    public enum End: Sendable, Equatable {
        /// It exited with this status.
        case exited(Int32)
        /// It was killed by this signal.
        case killed(Int32)
    }

    /// Its process id; another process may have it once this one was reaped.
    public let pid: pid_t
    private let collected = Mutex<End?>(nil)

    /// It could not be started.
    public struct NotStarted: Error {
        /// Which program.
        public let program: String
        /// Why.
        public let number: Int32
    }

    /// It did not end in time.
    public struct StillRunning: Error {
        /// Which process.
        public let pid: pid_t
    }

    /// Starts `program`; its output is appended to the file `log`.
    ///
    /// - Parameters:
    ///   - program: Its path.
    ///   - arguments: Its arguments.
    ///   - environment: Variables in addition to this process's.
    ///   - log: A file.
    /// - Throws: `NotStarted`.
    public init(_ program: String, _ arguments: [String], environment: [String: String] = [:], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var variables: [String] = []
        var entry = environ
        while let pointer = entry.pointee {
            variables.append(String(cString: pointer))
            entry += 1
        }
        variables += environment.map { "\($0.key)=\($0.value)" }
        let argv = ([program] + arguments).map { strdup($0) } + [nil]
        let envp = variables.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        // Who runs the tests in the background of a shell ignores Ctrl-C, and so would the program.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGQUIT, SIGHUP] { sigaddset(&signals, number) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var pid = pid_t()
        let number = posix_spawn(&pid, program, &actions, &attributes, argv, envp)
        guard number == 0 else { throw NotStarted(program: program, number: number) }
        self.pid = pid
    }

    deinit {
        if collected.withLock({ $0 == nil }), waitpid(pid, nil, WNOHANG) == 0 {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    /// Whether it is running; does not reap it.
    public var isRunning: Bool {
        collected.withLock { end in
            guard end == nil else { return false }
            var info = siginfo_t()
            return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0
                && info._sifields._sigchld.si_pid == 0
        }
    }

    /// Sends it a signal, unless it was reaped: another process may have its id then.
    public func send(_ signal: Int32) {
        collected.withLock { end in
            if end == nil { kill(pid, signal) }
        }
    }

    private func collect() -> End? {
        collected.withLock { end in
            var status: Int32 = 0
            if end == nil, waitpid(pid, &status, WNOHANG) == pid {
                let signal = status & 0x7F
                end = signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal)
            }
            return end
        }
    }

    /// Waits until it has ended, and reaps it; may be called repeatedly.
    public func end(within limit: Duration = .seconds(180)) async throws -> End {
        let last = ContinuousClock.now + limit
        while ContinuousClock.now < last {
            if let end = collect() { return end }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw StillRunning(pid: pid)
    }

    /// Asks it to end with SIGTERM and waits.
    @discardableResult
    public func stop() async throws -> End {
        send(SIGTERM)
        return try await end()
    }
}
