internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import Synchronization
internal import SystemPackage

/// Serves an image as a network block device of the kernel, over socket pairs.
///
/// **If a server dies,** its end of the socket is closed. The kernel holds new requests until the successor makes a new
/// connection by `NBD_CMD_RECONFIGURE`. Requests that the dead server had read are sent again when the kernel next
/// checks slow requests and finds that they were sent on another connection: `requestTimeout`.
///
/// **If the cluster does not answer,** the kernel logs "possible stuck request" at each check and waits. With a time
/// limit (`NBD_ATTR_TIMEOUT`), or with several connections, it would close the connection instead. So there is one
/// connection and no limit, unless the node is configured otherwise. With several connections the kernel's 30 s apply:
/// a connection that it closes is made again, and requests that it sends again are ordered after those under way
/// (`ImageIOEngine`), so doing them twice is harmless.
final class NBDFront: ServerFront {
    let engine: ImageIOEngine
    private let image: Image
    private let backend: String
    private let connections: Int
    private let longestTransfer: Int
    private let isReadOnly: Bool
    private let directory: MappingDirectory
    private let state: Mutex<State>
    private let ends: (readEnd: CInt, writeEnd: CInt)

    private struct State {
        var record: ServerRecord
        var device: NBDDevice?
        /// Kept for the life of the process, because requests under way refer to them by address.
        var all: [NBDConnection] = []
        var isGone = false
    }

    /// The kernel's interval for checking slow requests, in milliseconds.
    private static let requestTimeout = 2000
    /// How many seconds I/O waits without a server; practically without limit.
    private static let deadConnectionTimeout: UInt64 = 7 * 86_400

    init(
        _ image: Image,
        _ engine: ImageIOEngine,
        _ memory: SharedRequestMemory,
        _ configuration: ImageServerConfiguration,
        _ record: ServerRecord,
        connections: Int
    ) throws(MappingError) {
        self.image = image
        self.engine = engine
        self.connections = connections
        longestTransfer = memory.longestTransfer
        isReadOnly = configuration.isReadOnly
        directory = configuration.directory
        backend = NBDMapping.backend(of: configuration.directory)
        state = Mutex(State(record: record))
        var pipe: [CInt] = [-1, -1]
        guard Glibc.pipe(&pipe) == 0 else {
            throw MappingError("serve the image", KernelError("pipe", Errno(rawValue: errno), "end of the device"))
        }
        ends = (pipe[0], pipe[1])
    }

    func start(isSuccessor: Bool) throws(MappingError) {
        let size = try size()
        do throws(KernelError) {
            let known = try NBDMapping.device(directory, state.withLock { $0.record })
            var sockets: [CInt] = []
            defer { for socket in sockets { close(socket) } }
            for _ in 0..<connections { sockets.append(try connect()) }
            if let known {
                try NBDControl.reconfigure(
                    known,
                    sockets: sockets,
                    sizeBytes: size,
                    deadConnectionTimeout: Self.deadConnectionTimeout,
                    backend: backend
                )
                return try remember(known, connector: nil)
            }
            guard !isSuccessor else {
                // It was taken away while nobody served it.
                return end()
            }
            let flags = NBDProtocol.serverFlags | (isReadOnly ? NBDProtocol.readOnlyFlag : 0)
            let connection = NBDControl.Connection(
                sizeBytes: size,
                serverFlags: flags,
                timeout: 0,
                deadConnectionTimeout: Self.deadConnectionTimeout,
                backend: backend
            )
            let device = try NBDControl.connect(connection, sockets: sockets)
            try remember(device, connector: getpid())
            try device.makeNode()
            guard connections == 1 else { return }
            ServerLog.attempt("let \(device) look after requests early") { () throws(KernelError) in
                try Sysfs().setQueueLimit("io_timeout", of: device.name, to: Self.requestTimeout)
            }
        } catch {
            throw MappingError("connect the image to a network block device", error)
        }
    }

    func waitUntilGone() {
        var byte: UInt8 = 0
        while read(ends.readEnd, &byte, 1) < 0, errno == EINTR {}
    }

    func grow() throws(MappingError) -> UInt64 {
        let size = try size()
        guard let device = state.withLock({ $0.device }) else {
            throw MappingError(.host, "cannot grow the device: it is not connected")
        }
        do throws(KernelError) {
            try NBDControl.reconfigure(device, sizeBytes: size, backend: backend)
            return size
        } catch {
            throw MappingError("grow \(device)", error)
        }
    }

    func endIfUnused() {
        guard let device = state.withLock({ $0.device }) else { return }
        ServerLog.attempt("disconnect at SIGTERM") { () throws(KernelError) in
            try BlockIOControl.waitUntilUnused(device.path, for: .zero)
            try NBDControl.disconnect(device)
        }
    }

    func abandon() {
        guard let device = state.withLock({ $0.device }) else { return }
        ServerLog.attempt("disconnect \(device)") { () throws(KernelError) in try NBDControl.disconnect(device) }
    }

    func stop() {}

    private func size() throws(MappingError) -> UInt64 {
        do throws(RBDError) {
            return try image.sizeBytes()
        } catch {
            throw MappingError("read the image's size", error)
        }
    }

    private func remember(_ device: NBDDevice, connector: Int32?) throws(KernelError) {
        let record = state.withLock { state in
            state.device = device
            state.record.device = device
            if let connector { state.record.connector = connector }
            return state.record
        }
        try record.write(directory)
    }

    /// Makes a connection and starts its reader; returns the kernel's end, which the caller must close.
    private func connect() throws(KernelError) -> CInt {
        try OwnedDescriptor.withSocketPair { (ours, theirs) throws(KernelError) in
            let kernels = fcntl(theirs.rawValue, F_DUPFD_CLOEXEC, 3)
            guard kernels >= 0 else { throw KernelError("fcntl", Errno(rawValue: errno), theirs.subject) }
            let connection = NBDConnection(socket: ours, engine: engine, longestTransfer: longestTransfer)
            state.withLock { $0.all.append(connection) }
            startThread { [self] in
                switch connection.serve() {
                case .disconnected: end()
                case .lost: connectAnew()
                }
            }
            return kernels
        }
    }

    /// Called after the kernel has closed a live connection, or if the device is gone.
    private func connectAnew() {
        guard let device = state.withLock({ $0.isGone ? nil : $0.device }) else { return }
        // The kernel closes a connection before it marks it as dead, and replaces only dead ones.
        usleep(10_000)
        do throws(KernelError) {
            let socket = try connect()
            defer { close(socket) }
            try NBDControl.reconfigure(device, sockets: [socket], backend: backend)
            engine.note(succession: false)
            ServerLog.say("connected \(device) anew: the kernel had closed a connection")
        } catch {
            guard error.errno != .invalidArgument, error.errno != .noSuchFileOrDirectory else { return end() }
            ServerLog.say("cannot connect \(device) anew: \(error)")
            // Better another server than none.
            _exit(1)
        }
    }

    private func end() {
        state.withLock { $0.isGone = true }
        var byte: UInt8 = 0
        _ = write(ends.writeEnd, &byte, 1)
    }
}
