internal import ExactText
internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage

/// One server of an image: from its fork to its end.
///
/// A successor does in this order: fence the dead one and break its lock, open the image, lay hands on what the dead one
/// had acknowledged, open the door to the kernel. So nothing that the kernel says can be ahead of the dead one's writes.
struct ImageServer {
    private let configuration: ImageServerConfiguration
    private let key: Secret
    private let heritage: ServerHeritage
    private let generation: Int
    private let toKeeper: CInt

    init(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ heritage: ServerHeritage,
        _ generation: Int,
        toKeeper: CInt
    ) {
        self.configuration = configuration
        self.key = key
        self.heritage = heritage
        self.generation = generation
        self.toKeeper = toKeeper
    }

    /// Serves until the device is gone, then ends the process.
    ///
    /// - Parameter parent: The pipe to the service that waits for the first server; nothing for the others.
    func run(parent: CInt?) -> Never {
        var status: Int32 = 0
        do throws(MappingError) {
            try serve(parent)
        } catch {
            ServerLog.say("\(error)")
            if let parent { ImageServerReport.failed(error).send(to: parent) }
            status =
                switch error.kind {
                case .inUse: ImageKeeper.refused
                case .fenced, .replaced: ImageKeeper.fenced
                default: 1
                }
        }
        // librados' threads do not stop for exit(3): they would use what its static destructors have taken down.
        fflush(nil)
        _exit(status)
    }

    private func serve(_ parent: CInt?) throws(MappingError) {
        ServerLog.attempt("become an I/O flusher") { () throws(KernelError) in try ProcessControl.becomeIOFlusher() }
        var configuration = configuration
        let directory = configuration.directory
        let earlier = ServerRecord.read(directory)
        configuration.predecessor = earlier?.addresses
        guard let process = ProcessIdentity(of: getpid()) else {
            throw MappingError(.host, "cannot read /proc/self/stat")
        }
        var record = ServerRecord(
            process: process,
            keeper: heritage.keeper,
            addresses: earlier?.addresses,
            device: earlier?.device,
            connector: earlier?.connector
        )
        try write(record)
        let context = try connect()
        // With those of the servers before us: if we die before its lock is broken, our successor must know them.
        let own = (try? context.cluster.addresses()).map(ClientAddress.plain)
        record.addresses = ([own].compactMap { $0 } + configuration.dead).joined(separator: " ")
        try write(record)
        let lock = ImageLock(
            context: context,
            configuration: configuration,
            process: process,
            keeper: heritage.firstKeeper,
            isSuccessor: generation > 0,
            known: MappingRecord.read(directory)?.identity,
            log: ServerLog.say
        )
        // What waits in a device that is left must not go over what another node has written meanwhile.
        if generation == 0, heritage.leftDevice != nil, try !lock.isContinuous() { heritage.giveUp() }
        let imageID = try lock.settle()
        let image = try open(context, imageID)
        try lock.acquire(image, imageID)
        try note(ImageIdentity(poolID: context.poolID, imageID: imageID), lock.known)
        // The dead ones are fenced; their addresses are of no more use.
        record.addresses = own
        try write(record)

        let front = try makeFront(image, record)
        if let parent, OwnedDescriptor(adopting: dup(parent), subject: "pipe").isBroken {
            // Nobody will ever ask for this device, nor take it away.
            lock.release(image, imageID)
            image.close()
            throw MappingError(.host, "the service went away before the image was ready")
        }
        try front.start(isSuccessor: generation > 0)
        startThread { ServerSignals.onTermination { front.endIfUnused() } }
        let engine = front.engine
        ServerLog.attempt("listen at \(directory.control)") { () throws(KernelError) in
            let notes = ImageNotes(context: context, image: configuration.image, imageID: imageID)
            try ServerControl.start(at: directory.control, front: front, notes: notes)
        }
        let line = KeeperLine(configuration, key, heritage, process, toKeeper)
        line.say(.ready)
        line.replaceKeepers()
        if let parent, !ImageServerReport.ready.send(to: parent) {
            front.abandon()
            ServerLog.say("the service went away before the image was ready")
        } else {
            ServerLog.say("serving \(configuration.image) by \(configuration.front.name)")
        }
        ServerLog.attempt("lock memory") { () throws(KernelError) in try ProcessControl.lockMemory() }
        front.waitUntilGone()
        // What was acknowledged must not be lost, however long the cluster is away. The rest must not keep us.
        while engine.statistics.unstableBytes > 0 { usleep(10_000) }
        line.say(.gone)
        alarm(30)
        while engine.inFlight > 0 { usleep(10_000) }
        front.stop()
        lock.release(image, imageID)
        // Threads still refer to it, and a watch that nobody takes back looks like a live client for 30 s.
        image.close()
        ServerLog.say("done with \(configuration.image)")
    }

    private func makeFront(_ image: Image, _ record: ServerRecord) throws(MappingError) -> any ServerFront {
        let limits = configuration.front.limits
        guard
            let memory = SharedRequestMemory(
                descriptor: heritage.memory.rawValue,
                count: limits.requests,
                longestTransfer: limits.longestTransfer
            )
        else { throw MappingError(.host, "cannot map the memory that image servers share") }
        let hasJournal = try ImageLock.features(of: image).contains(.journaling)
        let makeEngine = { (handler: @escaping @Sendable (IORequest) -> Void) in
            ImageIOEngine(
                image: image,
                memory: memory,
                acknowledgesEarly: configuration.sharing == .oneNode,
                hasJournal: hasJournal,
                handler: handler
            )
        }
        let front: any ServerFront
        switch configuration.front {
        case .fuse:
            guard let connection = heritage.fuseConnection else {
                throw MappingError(.other, "cannot serve the image: there is no FUSE connection")
            }
            let engine = makeEngine(ImageFileSystem.answer)
            front = try FuseFront(image, engine, memory, configuration, connection: connection)
        case .nbd(let connections):
            let engine = makeEngine(NBDConnection.answer)
            front = try NBDFront(image, engine, memory, configuration, record, connections: connections)
        }
        guard generation > 0 else { return front }
        front.engine.note(succession: true)
        let count = front.engine.writeAgain()
        ServerLog.say("writing \(count) acknowledged writes again that were not stable")
        return front
    }

    private func connect() throws(MappingError) -> IOContext {
        let address = configuration.image
        let credentials = Credentials(userID: configuration.userID, userKey: key)
        do throws(RADOSError) {
            let cluster = try Cluster.connect(
                monitors: configuration.monitors,
                credentials: credentials,
                // An outage stalls I/O and must never fail it: the file system would give up for good.
                options: [
                    "rados_osd_op_timeout": "0",
                    // Ceph's own: threads of their own begin the operations, and may be held up.
                    "objecter_inflight_ops": "1024",
                    "rados_mon_op_timeout": "0",
                    // It would die with us, and other nodes' would not know of our writes; ImageIOEngine has one that
                    // does not.
                    "rbd_cache": "false",
                ]
            )
            // A client that was blocklisted a moment ago must not be ahead of our knowledge of it.
            try cluster.refreshMap()
            return try cluster.ioContext(pool: address.pool, namespace: address.namespace)
        } catch {
            throw MappingError("reach image \(address)", error, as: credentials)
        }
    }

    private func open(_ context: IOContext, _ imageID: String) throws(MappingError) -> Image {
        do throws(RBDError) {
            let access: Image.Access = configuration.isReadOnly ? .readOnly : .readWrite
            let image = try Image.open(configuration.image.name, in: context, access: access)
            if try image.id().isExactly(imageID) { return image }
            image.close()
        } catch {
            throw MappingError("open image \(configuration.image)", error)
        }
        throw MappingError(
            .unavailable,
            "cannot open image \(configuration.image): another image got its name a moment ago; retry"
        )
    }

    /// Writes down which image it is: its name may be another one's when a successor starts.
    private func note(_ identity: ImageIdentity, _ known: ImageIdentity?) throws(MappingError) {
        guard identity != known, var record = MappingRecord.read(configuration.directory) else { return }
        record.identity = identity
        do throws(KernelError) {
            try record.write(configuration.directory)
        } catch {
            throw MappingError("write down which image \(configuration.image) is", error)
        }
    }

    private func write(_ record: ServerRecord) throws(MappingError) {
        do throws(KernelError) {
            try record.write(configuration.directory)
        } catch {
            throw MappingError("start an image server", error)
        }
    }
}
