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

/// Claims images for mappers whose client is the kernel's: it cannot write down whose it is, nor see who is dead before
/// the lock's time.
///
/// An image server does all of this by itself (`ImageLock`).
///
/// Needs a connection of its own to each cluster, which is kept: at unmap there is no user to make one as, and to make one
/// takes longer than to map. After a restart of the service the first call that maps brings it back; what is unmapped
/// until then is noted (`HeldNotes`), and its lock is taken back with that call. Until then whoever takes the image fences
/// the kernel's client before that. It is the client of this one image, and gone. A connection that Ceph has blocklisted is replaced: it holds nothing, for
/// what it has locked is locked in the name of the kernel's client.
///
/// All calls block.
public final class ImageOwnership: KernelImageOwner {
    private struct Key: Hashable {
        var monitors: [String]
        var userID: String
    }

    private struct Link {
        var userKey: Secret
        var cluster: Cluster
    }

    private struct State {
        var links: [Key: Link] = [:]
        var held: [ImageAddress: (request: MapRequest, imageID: String)] = [:]
    }

    private let stateDirectory: String
    private let nodeID: String
    private let logger: Logger
    let heldNotes: HeldNotes
    private let state = Mutex(State())
    /// Held while a note is changed: a lock may be taken and given back at once.
    private let noting = Mutex(())

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
        heldNotes = HeldNotes(directory: "\(stateDirectory)/held")
    }

    /// Returns when no other node has the image; fences who is dead.
    ///
    /// - Parameter request: The image and its cluster.
    /// - Throws: `MappingError` with `.inUse` that names node, address and since when.
    public func claim(_ request: MapRequest) throws(MappingError) {
        let node = try node()
        let logger = logger
        let tally = FenceTally(stateDirectory: stateDirectory)
        try connected(for: request) { (context) throws(MappingError) in
            var claim = ImageClaim(context: context, image: request.image, node: node)
            claim.tally = tally
            claim.log = { logger.warning("fencing a client that is dead", metadata: ["what": "\($0)"]) }
            _ = try claim.settle()
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
        try connected(for: request) { (context) throws(MappingError) in
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
        let found = try ImageClaim(context: context, image: image, node: node).look()
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
        let now = try ImageClaim(context: context, image: image, node: node).look().clients
        guard failure.isBusy, let other = now.first(where: { $0.locks[.holder] != nil }) else {
            throw MappingError("lock image \(image)", failure)
        }
        throw ImageClaim.inUse(image, other)
    }

    /// Which image is mapped, and which one has its name now; `nil` when there is no user to ask as.
    public func whereabouts(
        of mapped: ImageIdentity,
        as image: ImageAddress,
        _ request: MapRequest?
    ) throws(MappingError) -> ImageWhereabouts? {
        guard let request = request ?? state.withLock({ $0.held[image]?.request }) else { return nil }
        let failure: MappingError
        do throws(MappingError) {
            return try connected(for: request) { (context) throws(MappingError) in
                try ImageWhereabouts(of: mapped, as: image, on: context.cluster)
            }
        } catch {
            failure = error
        }
        // Without its pool there is no context to ask in.
        guard failure.kind == .notFound else { throw failure }
        return try ImageWhereabouts(of: mapped, as: image, on: cluster(for: request))
    }

    /// What is written on the image.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try connected(for: request) { (context) throws(MappingError) in
            try notes(on: request.image, in: context).metadata()
        }
    }

    /// Changes a key of it, unless another client has changed it meanwhile.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try connected(for: request) { (context) throws(MappingError) in
            try notes(on: request.image, in: context).apply(change)
        }
    }

    /// Whether an object of it exists that holds a part of a range; `nil` if that would take long to tell.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try connected(for: request) { (context) throws(MappingError) in
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

    /// Takes back what `hold` did, once the image is unmapped; does what it can, and notes what it cannot.
    ///
    /// What it cannot is left to `regain`.
    public func release(_ image: ImageAddress) {
        let found = noting.withLock { _ -> HeldNote? in
            guard var note = heldNotes.note(of: image) else { return nil }
            note.isUnmapped = true
            try? heldNotes.write(note)
            return note
        }
        guard let note = found, let held = state.withLock({ $0.held.removeValue(forKey: image) }),
            let node = try? knownNode()
        else { return }
        try? connected(for: held.request) { (context) throws(MappingError) in try release(note, node, in: context) }
    }

    private func write(_ note: HeldNote) throws(KernelError) {
        try noting.withLock { (_) throws(KernelError) in try heldNotes.write(note) }
    }

    /// Removes a note, unless the image was mapped again meanwhile.
    func remove(_ note: HeldNote) {
        noting.withLock { _ in
            guard heldNotes.note(of: note.image) == note, !heldImages.contains(note.image) else { return }
            try? heldNotes.remove(note.image)
        }
    }

    /// Takes back the locks of what was unmapped while nobody could be asked to: after a restart, or without the cluster.
    private func releaseNoted(_ cluster: Cluster, _ clusterID: String, _ node: NodeIdentity) {
        for note in heldNotes.all() where note.isUnmapped && note.image.clusterID.isExactly(clusterID) {
            do throws(RADOSError) {
                let context = try cluster.ioContext(pool: note.image.pool, namespace: note.image.namespace)
                // Another user of the cluster's may be asked next.
                try? release(note, node, in: context)
            } catch {
                continue
            }
        }
    }

    /// Gives back a lock, and forgets it once it is gone.
    func release(_ note: HeldNote, _ node: NodeIdentity, in context: IOContext) throws(MappingError) {
        // What the kernel has mapped again, or still, keeps its lock.
        guard !KernelRBDBus().clientAddresses().contains(note.address) else { return }
        let header = ImageObject.header(ofID: note.imageID)
        var isLeft = false
        do throws(RBDError) {
            for (client, owner) in try holders(note, in: context) {
                guard let record = client.record, isOurs(record, node) else {
                    // Of another boot it is nobody's any more, and the next one that takes the image sees that.
                    isLeft = isLeft || client.record.map { !isEarlier($0, node) } ?? true
                    continue
                }
                do throws(RADOSError) {
                    try context.breakLock(ImageLockName.holder.rawValue, on: header, of: owner)
                } catch {
                    throw RBDError(error)
                }
            }
        } catch {
            throw MappingError("unlock image \(note.image)", error)
        }
        guard !isLeft else {
            throw MappingError(
                .inUse,
                "cannot unlock image \(note.image): the lock of \(note.address) does not say that it is this node's; when "
                    + "that client is dead for good: nacre node fence \(note.address)"
            )
        }
        remove(note)
    }

    /// Who has the lock of a note.
    func holders(_ note: HeldNote, in context: IOContext) throws(RBDError) -> [(client: ImageClient, owner: LockOwner)]
    {
        (try context.clients(ofImageID: note.imageID)?.clients ?? []).compactMap { client in
            guard client.address.isExactly(note.address) else { return nil }
            return client.locks[.holder].map { (client, $0) }
        }
    }

    private func isOurs(_ record: HolderRecord, _ node: NodeIdentity) -> Bool {
        record.process == nil && record.host.isExactly(node.host) && record.bootID.isExactly(node.bootID)
            && record.nodeUID.map { node.has(uid: $0) } ?? true
    }

    private func isEarlier(_ record: HolderRecord, _ node: NodeIdentity) -> Bool {
        record.host.isExactly(node.host) && !record.bootID.isExactly(node.bootID)
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

    /// Does `body`, which may be repeated, in the image's pool; once more on a new connection when Ceph has blocklisted ours.
    func connected<R>(
        for request: MapRequest,
        _ body: (IOContext) throws(MappingError) -> R
    ) throws(MappingError) -> R {
        let context = try context(for: request)
        let failure: MappingError
        do throws(MappingError) {
            return try body(context)
        } catch {
            failure = error
        }
        guard failure.isBlocklisted else { throw failure }
        let key = Key(monitors: request.monitors, userID: request.credentials.userID)
        let isDropped = state.withLock { state in
            guard state.links[key]?.cluster === context.cluster else { return false }
            state.links[key] = nil
            return true
        }
        if isDropped {
            logger.warning(
                "Ceph has blocklisted this client; connecting anew",
                metadata: [
                    "ceph.user": "client.\(request.credentials.userID)",
                    "ceph.client": "\((try? context.cluster.addresses()) ?? "client.\(context.cluster.instanceID)")",
                ]
            )
        }
        return try body(try self.context(for: request))
    }

    private func context(for request: MapRequest) throws(MappingError) -> IOContext {
        let cluster = try cluster(for: request)
        do throws(RADOSError) {
            return try cluster.ioContext(pool: request.image.pool, namespace: request.image.namespace)
        } catch {
            throw MappingError("reach image \(request.image)", error, as: request.credentials)
        }
    }

    /// Whether the cluster answers, and has no such pool.
    func isPoolGone(_ request: MapRequest) -> Bool {
        guard let cluster = try? cluster(for: request) else { return false }
        do throws(RADOSError) {
            _ = try cluster.ioContext(pool: request.image.pool, namespace: request.image.namespace)
            return false
        } catch {
            return error.code == .noSuchFileOrDirectory
        }
    }

    func cluster(for request: MapRequest) throws(MappingError) -> Cluster {
        let (image, credentials) = (request.image, request.credentials)
        let key = Key(monitors: request.monitors, userID: credentials.userID)
        let known = state.withLock { state in
            state.links[key].flatMap { $0.userKey == credentials.userKey ? $0.cluster : nil }
        }
        do throws(RADOSError) {
            let cluster: Cluster
            if let known {
                cluster = known
            } else {
                cluster = try Cluster.connect(monitors: request.monitors, credentials: credentials)
            }
            try cluster.refreshMap()
            state.withLock { $0.links[key] = Link(userKey: credentials.userKey, cluster: cluster) }
            return cluster
        } catch {
            throw MappingError("reach image \(image)", error, as: credentials)
        }
    }
}
