internal import ExactText
internal import Glibc
internal import Synchronization

/// The service's place in the file system.
///
/// The socket is bound in a directory of mode 0700 beside its final path, set to mode 0600 and then renamed. So no
/// other user can connect to it at any moment, and no client finds it incomplete. The parent directory is locked from
/// the check of the old socket until the new one is in place. If two servers start at once, one serves and the other
/// gets an error.
package final class SocketPlace: Sendable {
    /// Where the socket shows up.
    package let path: String
    private let directory: String
    private let lock = Mutex<Int32?>(nil)
    /// Device and inode of what we put there.
    private let published = Mutex<(dev_t, ino_t)?>(nil)

    /// A `sockaddr_un` holds 107 bytes; the temporary name needs some of them.
    static let longestPathBytes = 101

    /// Takes the path; touches nothing.
    package init(_ path: String) throws(SocketError) {
        guard path.utf8.first == UInt8(ascii: "/"), path.utf8.last != UInt8(ascii: "/"), !path.utf8.contains(0) else {
            throw SocketError("cannot serve on '\(path)': the path of a socket starts with '/' and ends in a name")
        }
        guard path.utf8.count <= Self.longestPathBytes else {
            throw SocketError(
                "cannot serve on '\(path)': \(path.utf8.count) bytes, the limit for a socket is \(Self.longestPathBytes); "
                    + "choose a shorter path"
            )
        }
        self.path = path
        directory = path.parts(at: "/").dropLast().joined(separator: "/") + "/"
    }

    private var stagingDirectory: String { path + ".new" }

    /// Where the socket is bound before it is renamed.
    package var stagingPath: String { stagingDirectory + "/s" }

    /// Creates and locks the parent directory, and checks that the path is free or has a socket that no server listens
    /// on.
    package func take() async throws(SocketError) {
        try makeDirectories()
        try await lockDirectory()
        do throws(SocketError) {
            try refuseUnlessFree()
            guard mkdir(stagingDirectory, 0o700) == 0 || errno == EEXIST else {
                throw SocketError("make '\(stagingDirectory)'", call: "mkdir", errno: errno)
            }
            // Left by a process that was killed between bind and rename.
            unlink(stagingPath)
        } catch {
            unlock()
            throw error
        }
    }

    /// Moves the bound socket to its place.
    package func publish() throws(SocketError) {
        guard chmod(stagingPath, 0o600) == 0 else {
            throw SocketError("restrict '\(stagingPath)'", call: "chmod", errno: errno)
        }
        var status = stat()
        guard lstat(stagingPath, &status) == 0 else {
            throw SocketError("look at '\(stagingPath)'", call: "lstat", errno: errno)
        }
        guard rename(stagingPath, path) == 0 else {
            throw SocketError("move the socket to '\(path)'", call: "rename", errno: errno)
        }
        published.withLock { $0 = (status.st_dev, status.st_ino) }
        rmdir(stagingDirectory)
        unlock()
    }

    /// Takes away what we put there, and only that.
    package func abandon() {
        if let (device, inode) = published.withLock({ $0 }) {
            var status = stat()
            if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
        } else if lock.withLock({ $0 != nil }) {
            unlink(stagingPath)
            rmdir(stagingDirectory)
        }
        unlock()
    }

    private func makeDirectories() throws(SocketError) {
        var prefix = ""
        for part in directory.parts(at: "/", omittingEmpty: true) {
            prefix += "/\(part)"
            guard mkdir(prefix, 0o700) == 0 || errno == EEXIST else {
                throw SocketError("make '\(prefix)' for the socket", call: "mkdir", errno: errno)
            }
        }
    }

    private func lockDirectory() async throws(SocketError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SocketError("open '\(directory)'", call: "open", errno: errno) }
        let deadline = ContinuousClock.now + .seconds(5)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR, .now < deadline else {
                close(descriptor)
                throw SocketError("lock '\(directory)', where another nacre starts", call: "flock", errno: code)
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        lock.withLock { $0 = descriptor }
    }

    private func unlock() {
        if let descriptor = lock.withLock({ $0.take() }) { close(descriptor) }
    }

    /// Checks that the path is free, or has a socket that no server listens on; changes nothing.
    package func refuseUnlessFree() throws(SocketError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw SocketError("look at '\(path)'", call: "lstat", errno: errno) }
            return
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SocketError(
                "cannot serve on '\(path)': it is there and not a socket; move it away or choose another path"
            )
        }
        guard try !isServed() else {
            throw SocketError("another nacre serves on '\(path)'; stop it first or choose another path")
        }
    }

    private func isServed() throws(SocketError) -> Bool {
        let descriptor = socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
            0
        )
        guard descriptor >= 0 else { throw SocketError("make a socket", call: "socket", errno: errno) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // EAGAIN: somebody listens and has a full queue.
        guard result != 0, errno != EAGAIN else { return true }
        guard errno == ECONNREFUSED || errno == ENOENT else {
            throw SocketError("see whether anybody serves on '\(path)'", call: "connect", errno: errno)
        }
        return false
    }
}
