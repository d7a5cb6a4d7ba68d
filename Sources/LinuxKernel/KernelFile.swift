internal import ExactText
internal import Glibc
internal import SystemPackage

/// Small files: those of the kernel (procfs, sysfs, cgroups) and Nacre's own records.
public enum KernelFile {
    /// The whole file as text.
    public static func text(_ path: String) throws(KernelError) -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }

    /// The whole file.
    public static func bytes(_ path: String) throws(KernelError) -> [UInt8] {
        try OwnedDescriptor(opening: path, O_RDONLY).readToEnd(limit: 64 << 20)
    }

    /// The file's first line without its line feed; `nil` if it cannot be read.
    public static func firstLine(_ path: String) -> String? {
        guard let text = try? text(path) else { return nil }
        return text.parts(at: "\n", most: 1).first
    }

    /// Writes `text` to an existing file in one call, as kernel files require.
    public static func write(_ text: String, to path: String) throws(KernelError) {
        let file = try OwnedDescriptor(opening: path, O_WRONLY)
        try file.writeAll(Array(text.utf8))
    }

    /// Replaces `path` by a file with these bytes; a crash leaves either the old or the new file, complete.
    ///
    /// See: fsync(2), rename(2).
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - bytes: What it holds then.
    ///   - mode: Who may read it.
    ///   - isDurable: Whether that holds for a crash of the machine too, and not only of processes; costs two disk
    ///     flushes.
    /// - Throws: `KernelError`.
    public static func replace(
        _ path: String,
        with bytes: [UInt8],
        mode: UInt32 = 0o600,
        isDurable: Bool = true
    ) throws(KernelError) {
        let temporary = path + ".new"
        do throws(KernelError) {
            try fill(temporary, O_TRUNC, with: bytes, mode: mode, isDurable: isDurable)
            try checked("rename", path, Glibc.rename(temporary, path))
        } catch {
            // What stands there may be a directory: then it is not ours, and stays.
            unlink(temporary)
            throw KernelError(error.call, error.errno, path)
        }
        if isDurable { try syncDirectory(of: path) }
    }

    /// Makes a file that holds these bytes, durably; whatever has its name already stays as it is.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - bytes: What it holds then.
    ///   - mode: Who may read it.
    /// - Throws: `KernelError`, with `.fileExists` for a name that anything has, also a link that leads nowhere. A file
    ///   that could not be filled is removed again.
    public static func create(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o600) throws(KernelError) {
        do throws(KernelError) {
            try fill(path, O_EXCL, with: bytes, mode: mode, isDurable: true)
        } catch {
            if error.call != "open" { unlink(path) }
            throw error
        }
        try syncDirectory(of: path)
    }

    private static func fill(
        _ path: String,
        _ flag: CInt,
        with bytes: [UInt8],
        mode: UInt32,
        isDurable: Bool
    ) throws(KernelError) {
        let file = try OwnedDescriptor(opening: path, O_WRONLY | O_CREAT | flag, mode: mode)
        try file.writeAll(bytes)
        if isDurable { try checked("fsync", path, fsync(file.rawValue)) }
    }

    /// Renames a file or directory durably.
    ///
    /// See: rename(2).
    public static func rename(_ path: String, to newPath: String) throws(KernelError) {
        try checked("rename", newPath, Glibc.rename(path, newPath))
        try syncDirectory(of: newPath)
    }

    /// Removes a file; fine when there is none.
    public static func remove(_ path: String) throws(KernelError) {
        guard unlink(path) != 0 else { return try syncDirectory(of: path) }
        guard errno == ENOENT else { throw KernelError("unlink", Errno(rawValue: errno), path) }
    }

    /// Creates a directory and its parents; succeeds if it exists.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(KernelError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let parent = parent(of: path) else {
            throw KernelError("mkdir", Errno(rawValue: errno), path)
        }
        try makeDirectories(parent, mode: mode)
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw KernelError("mkdir", Errno(rawValue: errno), path)
        }
    }

    /// Removes an empty directory; succeeds if it does not exist.
    public static func removeDirectory(_ path: String) throws(KernelError) {
        guard rmdir(path) != 0, errno != ENOENT else { return }
        throw KernelError("rmdir", Errno(rawValue: errno), path)
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func names(in path: String) throws(KernelError) -> [String] {
        guard let directory = opendir(path) else { throw KernelError("opendir", Errno(rawValue: errno), path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The path with all symbolic links resolved, except in its last component.
    ///
    /// The last component is not resolved because it may be a mount whose server does not answer. Names of missing
    /// directories are kept; after them `.` and `..` are refused, because their meaning is unknown.
    ///
    /// See: realpath(3).
    ///
    /// - Parameter path: An absolute path; doubled and final slashes are ignored.
    /// - Returns: The path, absolute, without `.`, `..`, doubled or final slashes.
    /// - Throws: `KernelError`; `EINVAL` if the last component is `.` or `..`.
    public static func canonical(_ path: String) throws(KernelError) -> String {
        guard path.startsExactly(with: "/"), !path.utf8.contains(0) else {
            throw KernelError("realpath", .invalidArgument, path)
        }
        var present = path.parts(at: "/", omittingEmpty: true)
        var absent: [String] = []
        while let last = present.popLast() {
            guard !last.isExactly("."), !last.isExactly("..") else {
                throw KernelError("realpath", .invalidArgument, path)
            }
            absent.insert(last, at: 0)
            if let base = realpath("/" + present.joined(separator: "/"), nil) {
                defer { free(base) }
                let found = String(cString: base)
                return (found.isExactly("/") ? "" : found) + "/" + absent.joined(separator: "/")
            }
            guard errno == ENOENT else { throw KernelError("realpath", Errno(rawValue: errno), path) }
        }
        return "/"
    }

    private static func parent(of path: String) -> String? {
        let parts = path.parts(at: "/")
        return parts.count > 2 ? parts.dropLast().joined(separator: "/") : nil
    }

    private static func syncDirectory(of path: String) throws(KernelError) {
        let directory = try OwnedDescriptor(opening: parent(of: path) ?? "/", O_RDONLY | O_DIRECTORY)
        try checked("fsync", path, fsync(directory.rawValue))
    }
}
