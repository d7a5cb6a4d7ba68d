internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// A unique process identity: process id, start time and boot.
public struct ProcessIdentity: Sendable, Hashable, Codable {
    /// The process' number.
    public let pid: Int32
    /// Clock ticks from boot to its start.
    public let startTime: UInt64
    /// `/proc/sys/kernel/random/boot_id`.
    public let bootID: String

    /// Puts an identity together.
    public init(pid: Int32, startTime: UInt64, bootID: String) {
        self.pid = pid
        self.startTime = startTime
        self.bootID = bootID
    }

    /// The process with this id now; `nil` if there is none or it is a zombie.
    public init?(of pid: Int32) {
        guard let status = ProcessStatus(path: "/proc/\(pid)/stat"), !status.isDead,
            let bootID = KernelFile.firstLine("/proc/sys/kernel/random/boot_id")
        else { return nil }
        self.init(pid: pid, startTime: status.startTime, bootID: bootID)
    }

    /// Whether the process still runs.
    public var isAlive: Bool { ProcessIdentity(of: pid) == self }

    /// The process's present state; `nil` if it is gone.
    public var status: ProcessStatus? {
        guard isAlive else { return nil }
        return ProcessStatus(path: "/proc/\(pid)/stat")
    }

    /// Whether a debugger has it.
    public var isTraced: Bool {
        let text = (try? KernelFile.text("/proc/\(pid)/status")) ?? ""
        let line = text.parts(at: "\n", omittingEmpty: true).first { $0.startsExactly(with: "TracerPid:") }
        return line.map { !$0.endsExactly(with: "\t0") } ?? false
    }

    /// Waits at most for `limit` until the process has ended; returns whether it has.
    ///
    /// It need not be a child of ours.
    ///
    /// See: pidfd_open(2).
    public func hasEnded(within limit: Duration) throws(KernelError) -> Bool {
        let raw = clinux_pidfd_open(pid)
        if raw == -ESRCH { return true }
        let process = OwnedDescriptor(
            adopting: try accepted("pidfd_open", "process \(pid)", raw),
            subject: "process \(pid)"
        )
        guard isAlive else { return true }
        let (seconds, attoseconds) = limit.components
        var entry = pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        return poll(&entry, 1, CInt(clamping: milliseconds)) > 0
    }

    /// Sends a signal to this process and no other; succeeds if it is gone.
    ///
    /// See: pidfd_open(2). The number is checked after the pidfd holds the process, so it cannot be reused in between.
    public func send(_ signal: CInt) throws(KernelError) {
        let raw = clinux_pidfd_open(pid)
        if raw == -ESRCH { return }
        let process = OwnedDescriptor(
            adopting: try accepted("pidfd_open", "process \(pid)", raw),
            subject: "process \(pid)"
        )
        guard isAlive else { return }
        let result = clinux_pidfd_send_signal(process.rawValue, signal)
        if result == -ESRCH { return }
        try accepted("pidfd_send_signal", process.subject, result)
    }
}

/// State and start of a process or thread.
///
/// See: proc_pid_stat(5). Reading it takes no lock of the process' memory, so it works when the process is stuck.
public struct ProcessStatus: Sendable, Hashable {
    /// The program's name, at most 15 bytes.
    public let command: String
    /// Such as `R`, `S`, `D` or `Z`.
    public let state: Character
    /// Clock ticks from boot to its start.
    public let startTime: UInt64

    /// Whether it has ended and only waits for its parent.
    public var isDead: Bool { state == "Z" || state == "X" }

    /// Reads the text of a `stat` file; the name in it may contain spaces and parentheses.
    public init?(text: String) {
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close else { return nil }
        command = String(text[text.index(after: open)..<close])
        let fields = text[text.index(after: close)...].parts(at: " ", omittingEmpty: true)
        guard fields.count > 19, let state = fields[0].first, let startTime = UInt64(fields[19]) else { return nil }
        self.state = state
        self.startTime = startTime
    }

    init?(path: String) {
        guard let text = try? KernelFile.text(path) else { return nil }
        self.init(text: text)
    }
}

/// A thread and where it sleeps in the kernel.
public struct ThreadState: Sendable, Hashable {
    /// The thread's number.
    public let tid: Int32
    /// `D` when it cannot be woken by a signal.
    public let state: Character
    /// The kernel function in which it sleeps; `0` if it runs or the function is hidden.
    public let waitChannel: String

    /// The threads of a process; empty if it is gone.
    ///
    /// Reads only `stat` and `wchan`: `cmdline`, `maps` and others wait for a lock that a stuck process may hold.
    public static func all(of pid: Int32) -> [ThreadState] {
        let names = (try? KernelFile.names(in: "/proc/\(pid)/task")) ?? []
        return names.compactMap { name in
            let directory = "/proc/\(pid)/task/\(name)"
            guard let tid = Int32(name), let status = ProcessStatus(path: "\(directory)/stat") else { return nil }
            let channel = KernelFile.firstLine("\(directory)/wchan") ?? "0"
            return ThreadState(tid: tid, state: status.state, waitChannel: channel)
        }
    }
}
