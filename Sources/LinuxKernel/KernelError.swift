internal import CLinux
internal import Glibc
public import SystemPackage

/// A system call or ioctl that failed.
public struct KernelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The call or ioctl by its kernel name: `LOOP_CONFIGURE`.
    public let call: String
    /// What came back.
    public let errno: Errno
    /// What it was called for: a path, a device, a process.
    public let subject: String

    /// Describes the failure of `call`.
    public init(_ call: String, _ errno: Errno, _ subject: String) {
        self.call = call
        self.errno = errno
        self.subject = subject
    }

    /// The errno's name: `ENOSPC`.
    public var errnoName: String { Self.name(of: errno.rawValue) }

    /// The name of an errno: `ENOSPC` of 28.
    public static func name(of errno: Int32) -> String {
        guard let name = clinux_errno_name(errno) else { return "errno \(errno)" }
        return String(cString: name)
    }

    /// Such as `'/dev/sdb' (it is in use; open: EBUSY)`.
    public var description: String { "'\(subject)' (\(cause.map { "\($0); " } ?? "")\(call): \(errnoName))" }

    /// Whether something has the name already.
    public var isAlreadyThere: Bool { errno == .fileExists }

    /// Whether what was asked for is not there.
    public var isNotFound: Bool { errno == .noSuchFileOrDirectory || errno == .notDirectory }
}

/// Checks a libc call: -1 and `errno`.
@discardableResult
func checked<R: BinaryInteger & SignedNumeric>(
    _ call: String,
    _ subject: @autoclosure () -> String,
    _ result: R
) throws(KernelError) -> R {
    guard result == -1 else { return result }
    throw KernelError(call, Errno(rawValue: Glibc.errno), subject())
}

/// Checks a shim of CLinux: a negative errno.
@discardableResult
func accepted(_ call: String, _ subject: @autoclosure () -> String, _ result: CInt) throws(KernelError) -> CInt {
    guard result < 0 else { return result }
    throw KernelError(call, Errno(rawValue: -result), subject())
}
