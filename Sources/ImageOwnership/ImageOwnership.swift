internal import ExactText
public import ImageMapping
public import KernelMapping
internal import LinuxKernel
public import Logging
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// Takes images for mappers whose client is the kernel's: it cannot write down whose it is, nor see who is dead before
/// the lock's time.
///
/// An image server does all of this by itself (`ImageLock`).
///
/// Needs a connection of its own to each cluster, which is kept (`KeptConnections`). After a restart of the service the first
/// call that maps brings it back; what is unmapped until then is noted (`HeldNotes`), and its lock is taken back with that
/// call. Until then whoever takes the image fences the kernel's client before that. It is the client of this one image, and
/// gone.
///
/// All calls block.
public final class ImageOwnership: KernelImageOwner {
    struct State {
        var held: [ImageAddress: (request: MapRequest, imageID: String)] = [:]
    }

    private let stateDirectory: String
    private let nodeID: String
    private let logger: Logger
    let connections: KeptConnections
    let heldNotes: HeldNotes
    let state = Mutex(State())
    private let lookup = NameLookup()
    /// Held while a note is changed: a lock may be taken and given back at once.
    let noting = Mutex(())

    /// Prepares it; touches nothing.
    ///
    /// - Parameters:
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    ///   - nodeID: This node's name.
    ///   - logger: Where to tell of fences.
    public init(stateDirectory: String, nodeID: String, logger: Logger) {
        self.stateDirectory = stateDirectory
        self.nodeID = nodeID
        self.logger = logger
        connections = KeptConnections(logger: logger)
        heldNotes = HeldNotes(directory: "\(stateDirectory)/held")
    }

    /// Returns when no other node has the image; fences who is dead.
    ///
    /// - Parameter request: The image and its cluster.
    /// - Throws: `MappingError` with `.inUse` that names node, address and since when.
    public func settle(_ request: MapRequest) throws(MappingError) {
        let node = try node()
        let logger = logger
        let tally = FenceTally(stateDirectory: stateDirectory)
        try connections.connected(for: request) { (context) throws(MappingError) in
            var rivals = ImageRivals(context: context, image: request.image, node: node)
            rivals.tally = tally
            rivals.log = { logger.warning("fencing a client that is dead", metadata: ["what": "\($0)"]) }
            _ = try rivals.settle()
            releaseNoted(context.cluster, request.image.clusterID, node)
        }
    }

    /// Takes the holder's lock for the kernel.
    ///
    /// The kernel takes librbd's lock at its first write, and hands it over to whoever asks: it must, or nobody could grow
    /// the image. So the lock that nodes observe is this one.
    ///
    /// - Parameters:
    ///   - request: The image, mapped by now, and its cluster.
    ///   - address: The kernel's client: `client_addr` in sysfs.
    ///   - identity: The image that the kernel has; nothing where it does not tell.
    /// - Throws: `MappingError` with `.inUse` when another node was faster, with `.replaced` when another image has the name
    ///   by now; then unmap what was mapped for this.
    public func hold(
        _ request: MapRequest,
        address: String,
        of identity: ImageIdentity? = nil
    ) throws(MappingError) {
        let node = try node()
        try connections.connected(for: request) { (context) throws(MappingError) in
            try hold(request, address: address, identity, as: node, in: context)
        }
    }

    private func hold(
        _ request: MapRequest,
        address: String,
        _ identity: ImageIdentity?,
        as node: NodeIdentity,
        in context: IOContext
    ) throws(MappingError) {
        let image = request.image
        let found = try ImageRivals(context: context, image: image, node: node).look()
        let named = ImageIdentity(poolID: context.poolID, imageID: found.imageID)
        // Mapped before, or just now while somebody renamed them.
        if let identity {
            try ImageWhereabouts(mapped: identity, named: named).refuseChange("lock image \(image)", of: image)
        }
        let record = node.record(address: address, mapper: "krbd")
        state.withLock { $0.held[image] = (request, found.imageID) }
        do throws(KernelError) {
            // Before the lock, so that none is held of which nothing is known after a restart.
            try write(
                HeldNote(image: image, imageID: found.imageID, address: record.address, bootID: node.bootID)
            )
        } catch {
            throw MappingError("note the lock of image \(image)", error)
        }
        let holders = found.clients.filter { $0.locks[.holder] != nil }
        // An earlier connection's is as good.
        if holders.contains(where: { $0.address.isExactly(record.address) && $0.record?.tenure == record.tenure }) {
            return
        }
        let failure: RBDError
        do throws(RBDError) {
            return try context.lockAsHolder(record, ofImageID: found.imageID)
        } catch {
            failure = error
        }
        let now = try ImageRivals(context: context, image: image, node: node).look().clients
        guard failure.isBusy, let other = now.first(where: { $0.locks[.holder] != nil }) else {
            throw MappingError("lock image \(image)", failure)
        }
        throw ImageRivals.inUse(image, other)
    }

    /// Which image is mapped, and which one has its name now; `nil` when there is no user to ask as.
    ///
    /// Asked on a connection of its own, which gives up soon: a cluster that is away must not hold the caller's thread for
    /// the minute that a map may take.
    public func whereabouts(
        of mapped: ImageIdentity,
        as image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        guard let request = request ?? state.withLock({ $0.held[image]?.request }) else { return nil }
        return try lookup.whereabouts(of: mapped, as: image, request, until: .now + .seconds(seconds))
    }

    /// What is written on the image.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try connections.connected(for: request) { (context) throws(MappingError) in
            try notes(on: request.image, in: context).metadata()
        }
    }

    /// Changes a key of it, unless another client has changed it meanwhile.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try connections.connected(for: request) { (context) throws(MappingError) in
            try notes(on: request.image, in: context).apply(change)
        }
    }

    /// Whether an object of it exists that holds a part of a range; `nil` if that would take long to tell.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try connections.connected(for: request) { (context) throws(MappingError) in
            try notes(on: request.image, in: context).holdsObjects(in: range)
        }
    }

    private func notes(on image: ImageAddress, in context: IOContext) throws(MappingError) -> ImageNotes {
        if let held = state.withLock({ $0.held[image] }) {
            return ImageNotes(context: context, image: image, imageID: held.imageID)
        }
        do throws(RBDError) {
            if let id = try context.idOfImage(named: image.name) {
                return ImageNotes(context: context, image: image, imageID: id)
            }
        } catch {
            throw MappingError("look up image \(image)", error)
        }
        throw MappingError(.notFound, "there is no image \(image)")
    }

    private func write(_ note: HeldNote) throws(KernelError) {
        try noting.withLock { (_) throws(KernelError) in try heldNotes.write(note) }
    }

    /// The images whose locks this service can give back.
    var heldImages: Set<ImageAddress> { state.withLock { Set($0.held.keys) } }

    /// Notes that it can give back one more.
    func hold(_ request: MapRequest, imageID: String) {
        state.withLock { state in
            if state.held[request.image] == nil { state.held[request.image] = (request, imageID) }
        }
    }

    /// Who we are, before something is mapped.
    private func node() throws(MappingError) -> NodeIdentity {
        do throws(KernelError) {
            return try NodeIdentity.current(name: nodeID, stateDirectory: stateDirectory)
        } catch {
            throw MappingError("read who we are", error)
        }
    }

    /// Who we are, where nothing is mapped.
    func knownNode() throws(MappingError) -> NodeIdentity {
        do throws(KernelError) {
            return try NodeIdentity.known(name: nodeID, stateDirectory: stateDirectory)
        } catch {
            throw MappingError("read who we are", error)
        }
    }
}
