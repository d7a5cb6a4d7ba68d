internal import Blocking
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import SystemPackage
public import Volumes

/// Removes images in this process: on its own connections and with its own threads for each pool, so that a removal
/// that waits delays neither requests nor other pools.
///
/// librbd can end the process (see `locked`), so a service runs this in another process: `RemovalProcesses`.
public final class ImageRemover: ImageRemoving {
    /// What the removals of one pool share, so that a pool that does not answer delays no other.
    private struct Tools: Sendable {
        /// For objects that are being deleted.
        let permits = Permits(16)
        /// For lists of a pool's objects.
        let lists = BlockingPool(threads: 2)
        /// For librbd's removal of images without data, which is short.
        let endings = BlockingPool(threads: 4)
        /// For librbd's removal of images that only librbd can empty.
        let long = BlockingPool(threads: 2)
        /// One thread for locks, so that a blocked removal does not prevent the renewal of its lock.
        let renewals = BlockingPool(threads: 1)
    }

    /// Locks on a pool's trash.
    private static let locks: UInt64 = 64
    /// How long the lock of a killed remover lasts.
    private static let lockSeconds = 6

    private let connections: ClusterConnections
    private let watchPatience: Duration
    private let objectCalls: ObjectCalls
    private let observer: StepObserver?
    private let looks = Operations()
    private let tools = Mutex<[String: Tools]>([:])
    private let cookie = String(UInt64.random(in: 0...UInt64.max), radix: 16)

    /// Always 0: a crash here ends the process that would count it.
    public var crashes: Int { 0 }

    /// Makes a remover.
    ///
    /// - Parameters:
    ///   - connections: Connections that are used for nothing else.
    ///   - watchPatience: How long a watch may prevent a removal before Ceph is made to review it.
    ///   - objectCalls: Where images are emptied by class calls; otherwise librbd does it.
    ///   - observer: Called for every step of every removal.
    public init(
        connections: ClusterConnections,
        watchPatience: Duration = .seconds(30),
        objectCalls: ObjectCalls = .onTestedReleases,
        observer: StepObserver? = nil
    ) {
        self.connections = connections
        self.watchPatience = watchPatience
        self.objectCalls = objectCalls
        self.observer = observer
    }

    /// Closes connections that were unused for a while.
    public func releaseIdle() { connections.releaseIdle() }

    /// Nothing is to be ended.
    public func stop() {}

    /// Removes an image, and empties it first if that is faster.
    public func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome {
        let place: Place
        do throws(VolumeError) {
            let link = try await connections.link(to: image.id.clusterID, as: image.credentials)
            place = try await Place(image.id, link, image.credentials, looks)
        } catch {
            return .blocked(error.message)
        }
        let pool = "\(image.id.clusterID)/\(image.id.pool)"
        let tools = tools.withLock { tools in
            let found = tools[pool] ?? Tools()
            tools[pool] = found
            return found
        }
        let obstacles = RemovalObstacles(place: place, imageID: image.imageID, threads: tools.lists)
        func removing() async throws(RBDError) {
            try await locked(image, place.context, tools) { () async throws(RBDError) in
                try await self.remove(image, place, tools, progress)
            }
        }
        do throws(RBDError) {
            do throws(RBDError) {
                try await removing()
            } catch {
                guard error.code == .directoryNotEmpty, await dropsBackupSnapshots(place, image.imageID) else {
                    throw error
                }
                try await removing()
            }
            return .removed
        } catch {
            guard !error.isNotFound else { return .removed }
            // A client that Ceph has blocklisted is replaced before the next try.
            _ = place.link.failing("remove image", error)
            let reason = await obstacles.words(
                for: error,
                reviewingWatches: image.blockedFor > watchPatience
            )
            return .blocked(reason)
        }
    }

    private func remove(
        _ image: TrashedImage,
        _ place: Place,
        _ tools: Tools,
        _ progress: @escaping RemovalProgress
    ) async throws(RBDError) {
        let (id, context) = (image.imageID, place.context)
        _ = try await ownRecord(id, context)
        try await refuseIfKept(id, context)
        let emptying = ImageEmptying(context, permits: tools.permits, threads: tools.lists)
        observer?(RemovalStep.emptying)
        var outcome = ImageEmptying.Outcome.leftToLibrbd
        if place.allows(objectCalls) { outcome = try await emptying.empty(id, progress: progress) }
        if outcome == .leftToLibrbd, place.allows(objectCalls),
            // If a client has restored it meanwhile, that client may hold its lock.
            let record = try await context.trashRecord(ofID: id), record.state == .normal || record.state == .removing,
            try await context.hasLockOfDeadClient(id)
        {
            // The client may only have been paused: none of its writes may arrive after the deletions.
            try await tools.long.run { () throws(RBDError) in try context.breakLockInTrash(ofID: id) }
            outcome = try await emptying.empty(id, progress: progress)
        }
        observer?(RemovalStep.ending)
        guard outcome == .emptied else {
            return try await tools.long.run { () throws(RBDError) in
                try context.removeFromTrash(id: id, progress: progress)
            }
        }
        do throws(RBDError) {
            try await tools.endings.run { () throws(RBDError) in
                try context.removeFromTrash(id: id) { _, _ in }
            }
        } catch {
            // librbd resets the entry's state when it fails; an image that has lost data must not be restored.
            if !error.isNotFound {
                try? await context.setTrashState(of: id, to: .removing, expecting: .normal)
            }
            throw error
        }
    }

    /// The image's entry in the trash, if there is one; refuses one that is not Nacre's.
    ///
    /// While it waited, a person may have restored the image and moved it to the trash again: it is theirs then.
    private func ownRecord(_ id: String, _ context: IOContext) async throws(RBDError) -> TrashRecord? {
        let record = try await context.trashRecord(ofID: id)
        if let record, record.state == .normal,
            let marks = try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.prefix),
            marks[ImageMetadataKey.trashed].flatMap(TrashMark.init)?.covers(record) != true
        {
            throw RBDError(call: "rbd.trash_get", code: .noSuchFileOrDirectory, subject: "\(context.label)/\(id)")
        }
        return record
    }

    /// Removes backups' snapshots that came when the image was in the trash already; whether there were any.
    private func dropsBackupSnapshots(_ place: Place, _ id: String) async -> Bool {
        do throws(VolumeError) {
            let isTied = try await place.trying("look into the trash for") { () async throws(RBDError) in
                guard try await ownRecord(id, place.context) != nil else { return false }
                return try await place.context.snapshots(ofImageID: id)?.contains(where: \.isOfBackup) == true
            }
            guard isTied else { return false }
            try await place.removeBackupSnapshots(onImageID: id)
            return true
        } catch {
            // What is in the way is told by who asks, and tried again.
            return false
        }
    }

    /// Refuses an image that is still to be kept by the clock of the cluster, whatever this machine's says.
    ///
    /// What is removed does not come back, and a machine may boot with a wrong clock, or be given one.
    private func refuseIfKept(_ id: String, _ context: IOContext) async throws(RBDError) {
        guard let record = try await context.trashRecord(ofID: id), record.state == .normal,
            record.deferredUntil > record.deletedAt, let now = try await context.storageTime(byHeaderOf: id),
            now < record.deferredUntil
        else { return }
        throw RBDError(call: "rbd_trash_remove", code: .notPermitted, subject: "\(context.label)/\(id)")
    }

    /// Runs `body` as the only remover of that image: if two processes remove one image at once, an assertion in librbd
    /// 16.2 (TrimRequest.cc, "is_lock_owner") ends the process.
    ///
    /// The lock is on the pool's trash and not on the image, because a lock would create the image's header again. A
    /// released lock leaves an attribute on its object for ever, so only a few locks exist, which images share by hash.
    private func locked(
        _ image: TrashedImage,
        _ context: IOContext,
        _ tools: Tools,
        _ body: () async throws(RBDError) -> Void
    ) async throws(RBDError) {
        let name = "nacre.purge.\(image.imageID.utf8.reduce(0) { ($0 &* 31 &+ UInt64($1)) } % Self.locks)"
        // A cookie for each image: of two in this process that share a lock, one must wait too.
        let cookie = "\(cookie).\(image.imageID)"
        let lock = { @Sendable () throws(RADOSError) in
            try context.lock(name, on: ImageObject.trash, cookie: cookie, seconds: Self.lockSeconds)
        }
        observer?(RemovalStep.locking)
        do throws(RADOSError) {
            try await tools.renewals.run(lock)
        } catch {
            throw RBDError(error)
        }
        let renewing = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(Self.lockSeconds / 3))
                guard !Task.isCancelled else { return }
                try? await tools.renewals.run(lock)
            }
        }
        let outcome: Result<Void, RBDError>
        do throws(RBDError) {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        renewing.cancel()
        // A renewal under way is completed first, because both use the same thread.
        try? await tools.renewals.run { () throws(RADOSError) in
            try context.unlock(name, on: ImageObject.trash, cookie: cookie)
        }
        try outcome.get()
    }
}

/// The steps of a removal; the crash tests kill its process at each.
public enum RemovalStep: String, OperationStep, CaseIterable {
    /// Taking the lock on the pool's trash.
    case locking
    /// Deleting the data objects.
    case emptying
    /// `rbd_trash_remove` of an image without data.
    case ending

    /// The step's name: `removal.emptying`.
    public var name: String { "removal.\(rawValue)" }

    /// What is going on, for a person.
    public var phrase: String {
        switch self {
        case .locking: "locking the trash"
        case .emptying: "deleting the objects of image"
        case .ending: "removing image"
        }
    }
}
