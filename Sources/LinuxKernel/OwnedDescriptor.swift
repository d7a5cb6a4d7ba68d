internal import CLinux
internal import Glibc
internal import SystemPackage

/// A file descriptor with exactly one owner; it is closed when the owner is released.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, to lend to a call.
    public let rawValue: CInt

    /// What it was opened for, for errors.
    public let subject: String

    /// Takes over an open descriptor.
    public init(adopting rawValue: CInt, subject: String) {
        self.rawValue = rawValue
        self.subject = subject
    }

    /// Opens `path`; `O_CLOEXEC` is always added.
    public init(opening path: String, _ flags: CInt, mode: UInt32 = 0o600) throws(KernelError) {
        rawValue = try checked("open", path, open(path, flags | O_CLOEXEC, mode))
        subject = path
    }

    deinit {
        close(rawValue)
    }

    /// Creates a pipe, both ends close-on-exec, and passes them to `body`.
    ///
    /// See: pipe2(2).
    public static func withPipe<R: ~Copyable>(
        _ body: (_ readEnd: consuming OwnedDescriptor, _ writeEnd: consuming OwnedDescriptor) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        var ends: [CInt] = [-1, -1]
        try accepted("pipe2", "pipe", clinux_pipe(&ends))
        return try body(
            OwnedDescriptor(adopting: ends[0], subject: "pipe"),
            OwnedDescriptor(adopting: ends[1], subject: "pipe")
        )
    }

    /// Writes all of `bytes`.
    public borrowing func writeAll(_ bytes: UnsafeRawBufferPointer) throws(KernelError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = write(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0, errno == EINTR { continue }
            try checked("write", subject, written)
            rest = rest.dropFirst(written)
        }
    }

    /// Writes all of `bytes`.
    public borrowing func writeAll(_ bytes: [UInt8]) throws(KernelError) {
        let result: Result<Void, KernelError> = bytes.withUnsafeBytes { bytes in
            do throws(KernelError) {
                return .success(try writeAll(bytes))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Reads until the end, at most `limit` bytes.
    public borrowing func readToEnd(limit: Int = 1 << 20) throws(KernelError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = read(rawValue, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            try checked("read", subject, count)
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// Tries to lock the whole file exclusively; false if another process holds the lock.
    ///
    /// See: flock(2). The lock goes with the last descriptor of this opening.
    public borrowing func tryLock() throws(KernelError) -> Bool {
        if flock(rawValue, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw KernelError("flock", Errno(rawValue: errno), subject) }
        return false
    }
}
