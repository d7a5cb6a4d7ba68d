import ArgumentParser
import CephVolumes
import CoreMetrics
import Logging
import ServiceLifecycle
import ServiceProcess
import UnixSignals
import VolumeServer
import Volumes

/// `nacre serve`: the JSON service.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve volumes as JSON on a UNIX socket.",
        discussion: """
            Speaks CSI v1's Identity, Controller and Node services as Connect unary JSON, and /healthz and /metrics.
            Stops gracefully at SIGTERM and SIGINT; volumes that are mapped stay so.

            EXAMPLE
              nacre serve --config /etc/ceph-csi-config/config.json \\
                --secret-dir /etc/nacre/secret --node-id "$(hostname)"
              curl --unix-socket /run/nacre/nacre.sock http://nacre/healthz
              curl --unix-socket /run/nacre/nacre.sock \\
                -d '{}' -H 'Content-Type: application/json' \\
                http://nacre/csi.v1.Identity/GetPluginInfo
            """
    )

    @OptionGroup var options: ServeOptions

    func run() async throws {
        ProcessHardening.apply()
        let level = options.logLevel
        var logger = Logger(label: "nacre", factory: MaskingLogHandler.init)
        logger.logLevel = level
        // Before anything is looked at: what is half done there may be another service's work.
        let lock: StateLock? = if options.nodeID == nil { nil } else { try await options.lockStateDirectory(logger) }
        // One that cannot serve leaves the volumes alone, too.
        try SocketPlace(options.socket).refuseUnlessFree()
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(RegistryMetricsFactory(registry))
        let stack = ControllerStack(options.settings, observer: CrashPoint.observer, logger: logger)
        let trash = TrashRounds(stack, options.settings, logger: logger)
        ServiceMetrics.register(stack, trash, in: registry)
        var node: NodeStack?
        if let nodeID = options.nodeID, let lock {
            node = NodeStack(
                options.settings,
                nodeID: nodeID,
                stack,
                holding: lock,
                observer: CrashPoint.observer,
                logger: logger
            )
        }
        let liveness = Liveness()
        let looks = NodeLooks(stateDirectory: options.stateDir, loop: liveness.loop("the look at image servers"))
        if let node { NodeMetrics.register(node, looks, stateDirectory: options.stateDir, in: registry) }
        let report = HealthReport(stack: stack, trash: trash)
        // Either may appear later, like a pod's mounts, so it is only logged.
        for fault in stack.configuration.entryFaults
            + [stack.configuration.fault, options.secretFault].compactMap(\.self)
        {
            logger.warning("calls will fail until this is mended", metadata: ["reason": "\(fault)"])
        }
        var configuration = ServerConfiguration(
            socketPath: options.socket,
            driverName: options.driverName,
            version: Nacre.version
        )
        configuration.defaultTimeout = options.requestTimeout.duration
        let server = VolumeServer(
            configuration: configuration,
            controller: stack.service,
            node: node?.service,
            readiness: report.readiness,
            health: report.health,
            liveness: liveness,
            metrics: registry,
            logger: logger
        )
        var background: [any Service] = [
            Housekeeping(stack: stack, trash: trash, loop: liveness.loop("housekeeping"))
        ]
        if let node {
            background +=
                [
                    Watching(watchdog: node.watchdog, loop: liveness.loop("the watch over image servers")),
                    Reconciling(service: node.service), looks,
                    HeldLocks(
                        owner: node.owner,
                        configuration: stack.configuration,
                        secrets: NotedSecrets(
                            DirectorySecrets(own: ServiceCredentials(directory: options.secretDir)),
                            stateDirectory: options.stateDir
                        ),
                        logger: logger
                    ),
                ] as [any Service]
        }
        if let address = options.metricsAddress {
            background.append(address.server(registry, health: report.health, liveness: liveness, logger: logger))
        }
        // Its own log lines would contain every service's whole description.
        var quiet = logger
        quiet.logLevel = max(level, .notice)
        let group = ServiceGroup(
            services: background + [server],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        )
        try await group.run()
    }
}
