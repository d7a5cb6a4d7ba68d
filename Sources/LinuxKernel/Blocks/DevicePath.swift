internal import Glibc
internal import SystemPackage

/// Paths below `/dev`: what they lead to, and links that lead nowhere.
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

    /// The block device that is open, whatever its path leads to by now; nothing for anything else.
    ///
    /// See: fstat(2).
    public static func blockDevice(of descriptor: borrowing OwnedDescriptor) -> DeviceNumber? {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
        return DeviceNumber(rawValue: UInt64(status.st_rdev))
    }

    /// What a symbolic link says; nothing for anything else.
    public static func linkTarget(_ path: String) -> String? { DeviceUse.link(path) }

    /// Whether a symbolic link leads nowhere.
    public static func isDangling(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK && stat(path, &status) != 0
            && errno == ENOENT
    }

    /// Makes the node of a block device, for containers whose `/dev` has only what it started with; fine when there.
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

    /// The links in `/dev/disk/by-id` (or another directory) by what they lead to.
    public static func links(in directory: String) -> [DeviceNumber: [String]] {
        var found: [DeviceNumber: [String]] = [:]
        for name in (try? KernelFile.names(in: directory)) ?? [] {
            let path = "\(directory)/\(name)"
            if let device = try? blockDevice(path) { found[device, default: []].append(path) }
        }
        return found
    }
}
