import ArgumentParser
import CoreMetrics
import Logging
import NodeAgent
import NodeVolumes
import ServiceLifecycle
import ServiceProcess
import UnixSignals
import VolumeServer
import Volumes

/// `nacre node run`: the agent of a node.
struct NodeRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Serve kubelet: mount, grow and unmount volumes on this node.",
        discussion: """
            Installs the FlexVolume driver nacre.io/rbd, which kubelet runs, and answers it. Serves the Node service as \
            JSON too. Volumes that are mounted stay so when it ends.

            EXAMPLE
              nacre node run --config /etc/ceph-csi-config/config.json
            """
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var agent: NodeRunOptions

    func run() async throws {
        ProcessHardening.apply()
        let level = options.logLevel
        var logger = Logger(label: "nacre", factory: MaskingLogHandler.init)
        logger.logLevel = level
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(RegistryMetricsFactory(registry))
        let stack = ControllerStack(options.settings, observer: nil, logger: logger)
        guard let nodeID = options.nodeID ?? Environment.value("NODE_NAME") ?? ThisMachine.hostName else {
            throw CommandFailure(.usage, "this node has no name; name it by --node-id")
        }
        let node = NodeStack(
            options.settings,
            nodeID: nodeID,
            stack,
            holding: try await options.lockStateDirectory(logger),
            observer: CrashPoint.observer,
            logger: logger
        )
        let liveness = Liveness()
        let looks = NodeLooks(stateDirectory: options.stateDir, loop: liveness.loop("the look at image servers"))
        NodeMetrics.register(node, looks, stateDirectory: options.stateDir, in: registry)
        let kubelet = await AgentStack(
            agent.settings(options),
            node,
            stack,
            try agent.client(logger),
            liveness,
            observer: CrashPoint.observer,
            logger: logger
        )
        var background: [any Service] = [
            Watching(watchdog: node.watchdog, loop: liveness.loop("the watch over image servers")),
            Reconciling(service: node.service), looks,
        ]
        background += kubelet.background
        let report = HealthReport(stack: stack)
        if let address = options.metricsAddress {
            background.append(address.server(registry, health: report.health, liveness: liveness, logger: logger))
        }
        let server = VolumeServer(
            configuration: ServerConfiguration(
                socketPath: options.socket,
                driverName: options.driverName,
                version: Nacre.version
            ),
            controller: nil,
            node: node.service,
            readiness: report.readiness,
            health: report.health,
            liveness: liveness,
            metrics: registry,
            logger: logger
        )
        try install(logger)
        // Its own lines would repeat every service's whole description.
        var quiet = logger
        quiet.logLevel = max(level, .notice)
        let group = ServiceGroup(
            services: background + [server, kubelet.socket],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        )
        try await group.run()
    }

    /// The driver comes before its socket: a call in between is told that nobody serves yet, and comes again.
    private func install(_ logger: Logger) throws {
        guard agent.install else { return }
        let installation = FlexInstallation(
            pluginDirectory: agent.pluginDir,
            program: agent.flexProgram ?? ThisMachine.program("nacre-flex"),
            socket: agent.flexSocket
        )
        let isNew = try installation.install()
        logger.info(
            isNew ? "installed the FlexVolume driver" : "the FlexVolume driver is there already",
            metadata: ["directory": "\(agent.pluginDir)"]
        )
    }
}
