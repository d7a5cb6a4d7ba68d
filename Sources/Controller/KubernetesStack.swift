internal import CephVolumes
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
    let client: KubernetesClient
    let election: LeaderElection
    private let events: EventRecorder
    let controller: ProvisioningController
    let leaseNamespace: String
    let leaseName: String
    let operations: Operations
    let store: RBDImageStore
    let ownCredentials: ServiceCredentials
    let hasOwnCredentials: Bool
    let logger: Logger
    private let leading: Liveness.Loop
    private let lost = Atomic<Bool>(false)
    let missing = Mutex<[Permission]>([])

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
        var driver = settings.driver
        driver.agentNamespace = settings.pod?.namespace ?? namespace
        controller = ProvisioningController(
            settings: driver,
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
        // A server that does not answer keeps nobody who is asked to stop.
        await cancelWhenGracefulShutdown { await self.checkPermissions() }
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
