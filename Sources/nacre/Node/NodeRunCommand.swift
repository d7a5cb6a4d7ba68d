import ArgumentParser
import CephVolumes
import CoreMetrics
import ExactText
import FoundationEssentials
import KubernetesAPI
import LinuxKernel
import Logging
import NodeVolumes
import Provisioner
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
        guard let nodeID = options.nodeID ?? Environment.value("NODE_NAME") ?? Self.hostName else {
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
        let own = ServiceCredentials(directory: options.secretDir)
        let client = try agent.client(logger)
        let object = client.map {
            NodeObject(
                client: $0,
                name: node.service.info.nodeID,
                stateDirectory: options.stateDir,
                logger: logger
            )
        }
        await object?.note()
        let found: any NodeSecrets =
            if let client { CephSecrets(client: client, own: own.read) } else { DirectorySecrets(own: own) }
        let secrets = NotedSecrets(found, stateDirectory: options.stateDir)
        // Without symbolic links, as the node service writes paths down.
        let plugins = (try? KernelFile.canonical("\(agent.kubeletDir)/plugins")) ?? "\(agent.kubeletDir)/plugins"
        let stagingRoot = "\(plugins)/\(options.driverName)"
        let driver = FlexDriver(
            service: node.service,
            images: stack.service,
            secrets: secrets,
            stagingRoot: stagingRoot,
            logger: logger
        )
        var background: [any Service] = [
            Watching(watchdog: node.watchdog, loop: liveness.loop("the watch over image servers")),
            Reconciling(service: node.service), looks,
            HeldLocks(owner: node.owner, configuration: stack.configuration, secrets: secrets, logger: logger),
            AgentUpkeep(connections: stack.connections, driver: driver, loop: liveness.loop("upkeep")),
        ]
        if let object { background.append(object) }
        if let client {
            let events = EventRecorder(client, component: options.driverName, instance: node.service.info.nodeID)
            let place = LocalDelivery.Place(
                nodeName: node.service.info.nodeID,
                driverName: options.driverName,
                places: LocalVolume.Places(),
                stagingRoot: stagingRoot
            )
            background.append(PermissionCheck(client: client, logger: logger))
            background.append(
                LocalDelivery(
                    client: client,
                    service: node.service,
                    secrets: secrets,
                    events: events,
                    place: place,
                    loop: liveness.loop("the delivery of local volumes", limit: .seconds(300)),
                    observer: CrashPoint.observer,
                    logger: logger
                )
            )
        } else {
            logger.notice("no API server is asked: no Secrets are read, and no local volumes are delivered")
        }
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
            services: background + [server, FlexSocket(path: agent.flexSocket, driver: driver, logger: logger)],
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
            program: agent.flexProgram ?? Self.programBesideThis,
            socket: agent.flexSocket
        )
        let isNew = try installation.install()
        logger.info(
            isNew ? "installed the FlexVolume driver" : "the FlexVolume driver is there already",
            metadata: ["directory": "\(agent.pluginDir)"]
        )
    }

    private static var hostName: String? {
        KernelFile.firstLine("/proc/sys/kernel/hostname").flatMap { $0.isEmpty ? nil : $0 }
    }

    private static var programBesideThis: String {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let directory = (own ?? "/usr/bin/nacre").parts(at: "/").dropLast()
        return "\(directory.joined(separator: "/"))/nacre-flex"
    }
}
