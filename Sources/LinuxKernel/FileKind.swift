internal import ExactText
internal import Glibc
internal import SystemPackage

/// What a path leads to.
public enum FileKind: Sendable, Hashable {
    /// A regular file of this size.
    case file(bytes: UInt64)
    /// A directory.
    case directory
    /// A block device.
    case blockDevice(DeviceNumber)
    /// A symbolic link, not followed.
    case symbolicLink
    /// Anything else.
    case other

    /// The kind of `path`, without following a final symbolic link; `nil` if it does not exist.
    ///
    /// See: lstat(2). Blocks when the path is on a file system whose server does not answer.
    public static func of(_ path: String) throws(KernelError) -> FileKind? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw KernelError("lstat", Errno(rawValue: errno), path)
        }
        return FileKind(status)
    }

    init(_ status: stat) {
        self =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file(bytes: UInt64(status.st_size))
            case S_IFDIR: .directory
            case S_IFBLK: .blockDevice(DeviceNumber(rawValue: UInt64(status.st_rdev)))
            case S_IFLNK: .symbolicLink
            default: .other
            }
    }
}

/// The number of a device: `7:3`.
public struct DeviceNumber: Sendable, Hashable, CustomStringConvertible {
    /// The driver.
    public let major: UInt32
    /// Which of its devices.
    public let minor: UInt32

    /// Puts a number together.
    public init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// Takes a `dev_t` apart.
    public init(rawValue: UInt64) {
        major = UInt32(truncatingIfNeeded: (rawValue >> 8) & 0xFFF | (rawValue >> 32) & ~0xFFF)
        minor = UInt32(truncatingIfNeeded: rawValue & 0xFF | (rawValue >> 12) & ~0xFF)
    }

    /// Reads `7:3`.
    public init?(parsing text: some StringProtocol) {
        let parts = text.parts(at: ":")
        guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else { return nil }
        self.init(major: major, minor: minor)
    }

    /// The number as a `dev_t`.
    public var rawValue: UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | minor & 0xFF | (minor & ~0xFF) << 12
    }

    /// Such as `7:3`.
    public var description: String { "\(major):\(minor)" }
}
