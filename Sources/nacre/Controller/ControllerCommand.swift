import ArgumentParser
import Controller
import CoreMetrics
import Glibc
import KubernetesAPI
import Logging
import Provisioner
import ServiceLifecycle
import ServiceProcess
import UnixSignals
import VolumeServer
import Volumes

/// `nacre controller`: the controller, and orphaned images.
struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Provision, grow and delete the volumes of a Kubernetes cluster's claims.",
        discussion: """
            EXAMPLES
              nacre controller run --config /etc/ceph-csi-config/config.json
              nacre controller orphans list --kubeconfig ~/.kube/config
            """,
        subcommands: [ControllerRunCommand.self, OrphansCommand.self]
    )
}

/// `nacre controller run`: the controller.
struct ControllerRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Work as the controller: provision, grow and delete volumes.",
        discussion: """
            Does what external-provisioner and external-resizer do, in one process. Of several only one works: the one \
            that holds the lease. Health and metrics are served on the socket.

            EXAMPLE
              nacre controller run --config /etc/ceph-csi-config/config.json
              nacre controller run --kubeconfig ~/.kube/config --lease-namespace nacre
            """
    )

    @OptionGroup var serve: ServeOptions
    @OptionGroup var options: ControllerOptions

    func run() async throws {
        ProcessHardening.apply()
        let level = serve.logLevel
        var logger = Logger(label: "nacre", factory: MaskingLogHandler.init)
        logger.logLevel = level
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(RegistryMetricsFactory(registry))
        let stack = ControllerStack(serve.settings, observer: CrashPoint.observer, logger: logger)
        let liveness = Liveness()
        let cluster = try KubernetesStack(
            options.settings(serve),
            as: try ClusterAccess(options).identity(),
            stack,
            liveness,
            observer: CrashPoint.observer,
            logger: logger
        )
        let trash = TrashRounds(stack.store, logger: logger, users: cluster.trashUsers)
        ServiceMetrics.register(stack, trash, in: registry)
        cluster.register(in: registry)
        let report = HealthReport(stack: stack, trash: trash)
        let server = VolumeServer(
            configuration: ServerConfiguration(
                socketPath: serve.socket,
                driverName: serve.driverName,
                version: Nacre.version
            ),
            controller: stack.service,
            node: nil,
            readiness: report.readiness,
            health: { cluster.health(beside: await report.health()) },
            liveness: liveness,
            metrics: registry,
            logger: logger
        )
        var quiet = logger
        quiet.logLevel = max(level, .notice)
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: Housekeeping(stack: stack, trash: trash, loop: liveness.loop("housekeeping"))),
                .init(service: server),
                // A leader that lost its lease ends the process, because its state may be outdated.
                .init(service: cluster, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        )
        if let address = serve.metricsAddress {
            let metrics = address.server(
                registry,
                health: { cluster.health(beside: await report.health()) },
                liveness: liveness,
                logger: logger
            )
            configuration.services.insert(.init(service: metrics), at: 0)
        }
        // Its pod has 30 s; the work under way is let go after 20 s.
        configuration.maximumGracefulShutdownDuration = .seconds(26)
        try await ServiceGroup(configuration: configuration).run()
        guard !cluster.lostLease else {
            throw CommandFailure(.tryAgain, "the lease went to another process; start again to stand by")
        }
    }
}
