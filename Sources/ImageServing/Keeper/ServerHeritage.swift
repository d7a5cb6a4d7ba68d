internal import Glibc
internal import ImageMapping
internal import LinuxKernel
internal import SystemPackage

/// What outlives a server: its keeper keeps it open, and each server inherits it.
final class ServerHeritage: Sendable {
    /// The memory that servers share.
    let memory: OwnedDescriptor
    /// The FUSE connection, for that front; while keeper or server has it, I/O waits and does not fail.
    let fuseConnection: CInt?
    /// Locked: no other keeper uses the directory.
    let lock: OwnedDescriptor
    private let directory: MappingDirectory
    /// The keeper.
    let keeper: ProcessIdentity
    /// The first keeper of the mapping, whose identity is in the holder's lock.
    let firstKeeper: ProcessIdentity

    init(_ configuration: ImageServerConfiguration) throws(MappingError) {
        directory = configuration.directory
        guard let identity = ProcessIdentity(of: getpid()) else {
            throw MappingError(.host, "cannot read /proc/self/stat")
        }
        (keeper, firstKeeper) = (identity, identity)
        do throws(KernelError) {
            lock = try Self.takeLock(configuration, identity)
            let limits = configuration.front.limits
            memory = try .sharedMemory("nacre", bytes: limits.memoryBytes)
            fuseConnection = configuration.front == .fuse ? try Self.openFuse() : nil
        } catch {
            throw MappingError("start an image server", error)
        }
    }

    /// Takes over what a server passes to its new keeper, from a descriptor on: the memory, the lock and the FUSE
    /// connection.
    init(
        _ configuration: ImageServerConfiguration,
        adopting server: AdoptedServer,
        from first: CInt
    ) throws(KernelError) {
        directory = configuration.directory
        guard let identity = ProcessIdentity(of: getpid()) else {
            throw KernelError("read", .ioError, "/proc/self/stat")
        }
        (keeper, firstKeeper) = (identity, server.firstKeeper)
        memory = OwnedDescriptor(adopting: first, subject: "shared memory")
        lock = OwnedDescriptor(adopting: first + 1, subject: directory.lock)
        fuseConnection = server.hasFuseConnection ? first + 2 : nil
        guard var record = ServerRecord.read(directory) else {
            throw KernelError("read", .noSuchFileOrDirectory, directory.server)
        }
        record.keeper = identity
        try record.write(directory)
    }

    private static func openFuse() throws(KernelError) -> CInt {
        let raw = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard raw >= 0 else { throw KernelError("open", Errno(rawValue: errno), "/dev/fuse") }
        return raw
    }

    /// Locks the directory, and records this process.
    private static func takeLock(
        _ configuration: ImageServerConfiguration,
        _ identity: ProcessIdentity
    ) throws(KernelError) -> OwnedDescriptor {
        let directory = configuration.directory
        let file = try OwnedDescriptor(opening: directory.lock, O_RDWR | O_CREAT)
        var attempts = 0
        // A process that checks whether a server is alive takes the lock for an instant.
        while try !file.tryLock() {
            attempts += 1
            guard attempts < 200 else { throw KernelError("flock", .resourceBusy, directory.lock) }
            usleep(10_000)
        }
        let earlier = ServerRecord.read(directory)
        var record = ServerRecord(process: identity, keeper: identity, addresses: configuration.predecessor)
        // After a reboot a number says nothing.
        if let earlier, earlier.process.bootID == identity.bootID {
            (record.device, record.connector) = (earlier.device, earlier.connector)
        }
        try record.write(directory)
        return file
    }

    /// The nbd device of servers before, which has outlived them and their keeper.
    var leftDevice: NBDDevice? { (try? NBDMapping.device(directory, ServerRecord.read(directory))) ?? nil }

    /// Makes the kernel fail waiting I/O: a FUSE connection ends with the process, an nbd device must be disconnected.
    func giveUp() {
        guard let device = leftDevice else { return }
        ServerLog.attempt("disconnect \(device)") { () throws(KernelError) in try NBDControl.disconnect(device) }
    }
}
