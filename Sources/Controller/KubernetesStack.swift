internal import CephVolumes
internal import ExactText
internal import Glibc
package import KubernetesAPI
internal import LinuxKernel
package import Logging
internal import Provisioner
internal import ServiceLifecycle
package import ServiceProcess
internal import Synchronization
package import VolumeServer
package import Volumes

/// The controller and all that it needs of Kubernetes, wired.
package final class KubernetesStack: Service, Sendable {
    private let client: KubernetesClient
    private let election: LeaderElection
    private let events: EventRecorder
    private let controller: ProvisioningController
    private let leaseNamespace: String
    private let leaseName: String
    private let operations: Operations
    private let store: RBDImageStore
    private let ownCredentials: ServiceCredentials
    private let hasOwnCredentials: Bool
    private let logger: Logger
    private let leading: Liveness.Loop
    private let lost = Atomic<Bool>(false)
    private let missing = Mutex<[Permission]>([])

    /// Whether the lease went to another while we had it.
    package var lostLease: Bool { lost.load(ordering: .relaxed) }

    package init(
        _ settings: ControllerSettings,
        as identity: ClusterIdentity,
        _ stack: ControllerStack,
        _ liveness: Liveness,
        observer: StepObserver?,
        logger: Logger
    ) throws {
        let agent = "nacre/\(settings.version)"
        let warnings = ServerWarnings(logger)
        let namespace = settings.leaseNamespace ?? identity.namespace ?? "default"
        let name = settings.holder ?? Self.processName
        let leaseName = LeaderElection.leaseName(for: settings.driver.driverName)
        // With connections of its own, so that a thousand claims do not stand before a renewal.
        let election = LeaderElection(
            try KubernetesClient(identity, userAgent: agent, warnings: warnings),
            namespace: namespace,
            name: leaseName,
            identity: name,
            timing: .init(
                leaseDuration: settings.leaseDuration,
                renewDeadline: settings.leaseDuration * 2 / 3,
                retryPeriod: settings.leaseDuration / 5
            )
        )
        client = try KubernetesClient(identity, userAgent: agent, warnings: warnings) { election.leadsUntil }
        events = EventRecorder(client, component: settings.driver.driverName, instance: name)
        let own = ServiceCredentials(directory: settings.secretDirectory)
        controller = ProvisioningController(
            settings: settings.driver,
            client: client,
            service: stack.service,
            ownCredentials: own.read,
            events: events,
            capacity: Self.capacityPlace(settings, client, namespace),
            observer: observer,
            progress: { name in
                let loop = liveness.loop(name, limit: WorkProgress.limit)
                return WorkProgress(goesOn: loop.goesOn, rests: loop.rests)
            },
            logger: logger
        )
        leading = liveness.loop("the election")
        operations = stack.operations
        store = stack.store
        ownCredentials = own
        hasOwnCredentials = settings.secretDirectory != nil
        leaseNamespace = namespace
        self.leaseName = leaseName
        self.election = election
        self.logger = logger
    }

    /// Beside the pod that this is; elsewhere where the lease is, without an owner, when that is asked for.
    private static func capacityPlace(
        _ settings: ControllerSettings,
        _ client: KubernetesClient,
        _ namespace: String
    ) -> CapacityPlace.Finding {
        let isWanted = settings.tellsCapacity
        let own = settings.pod
        return { () throws(KubernetesError) in
            guard isWanted else { return nil }
            guard let own else { return CapacityPlace(namespace: namespace, owner: nil) }
            return try await CapacityPlace.of(pod: own.name, in: own.namespace, client)
        }
    }

    package func run() async throws {
        await checkPermissions()
        await withTaskGroup { group in
            group.addTask { await self.controller.watch() }
            group.addTask { await self.events.run() }
            group.addTask { await self.slimDown() }
            await cancelWhenGracefulShutdown { await self.lead() }
            // What was just told of should still be sent.
            try? await Task.sleep(for: .milliseconds(200))
            group.cancelAll()
        }
        await election.release()
    }

    /// Users that a pool's trash is looked into as, at most.
    private static let usersOfPool = 4

    /// Whom a leader looks into the trash of a cluster as: the users of the classes' and volumes' Secrets, its own user if
    /// it has one, and those whom it worked as.
    package func trashUsers(ofCluster clusterID: String) async -> TrashRounds.Users {
        guard election.leads, controller.isSynced else {
            return TrashRounds.Users(absence: "not looked into: another process leads, or all is not listed yet")
        }
        var found = TrashRounds.Users()
        if hasOwnCredentials {
            do throws(VolumeError) {
                found.users.append(PoolUser(clusterID: clusterID, pool: nil, credentials: try ownCredentials.read()))
            } catch {
                found.failures.append(error.message)
            }
        }
        var faults: [ExactText: String] = [:]
        for secret in controller.poolSecrets where secret.clusterID.isExactly(clusterID) {
            // More than one, for a Secret may hold a key that Ceph does not know any more.
            guard found.users.count(where: { $0.pool?.isExactly(secret.pool) == true }) < Self.usersOfPool else {
                continue
            }
            do throws(VolumeError) {
                let user = try await controller.credentials(secret.secret)
                found.users.append(PoolUser(clusterID: clusterID, pool: secret.pool, credentials: user))
            } catch {
                faults[ExactText(secret.pool)] = "the trash of pool '\(secret.pool)': \(error.message)"
            }
        }
        found.users += store.callingUsers.filter { $0.clusterID.isExactly(clusterID) }
        // A Secret that is gone is no loss while another leads to the same pool.
        for (pool, fault) in faults.sorted(by: { $0.key < $1.key })
        where !found.users.contains(where: { $0.pool?.isExactly(pool.text) == true }) {
            found.failures.append(fault)
        }
        if found.users.isEmpty, found.failures.isEmpty {
            found.absence = "not looked into: no class and no volume of cluster '\(clusterID)' names a Secret"
        }
        return found
    }

    /// Gives back what only the start and the first lists needed.
    private func slimDown() async {
        while !controller.isSynced, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(100)) }
        ProcessControl.trimMalloc()
        ProcessControl.releaseFilePages()
    }

    private func lead() async {
        let logger = logger
        do {
            try await election.acquire(inEachRound: leading.goesOn) { error in
                logger.warning("cannot get the lease", metadata: ["reason": "\(error)"])
            }
        } catch {
            return leading.rests()
        }
        logger.notice("leading", metadata: ["k8s.lease": "\(leaseNamespace)"])
        await withTaskGroup { group in
            group.addTask { await self.controller.work() }
            await election.renew(inEachRound: leading.goesOn) { error in
                logger.warning("cannot renew the lease", metadata: ["reason": "\(error)"])
            }
            if !Task.isCancelled {
                lost.store(true, ordering: .relaxed)
                logger.error("lost the lease", metadata: ["k8s.lease": "\(election.holder)"])
            }
            leading.rests()
            group.cancelAll()
        }
    }

    /// Names what RBAC and Ceph do not let us do; rights may come later, so nothing ends for the lack of one.
    private func checkPermissions() async {
        do throws(KubernetesError) {
            let missing = try await client.missing(
                of: SelfCheck.permissions(leaseNamespace: leaseNamespace, lease: leaseName)
            )
            self.missing.withLock { $0 = missing }
            logger.tell(missing: missing)
            for permission in try await client.missing(of: SelfCheck.extras(namespace: leaseNamespace)) {
                logger.info("RBAC does not allow what is of use", metadata: ["k8s.permission": "\(permission)"])
            }
        } catch {
            logger.warning("cannot check what RBAC allows", metadata: ["reason": "\(error)"])
        }
        await checkCeph()
    }

    /// Looks whether the controller's own user sees what it must see, by as little as that takes.
    private func checkCeph() async {
        do throws(VolumeError) {
            let store = store
            let page = try await operations.runAlone("look at what Ceph allows", deadline: .now + .seconds(20)) {
                () async throws(VolumeError) in try await store.images(after: nil, limit: 1)
            }
            if !page.missing.isEmpty { throw store.absence(of: page.missing) }
        } catch {
            switch error.code {
            // Without a user of its own, the controller works as those of the classes' Secrets.
            case .failedPrecondition: return
            case .permissionDenied, .unauthenticated:
                logger.error("Ceph does not allow what is needed", metadata: ["reason": "\(error.message)"])
            default:
                logger.warning(
                    "cannot see what Ceph allows, or not all of it",
                    metadata: ["reason": "\(error.message)"]
                )
            }
        }
        // The user may be meant to see some pools only.
        for refused in store.refusedPools {
            logger.notice("Ceph does not allow a pool of images", metadata: ["reason": "\(refused.message)"])
        }
    }

    /// The process' health beside that of what it leans on.
    package func health(beside other: Health) -> Health {
        var parts = other.parts
        let missing = missing.withLock(\.self)
        parts.append(
            Health.Part(
                "kubernetes/permissions",
                isWell: missing.isEmpty,
                message: missing.isEmpty
                    ? "all are there" : "missing: " + missing.map(\.description).joined(separator: ", ")
            )
        )
        parts.append(
            Health.Part(
                "kubernetes/caches",
                isWell: controller.isSynced,
                message: controller.isSynced ? "all is listed" : "listing"
            )
        )
        parts.append(
            Health.Part(
                "kubernetes/lease",
                isWell: true,
                message: election.leads ? "held by this process" : "held by '\(election.holder)'"
            )
        )
        return Health(parts)
    }

    /// The gauges of the controller.
    package func register(in registry: MetricsRegistry) {
        let controller = controller
        let client = client
        let election = election
        let gauges: [(name: String, help: String, read: @Sendable () -> Int)] = [
            ("nacre_controller_leading", "Whether this process works.", { election.leads ? 1 : 0 }),
            ("nacre_controller_waiting", "Claims and volumes that wait for their turn.", { controller.load.waiting }),
            ("nacre_controller_running", "Claims and volumes that are worked on.", { controller.load.running }),
            ("nacre_controller_delayed", "Claims and volumes that wait after a failure.", { controller.load.delayed }),
            ("nacre_controller_volumes", "PersistentVolumes known.", { controller.load.volumes }),
            ("nacre_controller_claims", "Claims known.", { controller.load.claims }),
            (
                "nacre_controller_orphaned_images", "Images that no claim and no PersistentVolume has.",
                { controller.load.orphanedImages }
            ),
        ]
        for gauge in gauges {
            let read = gauge.read
            registry.registerGauge(gauge.name, gauge.help) { Double(read()) }
        }
        let counters: [(name: String, help: String, read: @Sendable () -> Int)] = [
            ("nacre_kubernetes_lists_total", "Lists made since the start.", { controller.load.lists }),
            (
                "nacre_kubernetes_unreadable_total",
                "Objects and events of watches that could not be read, and were passed over.",
                { controller.load.unreadable }
            ),
            ("nacre_kubernetes_reads_total", "Reads of the API server, watches included.", { client.counts.reads }),
            ("nacre_kubernetes_writes_total", "Writes to the API server.", { client.counts.writes }),
            (
                "nacre_kubernetes_conflicts_total", "Writes refused because somebody else was first.",
                { client.counts.conflicts }
            ),
            ("nacre_kubernetes_put_off_total", "Requests that the API server put off.", { client.counts.putOff }),
        ]
        for counter in counters {
            let read = counter.read
            registry.registerCounter(counter.name, counter.help) { Double(read()) }
        }
        ProvisionerMetrics.describe { registry.describe($0, $1) }
    }

    private static var processName: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, 255)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(host)_\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
    }
}
