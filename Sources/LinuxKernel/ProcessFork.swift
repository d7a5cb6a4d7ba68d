internal import CLinux
internal import Glibc
internal import SystemPackage

extension ProcessControl {
    /// Forks this process; the copy has only the calling thread and gets 0.
    ///
    /// Only for a process without other active threads: locks that another thread holds stay locked in the copy.
    ///
    /// Implements `fork`.
    public static func fork() throws(KernelError) -> Int32 {
        try accepted("fork", "this process", clinux_fork())
    }

    /// How a process ended.
    public enum Ending: Sendable, Hashable, CustomStringConvertible {
        /// By itself, with this status.
        case exited(Int32)
        /// By a signal.
        case killed(Int32)
        /// It is no child of ours, so nobody can tell us.
        case unknown

        /// Such as `ended with status 1`, `was killed by signal 9`.
        public var description: String {
            switch self {
            case .exited(let status): "ended with status \(status)"
            case .killed(let signal):
                "was killed by signal \(signal)\(signal == SIGKILL ? ", as one that lacks memory is" : "")"
            case .unknown: "ended"
            }
        }
    }

    /// Waits for a child process to end.
    ///
    /// Implements `waitpid`.
    public static func wait(for child: Int32) -> Ending {
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return .unknown }
        }
        return status & 0x7F == 0 ? .exited((status >> 8) & 0xFF) : .killed(status & 0x7F)
    }
}

extension OwnedDescriptor {
    /// Creates a memory file of `bytes` zeros that several processes can map.
    ///
    /// Implements `memfd_create`.
    public static func sharedMemory(_ name: String, bytes: UInt64) throws(KernelError) -> OwnedDescriptor {
        let raw = try accepted("memfd_create", name, clinux_shared_memory(name, bytes))
        return OwnedDescriptor(adopting: raw, subject: name)
    }

    /// Creates a UNIX stream socket pair and passes its ends to `body`.
    ///
    /// Implements `socketpair`.
    public static func withSocketPair<R: ~Copyable>(
        _ body: (_ ours: consuming OwnedDescriptor, _ theirs: consuming OwnedDescriptor) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        var ends: [CInt] = [-1, -1]
        try accepted("socketpair", "UNIX stream", clinux_socket_pair(&ends))
        return try body(
            OwnedDescriptor(adopting: ends[0], subject: "socket"),
            OwnedDescriptor(adopting: ends[1], subject: "socket")
        )
    }

    /// Listens on a UNIX stream socket at `path`, replacing an existing socket.
    ///
    /// The path may be longer than a socket address, because it is opened through its directory's descriptor.
    public static func listening(at path: String) throws(KernelError) -> OwnedDescriptor {
        try KernelFile.remove(path)
        return try through(path) { (short) throws(KernelError) in
            try OwnedDescriptor(adopting: accepted("bind", path, clinux_listen(short)), subject: path)
        }
    }

    /// Connects to the socket at `path`.
    ///
    /// - Parameters:
    ///   - path: Of any length.
    ///   - seconds: How long the connect, and each read and write after it, may take.
    /// - Returns: The connection.
    /// - Throws: `KernelError`; ECONNREFUSED if no process listens, EAGAIN if one does not accept in time.
    public static func connected(to path: String, within seconds: Int) throws(KernelError) -> OwnedDescriptor {
        let limit = CInt(clamping: max(1, seconds))
        return try through(path) { (short) throws(KernelError) in
            try OwnedDescriptor(adopting: accepted("connect", path, clinux_connect(short, limit)), subject: path)
        }
    }

    private static func through<R: ~Copyable>(
        _ path: String,
        _ body: (String) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        guard let slash = path.lastIndex(of: "/") else { return try body(path) }
        let directory = try OwnedDescriptor(opening: String(path[..<slash]), O_PATH_DIRECTORY)
        return try body("/proc/self/fd/\(directory.rawValue)\(path[slash...])")
    }

    /// Accepts the next connection.
    ///
    /// Implements `accept`.
    public borrowing func accept() throws(KernelError) -> OwnedDescriptor {
        while true {
            let raw = Glibc.accept(rawValue, nil, nil)
            if raw < 0, errno == EINTR { continue }
            return OwnedDescriptor(adopting: try checked("accept", subject, raw), subject: subject)
        }
    }
}

// From <fcntl.h>, which needs _GNU_SOURCE for it.
private let O_PATH_DIRECTORY: CInt = 0o10000000 | O_DIRECTORY
