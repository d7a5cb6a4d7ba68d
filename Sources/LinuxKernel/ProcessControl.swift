internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// What a process that serves I/O asks of the kernel for itself.
public enum ProcessControl {
    /// Keeps our allocations from waiting for I/O that we ourselves must do; later threads inherit it.
    ///
    /// Implements `PR_SET_IO_FLUSHER`; needs CAP_SYS_RESOURCE.
    public static func becomeIOFlusher() throws(KernelError) {
        try accepted("PR_SET_IO_FLUSHER", "this process", clinux_set_io_flusher())
    }

    /// Keeps our memory, which holds a key, out of core dumps and of other users' reach.
    ///
    /// Implements `PR_SET_DUMPABLE`.
    public static func forbidDumps() throws(KernelError) {
        try accepted("PR_SET_DUMPABLE", "this process", clinux_set_dumpable(0))
    }

    /// Lets malloc have at most `count` arenas: it would give every thread of a library one of its own.
    ///
    /// See: mallopt(3), `M_ARENA_MAX`.
    public static func limitMallocArenas(to count: Int) {
        clinux_limit_malloc_arenas(CInt(count))
    }

    /// Gives memory that malloc keeps for later back to the kernel.
    ///
    /// See: malloc_trim(3).
    public static func trimMalloc() {
        clinux_trim_malloc()
    }

    /// Unmaps the pages of the program and its libraries: what only its start needed goes, the rest comes back at its next
    /// use, from the page cache.
    ///
    /// Implements `madvise` with `MADV_DONTNEED`, on what is mapped from files and never written.
    public static func releaseFilePages() {
        clinux_release_file_pages()
    }

    /// Keeps touched pages in memory: I/O must not wait for swap.
    ///
    /// Implements `mlockall` with `MCL_ONFAULT`.
    public static func lockMemory() throws(KernelError) {
        try accepted("mlockall", "this process", clinux_lock_memory())
    }

    /// How likely the kernel kills us when memory runs out: -1000 for never; lowering it needs CAP_SYS_RESOURCE.
    public static func setOutOfMemoryScore(_ score: Int) throws(KernelError) {
        try KernelFile.write("\(score)", to: "/proc/self/oom_score_adj")
    }

    /// Runs a program with descriptors 0, 1, … from `descriptors`.
    ///
    /// Default signals, umask 077, working directory `/`, every other descriptor closed.
    ///
    /// - Parameters:
    ///   - path: The program.
    ///   - isDetached: Whether it outlives us, by a double fork and a session of its own; else it is a child of ours, whose
    ///     end must be waited for.
    ///   - arguments: With its own name first.
    ///   - environment: All of it.
    ///   - descriptors: Ours, in the order of its own.
    /// - Returns: Its process number.
    /// - Throws: `KernelError` with the call that failed, up to `execve`.
    public static func spawn(
        _ path: String,
        isDetached: Bool,
        arguments: [String],
        environment: [String: String],
        descriptors: [CInt]
    ) throws(KernelError) -> Int32 {
        var stage: UnsafePointer<CChar>?
        let arguments = CStrings(arguments)
        let environment = CStrings(environment.map { "\($0)=\($1)" })
        let pid = clinux_spawn(
            path,
            arguments.pointers,
            environment.pointers,
            descriptors,
            CInt(descriptors.count),
            isDetached ? 1 : 0,
            &stage
        )
        return try accepted(stage.map { String(cString: $0) } ?? "fork", path, pid)
    }

    /// Those of our environment variables that are set, for a program of ours, which needs few.
    ///
    /// - Parameter names: What it needs beside `PATH`, `LD_LIBRARY_PATH` and `TZ`.
    /// - Returns: Their values, by name.
    public static func inheritedEnvironment(and names: String...) -> [String: String] {
        var environment: [String: String] = [:]
        for name in ["PATH", "LD_LIBRARY_PATH", "TZ"] + names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }

    /// Waits for a child of ours and says how it ended: `exit status 1`, `signal 6 (Aborted)`.
    ///
    /// Implements `waitpid`.
    public static func ending(of child: Int32) -> String {
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return "an end that nobody saw" }
        }
        let signal = status & 0x7F
        guard signal != 0 else { return "exit status \((status >> 8) & 0xFF)" }
        return "signal \(signal) (\(strsignal(signal).map { String(cString: $0) } ?? "unknown"))"
    }
}

/// A NULL-terminated array of C strings for as long as it lives.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}

/// What root may do here; containers and some hosts take parts of it away.
///
/// See: capabilities(7).
public struct Capabilities: Sendable, Hashable {
    /// One bit each.
    public let rawValue: UInt64

    /// Takes a mask such as `CapEff`.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Reads the text of `/proc/PID/status`.
    public init?(statusText: String) {
        guard
            let line = statusText.parts(at: "\n", omittingEmpty: true).first(where: {
                $0.startsExactly(with: "CapEff:")
            }),
            let mask = line.split(whereSeparator: \.isWhitespace).last.flatMap({ UInt64($0, radix: 16) })
        else { return nil }
        self.init(rawValue: mask)
    }

    /// What this process may do.
    public static func current() throws(KernelError) -> Capabilities {
        Capabilities(statusText: try KernelFile.text("/proc/self/status")) ?? Capabilities(rawValue: 0)
    }

    /// CAP_SYS_ADMIN: mounts and loop devices.
    public var allowsAdministration: Bool { rawValue & 1 << 21 != 0 }

    /// CAP_SYS_RESOURCE: growing a mounted ext4, PR_SET_IO_FLUSHER, a lower out-of-memory score.
    public var allowsResourceControl: Bool { rawValue & 1 << 24 != 0 }
}
