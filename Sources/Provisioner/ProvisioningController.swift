package import KubernetesAPI
package import Logging
package import Secrets
internal import Synchronization
package import Volumes

/// Watches claims, volumes and classes, and works on them while this process leads.
package final class ProvisioningController: Sendable {
    /// How a controller is doing, for metrics.
    package struct Load: Sendable {
        /// Waiting claims, expansions and volumes.
        package var waiting: Int
        /// Those that are worked on.
        package var running: Int
        /// Those that wait after a failure.
        package var delayed: Int
        /// PersistentVolumes known.
        package var volumes: Int
        /// Claims known.
        package var claims: Int
        /// Images that no claim and no PersistentVolume has.
        package var orphanedImages: Int
        /// Lists made; after the start only if a watch could not continue.
        package var lists: Int
        /// Objects and events that could not be parsed and were skipped.
        package var unreadable: Int
    }

    private let shop: Workshop
    private let claimWork: ClaimReconciler
    private let volumeWork: VolumeReconciler
    private let expansionWork: ExpansionReconciler
    private let protectionWork: ClaimProtection
    private let garbage: GarbageScan
    private let branches: BranchExpiry
    private let capacity: CapacityReport
    private let classSecrets: ClassSecrets
    private let claimQueue: WorkQueue
    private let protectionQueue: WorkQueue
    private let volumeQueue: WorkQueue
    private let expansionQueue: WorkQueue
    private let snapshots: SnapshotController
    private let leads = Mutex(false)
    /// The VolumeAttributesClasses that were already reported, by the claims' uids.
    private let warned = Mutex<[String: String]>([:])
    private let watches = Mutex<ClusterWatches?>(nil)

    /// How often all objects are checked again, independent of watches.
    private static let sweepInterval = Duration.seconds(600)
    /// How long work under way may take when the process is asked to stop.
    private static let stopTime = Duration.seconds(20)

    /// Puts a controller together.
    ///
    /// - Parameters:
    ///   - settings: What it is told about itself.
    ///   - client: Asks before every write whether this process leads.
    ///   - service: Makes, grows and deletes volumes.
    ///   - ownCredentials: The Ceph user for classes that name no Secret.
    ///   - events: Where users are told.
    ///   - findPlace: Finds where CSIStorageCapacity objects are kept.
    ///   - observer: Told of every `ProvisionStep`.
    ///   - progress: How the queue of that name, `the queue of claims`, tells that it goes on.
    ///   - logger: Where operators are told.
    package init(
        settings: DriverSettings,
        client: KubernetesClient,
        service: any ControllerService,
        ownCredentials: @escaping @Sendable () throws(VolumeError) -> Credentials,
        events: EventRecorder,
        capacity findPlace: @escaping CapacityPlace.Finding = { () throws(KubernetesError) in nil },
        observer: StepObserver? = nil,
        progress: (String) -> WorkProgress = { _ in .unwatched },
        logger: Logger
    ) {
        let shop = Workshop(
            settings: settings,
            client: client,
            service: service,
            secrets: CephSecrets(client: client, own: ownCredentials),
            events: events,
            claims: ObjectCache(indexes: [
                { $0.volumeName.isEmpty ? $0.className : nil }, { Workshop.sourceKey(of: $0) },
            ]),
            volumes: ObjectCache(indexes: [
                { Workshop.claimOfOddName($0, prefix: settings.volumeNamePrefix) },
                { volume in
                    guard volume.isFree else { return nil }
                    return volume.claim.map { "claim \($0.namespace)/\($0.name)" } ?? "class \(volume.className)"
                },
            ]),
            classes: ObjectCache(),
            observer: observer,
            agents: AgentSurvey(client, namespace: settings.agentNamespace),
            logger: logger
        )
        self.shop = shop
        let capacity = CapacityReport(shop, place: findPlace)
        self.capacity = capacity
        let claimWork = ClaimReconciler(shop, capacity)
        let volumeWork = VolumeReconciler(shop)
        let expansionWork = ExpansionReconciler(shop)
        self.claimWork = claimWork
        self.volumeWork = volumeWork
        self.expansionWork = expansionWork
        let protectionWork = ClaimProtection(shop)
        self.protectionWork = protectionWork
        garbage = GarbageScan(shop)
        branches = BranchExpiry(shop)
        classSecrets = ClassSecrets(settings)
        let backoff = Backoff(first: settings.firstRetry, longest: settings.longestRetry)
        func queue(_ what: String, _ work: @escaping @Sendable (String) async -> WorkQueue.Outcome) -> WorkQueue {
            WorkQueue(
                parallel: settings.parallel,
                backoff: backoff,
                progress: progress("the queue of \(what)"),
                work: work
            )
        }
        let claimQueue = queue("claims") { await claimWork.reconcile($0) }
        self.claimQueue = claimQueue
        protectionQueue = queue("claims that are deleted") { await protectionWork.reconcile($0) }
        volumeQueue = queue("volumes") { await volumeWork.reconcile($0) }
        expansionQueue = queue("expansions") { await expansionWork.reconcile($0) }
        snapshots = SnapshotController(shop, queue: queue) { snapshot in
            let key = Workshop.sourceKey("VolumeSnapshot", snapshot.metadata.namespace, snapshot.metadata.name)
            for claim in shop.claims.objects(in: Workshop.unboundBySource, key) { claimQueue.add(claim.metadata.key) }
        }
    }

    /// Whether all watched kinds have been listed once.
    package var isSynced: Bool { shop.claims.isSynced && shop.volumes.isSynced && shop.classes.isSynced }

    /// The Secrets for the pools with volumes, from all classes and from the PersistentVolumes seen so far.
    package var poolSecrets: [PoolSecret] { classSecrets.all(shop.classes.filter { _ in true }) }

    /// The Ceph user that a Secret holds.
    ///
    /// - Throws: `VolumeError` that names the Secret and what is wrong with it.
    package func credentials(_ secret: SecretReference) async throws(VolumeError) -> Credentials {
        try await shop.secrets.credentials(secret)
    }

    /// How it is doing.
    package var load: Load {
        let queues = [claimQueue, protectionQueue, volumeQueue, expansionQueue] + snapshots.queues
        let (lists, unreadable) = watches.withLock { $0?.sums ?? (0, 0) }
        return Load(
            waiting: queues.reduce(0) { $0 + $1.length },
            running: queues.reduce(0) { $0 + $1.running },
            delayed: queues.reduce(0) { $0 + $1.delayed },
            volumes: shop.volumes.count,
            claims: shop.claims.count,
            orphanedImages: garbage.count,
            lists: lists,
            unreadable: unreadable
        )
    }

    /// Keeps the caches up to date until the task is cancelled, also in a process that does not lead, so that it is
    /// ready.
    package func watch() async {
        let watches = ClusterWatches(
            shop,
            onClaim: { [self] in changed($0) },
            onVolume: { [self] in changed($0) },
            onClass: { [self] in changed($0) }
        )
        self.watches.withLock { $0 = watches }
        await withTaskGroup { group in
            group.addTask { await watches.run() }
            group.addTask { await self.snapshots.watch() }
        }
    }

    /// Works until the task is cancelled, and then until the work under way has ended or its time limit.
    package func work() async {
        while !isSynced, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(20)) }
        await readCluster()
        leads.withLock { $0 = true }
        defer { leads.withLock { $0 = false } }
        let running = Task {
            await withTaskGroup { group in
                group.addTask { await self.claimQueue.run() }
                group.addTask { await self.protectionQueue.run() }
                group.addTask { await self.volumeQueue.run() }
                group.addTask { await self.expansionQueue.run() }
                group.addTask { await self.snapshots.work() }
            }
        }
        let scanning = Task { await garbage.run() }
        let measuring = Task { await capacity.run() }
        let expiring = Task { await branches.run() }
        defer {
            scanning.cancel()
            expiring.cancel()
            measuring.cancel()
        }
        while !Task.isCancelled {
            sweep()
            try? await Task.sleep(for: Self.sweepInterval)
            await readCluster()
        }
        for queue in [claimQueue, protectionQueue, volumeQueue, expansionQueue] { queue.stop() }
        snapshots.stop()
        let timer = Task {
            try? await Task.sleep(for: Self.stopTime)
            running.cancel()
        }
        await running.value
        timer.cancel()
    }

    /// Reads the cluster's id, which is recorded on its images.
    private func readCluster() async {
        do throws(KubernetesError) {
            try await shop.cluster.read(shop.client)
        } catch {
            shop.log(error, "cannot see which cluster this is, so new images do not say whose they are", [:])
        }
    }

    /// Looks at everything.
    private func sweep() {
        for claim in shop.claims.filter({ claim in
            claim.volumeName.isEmpty || claim.metadata.isBeingDeleted || ExpansionReconciler.isDue(claim)
                || claim.details?.attributesClass != nil
        }) { look(at: claim) }
        for claim in shop.claims.filter(SourceProtection.isHeldForSnapshots) where isOurs(claim) {
            claimQueue.add(claim.metadata.key)
        }
        for name in shop.volumes.keys(where: volumeWork.isDue) { volumeQueue.add(name) }
        snapshots.sweep()
    }

    private func look(at claim: PersistentVolumeClaim) {
        if claim.metadata.isBeingDeleted, protectionWork.isDue(claim) { protectionQueue.add(claim.metadata.key) }
        if SourceProtection.isHeld(claim), isOurs(claim) { claimQueue.add(claim.metadata.key) }
        if claim.phase == .bound {
            warnOfAttributesClass(claim)
            if ExpansionReconciler.isDue(claim) { expansionQueue.add(claim.metadata.key) }
        } else if let name = claim.className, shop.classes.object(name)?.provisioner == shop.settings.driverName {
            claimQueue.add(claim.metadata.key)
        }
    }

    /// Whether a claim's volume is this driver's.
    private func isOurs(_ claim: PersistentVolumeClaim) -> Bool {
        shop.volumes.object(claim.volumeName)?.provisionedBy == shop.settings.driverName
    }

    /// Reports that the VolumeAttributesClass of a bound claim has no effect, because silence would look like success.
    private func warnOfAttributesClass(_ claim: PersistentVolumeClaim) {
        guard let name = claim.details?.attributesClass,
            shop.volumes.object(claim.volumeName)?.provisionedBy == shop.settings.driverName,
            warned.withLock({ $0.updateValue(name, forKey: claim.metadata.uid) }) != name
        else { return }
        shop.events.record(
            .warning,
            "VolumeModifyFailed",
            ClaimRules.attributesClassRefusal(name),
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
    }

    private var isLeading: Bool { leads.withLock(\.self) }

    private func changed(_ change: Change<PersistentVolumeClaim>) {
        guard isLeading else { return }
        switch change {
        case .present(let claim):
            look(at: claim)
            snapshots.claimChanged(claim)
            wakeCopies(of: claim)
            wakeSource(of: claim)
        case .gone(let claim):
            snapshots.claimChanged(claim)
            wakeSource(of: claim)
            claimWork.forget(claim)
            expansionWork.forget(claim)
            warned.withLock { $0[claim.metadata.uid] = nil }
            claimQueue.add(claim.metadata.key)
            volumeQueue.add(shop.volumeName(of: claim))
            for volume in shop.volumes.objects(in: Workshop.oddVolumesByClaim, claim.metadata.uid) {
                volumeQueue.add(volume.metadata.name)
            }
        }
    }

    /// Looks at the claims that are to be filled from a claim that is bound.
    private func wakeCopies(of claim: PersistentVolumeClaim) {
        guard claim.phase == .bound else { return }
        let key = Workshop.sourceKey("PersistentVolumeClaim", claim.metadata.namespace, claim.metadata.name)
        for copy in shop.claims.objects(in: Workshop.unboundBySource, key) { look(at: copy) }
    }

    /// Looks at a deleted claim whose copy is made, or will not be made.
    private func wakeSource(of copy: PersistentVolumeClaim) {
        guard let source = copy.details?.dataSource, source.isClaim,
            let claim = shop.claims.object("\(copy.metadata.namespace)/\(source.name)"), claim.metadata.isBeingDeleted
        else { return }
        look(at: claim)
    }

    private func changed(_ change: Change<PersistentVolume>) {
        switch change {
        case .present(let volume): classSecrets.note(volume)
        case .gone(let volume): volumeWork.forget(volume)
        }
        guard isLeading, case .present(let volume) = change, volumeWork.isDue(volume) else { return }
        volumeQueue.add(volume.metadata.name)
    }

    private func changed(_ change: Change<StorageClass>) {
        guard isLeading, case .present(let storageClass) = change else { return }
        for claim in shop.claims.objects(in: Workshop.unboundByClass, storageClass.metadata.name) { look(at: claim) }
    }
}
