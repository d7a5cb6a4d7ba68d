internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import RBD
internal import SystemPackage

/// The server and keeper of a mapping; the service finds and ends them.
struct MappedServer {
    let directory: MappingDirectory
    let logger: Logger

    /// How long a server may take to end before it is killed; everything is flushed by then.
    private static let endLimit = Duration.seconds(10)

    /// The server that wrote its identity into the directory, if it is still the same process.
    var live: ProcessIdentity? {
        guard let record = ServerRecord.read(directory), record.process != record.keeper, record.process.isAlive else {
            return nil
        }
        return record.process
    }

    /// Whether a server of the directory, running or starting, or its keeper is alive.
    func isKept() throws(KernelError) -> Bool {
        guard try FileKind.of(directory.lock) != nil else { return false }
        return try !OwnedDescriptor(opening: directory.lock, O_RDWR).tryLock()
    }

    /// The server and keeper of a mapping whose files somebody has removed: they still have its lock, which has no name any
    /// more.
    ///
    /// Looks at the files of all processes, so it is asked only where the kernel still has something of the mapping.
    ///
    /// - Returns: Their process IDs; none where the lock has its name, for then that tells.
    func withoutFiles() throws(KernelError) -> [Int32] {
        guard try FileKind.of(directory.lock) == nil else { return [] }
        let removed = "\(directory.lock) (deleted)"
        return try KernelFile.names(in: "/proc").compactMap { Int32($0) }.filter { pid in
            // A process that has ended meanwhile has none.
            let files = (try? KernelFile.names(in: "/proc/\(pid)/fd")) ?? []
            return files.contains { DevicePath.linkTarget("/proc/\(pid)/fd/\($0)")?.isExactly(removed) == true }
        }
    }

    /// Refuses to clear away what a living server serves, although its files are gone: whoever has it mounted goes on.
    func refuseWithoutFiles() throws(KernelError) {
        let living = try withoutFiles()
        guard !living.isEmpty else { return }
        let processes = living.count == 1 ? "process" : "processes"
        throw KernelError(
            "map",
            .resourceBusy,
            "its image server (\(processes) \(living.map(String.init).joined(separator: ", "))) lives and serves it, but the "
                + "files in '\(directory.path)' were removed: end its use on this node first, so that it is unpublished "
                + "and unstaged"
        )
    }

    /// Whether Ceph has blocklisted the client of the server that runs: the image was taken from this node, and its I/O fails.
    ///
    /// One that cannot say, because its cluster does not answer, keeps its device.
    func isFenced() -> Bool {
        let notes: ServerControl.Notes? = ServerControl.ask("metadata", at: directory.control, within: 5)
        return notes?.error?.isBlocklisted ?? false
    }

    /// Ends both, and the processes that they have just started.
    ///
    /// Each would start the other again. So the server is stopped first, then the keeper is killed, then the server.
    func kill() throws(KernelError) {
        guard try isKept() else { return }
        try Waiting.wait(Self.endLimit, "kill", directory.path) { () throws(KernelError) in
            let record = ServerRecord.read(directory)
            try record?.process.send(SIGSTOP)
            try record?.keeper?.send(SIGKILL)
            try record?.process.send(SIGKILL)
            return try !isKept()
        }
    }

    /// Waits for both to end after their device was removed.
    ///
    /// A server with acknowledged writes that are not stable, because the cluster is unreachable, is not killed: EBUSY.
    func end() throws(KernelError) {
        do throws(KernelError) {
            try Waiting.wait(Self.endLimit, "wait", directory.path) { () throws(KernelError) in try !isKept() }
        } catch {
            let statistics: IOStatistics? = ServerControl.ask("statistics", at: directory.control)
            if let bytes = statistics?.unstableBytes, bytes > 0 {
                throw KernelError(
                    "wait",
                    .resourceBusy,
                    "\(directory.path): \(bytes) bytes that were written wait for the cluster; is it reachable?"
                )
            }
            logger.warning("killing an image server that does not end", metadata: ["mapping": "\(directory.path)"])
            try kill()
        }
    }

    /// Removes the directory, which no server uses any more.
    ///
    /// A server that was started just before its service was killed may take the directory only now. It finds that no
    /// process waits for it, and ends.
    func removeDirectory() throws(KernelError) {
        try Waiting.wait(Self.endLimit, "rmdir", directory.path) { () throws(KernelError) in
            do throws(KernelError) {
                try directory.remove()
                return true
            } catch  where error.errno == .directoryNotEmpty || error.errno == .resourceBusy {
                try end()
                return false
            }
        }
    }
}
