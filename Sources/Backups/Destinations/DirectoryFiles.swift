internal import ExactText
internal import Glibc
internal import LinuxKernel
internal import SystemPackage

/// Files of a directory of backups.
enum DirectoryFiles {
    static let directoryFlags = O_RDONLY | O_DIRECTORY

    /// What the names of files begin with that are not yet whole.
    private static let halfWritten = ".new-"

    /// A file's bytes; `nil` if there is none.
    static func bytes(_ path: String) throws(KernelError) -> [UInt8]? {
        let raw = open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw failure("open", path) }
            return nil
        }
        let file = OwnedDescriptor(adopting: raw, subject: path)
        var status = stat()
        guard fstat(file.rawValue, &status) == 0 else { throw failure("fstat", path) }
        let size = Int(status.st_size)
        var number: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(1, size)) { room, count in
            count = 0
            while count < size {
                let rest = UnsafeMutableBufferPointer(rebasing: room[count..<size])
                let got = pread(file.rawValue, rest.baseAddress, rest.count, off_t(count))
                if got < 0, errno == EINTR { continue }
                if got < 0 { number = errno }
                if got <= 0 { break }
                count += got
            }
        }
        guard number == 0 else { throw KernelError("read", Errno(rawValue: number), path) }
        return bytes
    }

    /// Writes a file durably; a crash leaves the old or the new one, whole.
    static func replace(_ path: String, with bytes: [UInt8], below base: String) throws(KernelError) {
        try makeParents(of: path, below: base)
        let directory = parent(of: path)
        let half = "\(directory)/\(halfWritten)\(UInt64.random(in: 0...UInt64.max))"
        do throws(KernelError) {
            let file = try OwnedDescriptor(opening: half, O_WRONLY | O_CREAT | O_EXCL)
            // While it is written, nobody tidies it away.
            guard try file.tryLock() else { throw KernelError("flock", .resourceBusy, path) }
            try file.writeAll(bytes)
            guard fsync(file.rawValue) == 0 else { throw failure("fsync", path) }
            guard rename(half, path) == 0 else { throw failure("rename", path) }
        } catch {
            unlink(half)
            throw KernelError(error.call, error.errno, path)
        }
        try sync(directory)
    }

    /// Makes the directories above a file that are missing, durably.
    static func makeParents(of path: String, below base: String) throws(KernelError) {
        let directory = parent(of: path)
        guard access(directory, F_OK) != 0 else { return }
        var place = base
        for step in directory.dropFirst(base.utf8.count).description.parts(at: "/", omittingEmpty: true) {
            let upper = place
            place += "\(step)/"
            if mkdir(place, 0o700) == 0 {
                try sync(upper)
            } else if errno != EEXIST {
                throw failure("mkdir", place)
            }
        }
    }

    /// All files below a directory, by their paths from there; none if it is missing.
    static func files(in directory: String) throws(KernelError) -> [String] {
        var found: [String] = []
        for entry in try entries(in: directory) where !entry.name.startsExactly(with: ".") {
            if entry.isDirectory {
                found += try files(in: "\(directory)/\(entry.name)").map { "\(entry.name)/\($0)" }
            } else {
                found.append(entry.name)
            }
        }
        return found
    }

    /// A file's length; `nil` if it cannot be told.
    static func size(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_size) : nil
    }

    /// Whether a failure to read says that what is on the disk is damaged, and not that the disk is away.
    static func isDamage(_ error: KernelError) -> Bool {
        [EIO, EBADMSG, EUCLEAN, ENODATA, EILSEQ, EREMOTEIO].contains(error.errno.rawValue)
    }

    /// Removes half-written files in a directory and below it, but for those that a process writes now.
    static func tidy(in directory: String) throws(KernelError) {
        for entry in try entries(in: directory) {
            let path = "\(directory)/\(entry.name)"
            if entry.isDirectory {
                try tidy(in: path)
            } else if let number = entry.name.behind(halfWritten), UInt64(number) != nil {
                removeUnlessWritten(path)
            }
        }
    }

    /// Who writes a file has its lock, whoever has that of the directory; what cannot be removed is left for another time.
    private static func removeUnlessWritten(_ path: String) {
        do throws(KernelError) {
            let file = try OwnedDescriptor(opening: path, O_RDWR | O_NOFOLLOW)
            guard try file.tryLock() else { return }
            unlink(path)
        } catch {
            return
        }
    }

    private static func entries(in directory: String) throws(KernelError) -> [(name: String, isDirectory: Bool)] {
        guard let stream = opendir(directory) else {
            guard errno == ENOENT else { throw failure("opendir", directory) }
            return []
        }
        defer { closedir(stream) }
        var found: [(name: String, isDirectory: Bool)] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw failure("readdir", directory) }
                return found
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.isExactly("."), !name.isExactly("..") else { continue }
            found.append((name, isDirectory(entry.pointee.d_type, "\(directory)/\(name)")))
        }
    }

    private static func isDirectory(_ type: UInt8, _ path: String) -> Bool {
        // Not every file system tells it with the name.
        guard type == UInt8(DT_UNKNOWN) else { return type == UInt8(DT_DIR) }
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func parent(of path: String) -> String {
        path.parts(at: "/").dropLast().joined(separator: "/")
    }

    private static func sync(_ directory: String) throws(KernelError) {
        let descriptor = try OwnedDescriptor(opening: directory, directoryFlags)
        guard fsync(descriptor.rawValue) == 0 else { throw failure("fsync", directory) }
    }

    private static func failure(_ call: String, _ path: String) -> KernelError {
        KernelError(call, Errno(rawValue: errno), path)
    }
}
