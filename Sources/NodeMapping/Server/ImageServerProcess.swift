internal import CFuse
internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage

/// The process that serves one image; it outlives the service that started it.
public enum ImageServerProcess {
    /// Serves an image until its mount is taken away, then ends the process.
    ///
    /// Must be called first thing in a process, on its first thread. Descriptor 3 is the pipe to the parent, 1 and 2
    /// are the log.
    ///
    /// - Parameter descriptor: A pipe with the configuration, a line of JSON, and the key after it.
    public static func main(readingConfigurationFrom descriptor: Int32) -> Never {
        // Signals come to one thread of ours, not into librbd's.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let parent = OwnedDescriptor(adopting: 3, subject: "pipe to the service")
        do throws(MappingError) {
            attempt("forbid dumps") { () throws(KernelError) in try ProcessControl.forbidDumps() }
            let (configuration, key) = try readConfiguration(OwnedDescriptor(adopting: descriptor, subject: "pipe"))
            try serve(configuration, key, parent)
            exit(0)
        } catch {
            log("\(error)")
            report(.failed(error), to: parent)
            exit(1)
        }
    }

    private static func serve(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ parent: borrowing OwnedDescriptor
    ) throws(MappingError) {
        prepareProcess(configuration.placement)
        let directory = configuration.directory
        guard var identity = ProcessIdentity(of: getpid()).map({ ServerRecord(process: $0) }) else {
            throw MappingError(.host, "cannot read /proc/self/stat")
        }
        let lockFile = try claim(directory, identity)
        let context = try connect(configuration, key)
        do throws(KernelError) {
            // With those of the server before us: if we die before its lock is broken, our successor must know them.
            let own = (try? context.cluster.addresses()).map(ClientAddress.plain)
            identity.addresses = ([own].compactMap { $0 } + configuration.dead).joined(separator: " ")
            try KernelFile.replace(directory.server, with: encode(identity))
        } catch {
            throw MappingError("start an image server", error)
        }
        let lock = ImageLock(context: context, configuration: configuration, process: identity.process, log: log)
        let imageID = try lock.settle()
        let image = try open(configuration, context)
        try lock.acquire(image, imageID)
        let system = try ImageFileSystem(image: image, isReadOnly: configuration.isReadOnly)
        let session = try FuseSession(system)
        do throws(KernelError) {
            // A parent that is gone will never ask for this mount, nor take it away.
            guard !parentIsGone(parent) else { throw KernelError("poll", .brokenPipe, "pipe to the service") }
            try session.mount(at: directory.mountPoint)
        } catch {
            throw MappingError("mount the image's file", error)
        }
        attempt("lock memory") { () throws(KernelError) in try ProcessControl.lockMemory() }
        let attributes = startThread { system.serveAttributes() }
        _ = startThread { unmountAtSignal(directory.mountPoint) }
        guard report(.ready, to: parent) else {
            try? Mounting.detach(directory.mountPoint)
            log("the service went away before the image was ready")
            lock.release(image, imageID)
            image.close()
            return
        }
        log("serving \(configuration.image) at \(directory.imageFile)")
        session.run()
        // The mount is gone: unmounted, or its connection was aborted. A cluster that is away must not keep us.
        alarm(30)
        system.stop()
        pthread_join(attributes, nil)
        lock.release(image, imageID)
        // Threads still refer to it, and a watch that nobody takes back looks like a live client for 30 s.
        image.close()
        log("done with \(configuration.image)")
        _ = consume lockFile
    }

    /// Makes us the only server in the directory, and says who we are.
    private static func claim(
        _ directory: MappingDirectory,
        _ identity: ServerRecord
    ) throws(MappingError) -> OwnedDescriptor {
        do throws(KernelError) {
            let file = try OwnedDescriptor(opening: directory.lock, O_RDWR | O_CREAT)
            var attempts = 0
            // Whoever looks whether a server lives takes the lock for an instant.
            while try !file.tryLock() {
                attempts += 1
                guard attempts < 200 else { throw KernelError("flock", .resourceBusy, directory.lock) }
                usleep(10_000)
            }
            try KernelFile.replace(directory.server, with: encode(identity))
            return file
        } catch {
            throw MappingError("start an image server", error)
        }
    }

    private static func prepareProcess(_ placement: ServerPlacement) {
        switch placement {
        case .root:
            for sentence in Cgroups.moveToRoot(getpid()) { log(sentence) }
        case .memoryCgroup(let directory):
            attempt("move to \(directory)") { () throws(KernelError) in try Cgroups.move(getpid(), to: directory) }
        case .stay: break
        }
        attempt("become an I/O flusher") { () throws(KernelError) in try ProcessControl.becomeIOFlusher() }
        attempt("be spared when memory runs out") { () throws(KernelError) in
            try ProcessControl.setOutOfMemoryScore(-1000)
        }
    }

    private static func connect(
        _ configuration: ImageServerConfiguration,
        _ key: Secret
    ) throws(MappingError) -> IOContext {
        let address = configuration.image
        do throws(RADOSError) {
            let cluster = try Cluster.connect(
                monitors: configuration.monitors,
                credentials: Credentials(userID: configuration.userID, userKey: key),
                // An outage stalls I/O and must never fail it: the file system would give up for good.
                options: [
                    "rados_osd_op_timeout": "0",
                    "rados_mon_op_timeout": "0",
                    // Two nodes' caches would not know of each other's writes.
                    "rbd_cache": configuration.sharing == .manyNodes ? "false" : "true",
                    "rbd_cache_writethrough_until_flush": "true",
                ]
            )
            // A client that was blocklisted a moment ago must not be ahead of our knowledge of it.
            try cluster.refreshMap()
            return try cluster.ioContext(pool: address.pool, namespace: address.namespace)
        } catch {
            throw MappingError("reach image \(address)", error)
        }
    }

    private static func open(
        _ configuration: ImageServerConfiguration,
        _ context: IOContext
    ) throws(MappingError) -> Image {
        do throws(RBDError) {
            let access: Image.Access = configuration.isReadOnly ? .readOnly : .readWrite
            return try Image.open(configuration.image.name, in: context, access: access)
        } catch {
            throw MappingError("open image \(configuration.image)", error)
        }
    }

    private static func readConfiguration(
        _ pipe: consuming OwnedDescriptor
    ) throws(MappingError) -> (ImageServerConfiguration, Secret) {
        var bytes: [UInt8]
        do throws(KernelError) {
            bytes = try pipe.readToEnd()
        } catch {
            throw MappingError("read the configuration", error)
        }
        defer {
            bytes.withUnsafeMutableBytes { bytes in
                if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
            }
        }
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let configuration = try? JSONDecoder().decode(ImageServerConfiguration.self, from: Data(bytes[..<end]))
        else { throw MappingError(.other, "cannot read the image server's configuration: it is not ours") }
        return (configuration, Secret(bytes[(end + 1)...]))
    }

    /// SIGTERM, such as at shutdown: ends the service when nobody uses the file, and is ignored otherwise.
    private static func unmountAtSignal(_ mountPoint: String) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] { sigaddset(&signals, number) }
        while true {
            var number: CInt = 0
            guard sigwait(&signals, &number) == 0, number == SIGTERM else { continue }
            attempt("unmount at SIGTERM") { () throws(KernelError) in try Mounting.unmount(mountPoint) }
        }
    }

    private static func parentIsGone(_ parent: borrowing OwnedDescriptor) -> Bool {
        var entry = pollfd(fd: parent.rawValue, events: 0, revents: 0)
        return poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLERR) != 0
    }

    @discardableResult
    private static func report(_ report: ImageServerReport, to parent: borrowing OwnedDescriptor) -> Bool {
        do throws(KernelError) {
            try parent.writeAll(encode(report) + [UInt8(ascii: "\n")])
            return true
        } catch {
            return false
        }
    }

    private static func encode(_ value: some Encodable) -> [UInt8] {
        (try? JSONEncoder().encode(value)).map { Array($0) } ?? []
    }

    private static func attempt(_ what: String, _ body: () throws(KernelError) -> Void) {
        do throws(KernelError) {
            try body()
        } catch {
            log("cannot \(what): \(error)")
        }
    }

    private static func log(_ sentence: String) {
        try? OwnedDescriptor(adopting: dup(2), subject: "log").writeAll(Array("\(sentence)\n".utf8))
    }
}

/// Starts a thread.
private func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body)).toOpaque()
    pthread_create(
        &thread,
        nil,
        { context in
            guard let context else { return nil }
            Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            return nil
        },
        context
    )
    return thread
}
