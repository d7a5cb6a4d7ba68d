internal import Glibc
internal import SystemPackage

/// Paths below `/dev`: their targets, and dangling links.
public enum DevicePath {
    /// The block device that `path` leads to, links followed.
    ///
    /// See: stat(2). Throws ENOTBLK for anything else.
    public static func blockDevice(_ path: String) throws(KernelError) -> DeviceNumber {
        var status = stat()
        try checked("stat", path, stat(path, &status))
        guard status.st_mode & S_IFMT == S_IFBLK else { throw KernelError("stat", Errno(rawValue: ENOTBLK), path) }
        return DeviceNumber(rawValue: UInt64(status.st_rdev))
    }

    /// The open block device, even if its path means another one now; `nil` for anything else.
    ///
    /// See: fstat(2).
    public static func blockDevice(of descriptor: borrowing OwnedDescriptor) -> DeviceNumber? {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
        return DeviceNumber(rawValue: UInt64(status.st_rdev))
    }

    /// The target of a symbolic link; `nil` for anything else.
    public static func linkTarget(_ path: String) -> String? { DeviceUse.link(path) }

    /// Whether a symbolic link leads nowhere.
    public static func isDangling(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK && stat(path, &status) != 0
            && errno == ENOENT
    }

    /// Creates the node of a block device, for containers whose `/dev` is static; succeeds if it exists.
    ///
    /// See: mknod(2).
    public static func makeNode(_ path: String, _ device: DeviceNumber) throws(KernelError) {
        guard try FileKind.of(path) == nil else { return }
        let result = mknod(path, S_IFBLK | 0o600, dev_t(device.rawValue))
        if result != 0, errno == EEXIST { return }
        try checked("mknod", path, result)
    }

    /// Whether standard output or error, as `descriptor` says, is a terminal.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// The links in `/dev/disk/by-id` (or another directory) by their targets.
    public static func links(in directory: String) -> [DeviceNumber: [String]] {
        var found: [DeviceNumber: [String]] = [:]
        for name in (try? KernelFile.names(in: directory)) ?? [] {
            let path = "\(directory)/\(name)"
            if let device = try? blockDevice(path) { found[device, default: []].append(path) }
        }
        return found
    }
}
