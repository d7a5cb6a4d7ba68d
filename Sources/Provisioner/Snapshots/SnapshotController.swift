internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Synchronization
internal import Volumes

/// Watches VolumeSnapshots, contents and classes while the cluster has these kinds, and works on them while this process
/// leads.
///
/// They are custom resources, which may come and go at any time. Without them one small request in half a minute is all.
final class SnapshotController: Sendable {
    private let shop: Workshop
    private let holder = SnapshotCacheHolder()
    private let common: CommonController
    private let snapshotWork: SnapshotReconciler
    private let contentWork: ContentReconciler
    private let snapshotQueue: WorkQueue
    private let contentQueue: WorkQueue
    private let leads = Mutex(false)
    /// Called with the keys of claims that a VolumeSnapshot may now fill.
    private let wakeClaims: @Sendable (_ snapshot: VolumeSnapshot) -> Void

    /// The queues, for who sums up.
    var queues: [WorkQueue] { [snapshotQueue, contentQueue] }

    init(
        _ shop: Workshop,
        queue: (_ what: String, _ work: @escaping @Sendable (String) async -> WorkQueue.Outcome) -> WorkQueue,
        wakeClaims: @escaping @Sendable (_ snapshot: VolumeSnapshot) -> Void
    ) {
        self.shop = shop
        self.wakeClaims = wakeClaims
        let common = CommonController(shop)
        let snapshotWork = SnapshotReconciler(shop, holder, common)
        let contentWork = ContentReconciler(shop, holder)
        self.common = common
        self.snapshotWork = snapshotWork
        self.contentWork = contentWork
        snapshotQueue = queue("snapshots") { await snapshotWork.reconcile($0) }
        contentQueue = queue("contents of snapshots") { await contentWork.reconcile($0) }
    }

    // MARK: Watching

    /// Keeps the caches up to date until the task is cancelled.
    func watch() async {
        var wasThere: Bool?
        while !Task.isCancelled {
            let isThere = await areKindsThere()
            if let isThere, isThere != wasThere {
                shop.logger.info(
                    isThere
                        ? "the cluster has VolumeSnapshots"
                        : "the cluster has no VolumeSnapshots; they are looked for from time to time",
                    metadata: [:]
                )
                wasThere = isThere
            }
            if isThere == true { await follow() } else { try? await Task.sleep(for: shop.settings.snapshotInterval) }
        }
    }

    /// Whether the server has all three kinds; nothing when it does not say.
    private func areKindsThere() async -> Bool? {
        do throws(KubernetesError) {
            let resources = try await shop.client.call(.get(SnapshotAPI.path))["resources"]?.elements ?? []
            return Set(SnapshotAPI.resources).isSubset(of: resources.compactMap { $0["name"]?.string })
        } catch {
            return error.status?.isNotFound ?? false ? false : nil
        }
    }

    /// Follows the three kinds until one of them is gone.
    private func follow() async {
        let caches = SnapshotCaches()
        holder.current = caches
        defer { holder.current = nil }
        let (failures, failure) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let classes = reflector(APIPath.volumeSnapshotClasses, caches.classes, failure) { [self] in changed($0) }
        let contents = reflector(APIPath.volumeSnapshotContents, caches.contents, failure) { [self] in changed($0) }
        let snapshots = reflector(APIPath.volumeSnapshots, caches.snapshots, failure) { [self] in changed($0) }
        await withTaskGroup { group in
            group.addTask { await classes.run() }
            group.addTask { await contents.run() }
            group.addTask { await snapshots.run() }
            group.addTask {
                for await _ in failures {
                    if await self.areKindsThere() == false { return }
                }
            }
            // The reflectors end when they are cancelled.
            _ = await group.next()
            group.cancelAll()
        }
    }

    private func reflector<Object: WatchedObject>(
        _ path: String,
        _ cache: ObjectCache<Object>,
        _ failure: AsyncStream<Void>.Continuation,
        _ onChange: @escaping @Sendable (Change<Object>) -> Void
    ) -> Reflector<Object> {
        let logger = shop.logger
        return Reflector(
            shop.client,
            path,
            cache: cache,
            onFailure: { error in
                guard error.status?.isNotFound ?? false else {
                    return logger.warning("cannot watch, trying again", metadata: [LogKey.reason: "\(error)"])
                }
                failure.yield()
            },
            onUnreadable: { reason in
                logger.error("an object cannot be read and is passed over", metadata: [LogKey.reason: "\(reason)"])
            },
            onChange: onChange
        )
    }

    // MARK: Working

    /// Works until `stop`.
    func work() async {
        leads.withLock { $0 = true }
        defer { leads.withLock { $0 = false } }
        let looking = Task { [self] in await common.run(while: { self.holder.current != nil }) { self.sweep() } }
        sweep()
        await withTaskGroup { group in
            group.addTask { await self.snapshotQueue.run() }
            group.addTask { await self.contentQueue.run() }
        }
        looking.cancel()
    }

    /// Starts nothing more.
    func stop() {
        for queue in queues { queue.stop() }
    }

    /// Looks at everything.
    func sweep() {
        guard isLeading, let caches = holder.current else { return }
        for name in caches.contents.keys(where: contentWork.isDue) { contentQueue.add(name) }
        for key in caches.snapshots.keys(where: { $0.metadata.isBeingDeleted || !$0.isReady }) {
            snapshotQueue.add(key)
        }
    }

    private var isLeading: Bool { leads.withLock(\.self) }

    /// A claim has changed, or is gone: its snapshots may go on, and one that it was filled from may be deleted now.
    func claimChanged(_ claim: PersistentVolumeClaim) {
        guard isLeading, let caches = holder.current else { return }
        for snapshot in caches.snapshots.objects(in: SnapshotCaches.byClaim, claim.metadata.key) where !snapshot.isReady
        {
            snapshotQueue.add(snapshot.metadata.key)
        }
        guard let source = claim.details?.dataSource, source.isSnapshot else { return }
        let key = "\(claim.metadata.namespace)/\(source.name)"
        if caches.snapshots.object(key)?.metadata.isBeingDeleted ?? false { snapshotQueue.add(key) }
    }

    private func changed(_ change: Change<VolumeSnapshot>) {
        guard isLeading else { return }
        switch change {
        case .present(let snapshot):
            if snapshot.metadata.isBeingDeleted || !snapshot.isReady { snapshotQueue.add(snapshot.metadata.key) }
            if snapshot.isReady { wakeClaims(snapshot) }
        case .gone(let snapshot):
            // A content that was deleted by hand may have stayed for it.
            guard let content = holder.current?.content(of: snapshot), contentWork.isDue(content) else { return }
            contentQueue.add(content.metadata.name)
        }
    }

    private func changed(_ change: Change<VolumeSnapshotContent>) {
        guard isLeading else { return }
        switch change {
        case .present(let content):
            guard content.driver == shop.settings.driverName else { return }
            if contentWork.isDue(content) { contentQueue.add(content.metadata.name) }
            snapshotQueue.add(content.reference.key)
        case .gone(let content):
            if content.driver == shop.settings.driverName { snapshotQueue.add(content.reference.key) }
        }
    }

    private func changed(_ change: Change<VolumeSnapshotClass>) {
        guard isLeading, case .present(let named) = change, named.driver == shop.settings.driverName else { return }
        sweep()
    }
}
