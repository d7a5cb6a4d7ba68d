internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// Removal of whole directories.
extension KernelFile {
    /// The path with all symbolic links resolved, the last one too.
    ///
    /// See: realpath(3).
    ///
    /// - Parameter path: Something that exists.
    /// - Returns: The path as mountinfo has it: absolute, without `.`, `..`, doubled or final slashes.
    /// - Throws: `KernelError`, ENOENT when it does not exist.
    public static func resolved(_ path: String) throws(KernelError) -> String {
        guard let found = realpath(path, nil) else { throw KernelError("realpath", Errno(rawValue: errno), path) }
        defer { free(found) }
        return String(cString: found)
    }

    /// Removes a directory and its content; follows no links and enters no mounts.
    ///
    /// Nothing is removed when something is mounted in it. What is mounted there meanwhile stays, too: each directory is
    /// opened by itself, and has to be on the mount of the one above it. A bind mount has the same device number, so
    /// mounts are compared, not devices.
    ///
    /// - Parameter path: What to remove; it is no error if it does not exist.
    /// - Throws: `KernelError`, EBUSY when something is mounted in it.
    public static func removeTree(_ path: String) throws(KernelError) {
        let path = try canonical(path)
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), path.utf8.count > 1 else {
            throw KernelError("rmdir", .invalidArgument, path)
        }
        let above = try OwnedDescriptor(opening: String(path[...slash]), CLINUX_O_PATH | O_DIRECTORY)
        let place = TreePlace(name: String(path[path.utf8.index(after: slash)...]), path: path)
        let mount = try above.mountID()
        try place.walk(in: above, mount, isRemoving: false)
        try place.walk(in: above, mount, isRemoving: true)
    }
}

/// A name in a directory that is open.
private struct TreePlace {
    let name: String
    /// For errors.
    let path: String

    /// Looks at everything from here on, or removes it, the directories last.
    func walk(in above: borrowing OwnedDescriptor, _ mount: Int, isRemoving: Bool) throws(KernelError) {
        var status = stat()
        guard fstatat(above.rawValue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno != ENOENT else { return }
            throw KernelError("fstatat", Errno(rawValue: errno), path)
        }
        guard FileKind(status) == .directory else {
            return isRemoving ? try remove(in: above, 0) : ()
        }
        // Without O_PATH an open would have an automount mounted, and wait for its server.
        let flags = CLINUX_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let own = OwnedDescriptor(
            adopting: try checked("openat", path, openat(above.rawValue, name, flags)),
            subject: path
        )
        guard try own.mountID() == mount else { throw KernelError.busy("rmdir", path) }
        for next in try KernelFile.names(in: "/proc/self/fd/\(own.rawValue)") {
            try TreePlace(name: next, path: "\(path)/\(next)").walk(in: own, mount, isRemoving: isRemoving)
        }
        if isRemoving { try remove(in: above, AT_REMOVEDIR) }
    }

    private func remove(in above: borrowing OwnedDescriptor, _ flags: CInt) throws(KernelError) {
        guard unlinkat(above.rawValue, name, flags) != 0, errno != ENOENT else { return }
        throw KernelError(flags == 0 ? "unlinkat" : "rmdir", Errno(rawValue: errno), path)
    }
}

extension OwnedDescriptor {
    /// The mount that what is open was reached by: its number in mountinfo.
    borrowing func mountID() throws(KernelError) -> Int {
        let text = try KernelFile.text("/proc/self/fdinfo/\(rawValue)")
        for line in text.parts(at: "\n", omittingEmpty: true) where line.startsExactly(with: "mnt_id:") {
            if let id = Int(line.dropFirst("mnt_id:".count).filter(\.isNumber)) { return id }
        }
        throw KernelError("read", .ioError, "/proc/self/fdinfo of \(subject)")
    }
}
