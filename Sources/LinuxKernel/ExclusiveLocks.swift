internal import Glibc
internal import SystemPackage

/// The exclusive right to what a directory stands for; it goes with this object, or with the process.
///
/// Programs that this process starts do not inherit it.
public final class DirectoryLock: Sendable {
    private let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Locks a directory, which is made where it is missing; `nil` if another process has it.
    ///
    /// Who has it may remove the directory: a later lock is of a new one.
    ///
    /// - Parameter path: The directory.
    /// - Returns: The lock.
    /// - Throws: `KernelError` when it cannot be made or opened.
    public static func tryTake(_ path: String) throws(KernelError) -> DirectoryLock? {
        while true {
            try KernelFile.makeDirectories(path)
            let raw = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            // Its former owner removed it just now.
            if raw < 0, errno == ENOENT { continue }
            let descriptor = OwnedDescriptor(adopting: try checked("open", path, raw), subject: path)
            guard try descriptor.tryLock() else { return nil }
            var locked = stat(), there = stat()
            try checked("fstat", path, fstat(descriptor.rawValue, &locked))
            if stat(path, &there) == 0, locked.st_dev == there.st_dev, locked.st_ino == there.st_ino {
                return DirectoryLock(descriptor)
            }
        }
    }
}

/// The exclusive right to what a file stands for, and who has it, in the file; it goes with this object, or with the
/// process.
///
/// Programs that this process starts do not inherit it. The file stays.
public final class FileLock: Sendable {
    private let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Locks a file, which is made where it is missing; `nil` if another process has it.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - owner: A line about who has it, for others.
    /// - Returns: The lock.
    /// - Throws: `KernelError` when it cannot be made, opened or written.
    public static func tryTake(_ path: String, for owner: String) throws(KernelError) -> FileLock? {
        let descriptor = try OwnedDescriptor(opening: path, O_RDWR | O_CREAT)
        guard try descriptor.tryLock() else { return nil }
        try checked("ftruncate", path, ftruncate(descriptor.rawValue, 0))
        try descriptor.writeAll(Array("\(owner)\n".utf8))
        return FileLock(descriptor)
    }
}
