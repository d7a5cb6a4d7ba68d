internal import ExactText
internal import Glibc
internal import SystemPackage

/// A file without a name: it is gone with the last process that has it open, however that process ends.
///
/// Where the file system must have a name first, a kill at that moment leaves an empty file (`removeNames`).
///
/// A program gets it as its standard input, and opens it as `/proc/self/fd/0` where it wants a path.
///
/// See: open(2), `O_TMPFILE`.
public final class NamelessFile: Sendable {
    /// The file, open to read and write.
    public let descriptor: OwnedDescriptor

    /// Where this process opens it once more, from its beginning.
    public var path: String { "/proc/self/fd/\(descriptor.rawValue)" }

    /// Makes one.
    ///
    /// - Parameters:
    ///   - directory: On whose file system it is; it must exist.
    ///   - sizeBytes: How many zeros it has, all of them holes.
    /// - Throws: `KernelError`, also for a size that the file system does not support.
    public init(in directory: String, sizeBytes: UInt64 = 0) throws(KernelError) {
        guard let size = off_t(exactly: sizeBytes) else { throw KernelError("ftruncate", .fileTooLarge, directory) }
        descriptor = try Self.made(in: directory)
        try checked("ftruncate", directory, ftruncate(descriptor.rawValue, size))
    }

    /// Removes names that a process left which was killed where a file cannot be made without one.
    ///
    /// Whoever has such a file open keeps it.
    ///
    /// - Parameter directory: Where they were made; it need not exist.
    /// - Throws: `KernelError`.
    public static func removeNames(in directory: String) throws(KernelError) {
        guard try FileKind.of(directory) != nil else { return }
        for name in try KernelFile.names(in: directory) where name.startsExactly(with: prefix) {
            try KernelFile.remove("\(directory)/\(name)")
        }
    }

    private static let prefix = ".nameless-"

    private static func made(in directory: String) throws(KernelError) -> OwnedDescriptor {
        do throws(KernelError) {
            return try OwnedDescriptor(opening: directory, O_RDWR | unnamed)
        } catch {
            // overlayfs before Linux 6.1 and NFS cannot; kernels that do not know the flag see a directory.
            guard error.errno == .notSupported || error.errno == .isDirectory else { throw error }
        }
        let name = "\(directory)/\(prefix)\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let file = try OwnedDescriptor(opening: name, O_RDWR | O_CREAT | O_EXCL)
        unlink(name)
        return file
    }

    /// `O_TMPFILE`, which Swift does not see.
    private static var unnamed: CInt { 0o20_000_000 | O_DIRECTORY }
}
