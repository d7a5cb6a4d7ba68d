internal import CephVolumes
package import KubernetesAPI
internal import LinuxKernel
package import Logging
internal import NodeVolumes
internal import Provisioner
package import ServiceLifecycle
package import ServiceProcess
package import VolumeServer
package import Volumes

/// The agent and all that it needs of Kubernetes, wired.
package struct AgentStack: Sendable {
    /// What it does by itself: locks of an earlier service, upkeep, and, with an API server, `local` PersistentVolumes.
    package let background: [any Service]
    /// Answers kubelet's FlexVolume driver.
    package let socket: any Service

    /// Wires them, and notes which Node object this is, before anything is mapped.
    ///
    /// - Parameters:
    ///   - settings: What the agent was told.
    ///   - node: The node service.
    ///   - stack: The controller's side.
    ///   - client: Without one no Secrets are read, and no `local` PersistentVolumes are delivered.
    ///   - liveness: Told whether its loops go on.
    ///   - observer: Told of steps.
    ///   - logger: Where to tell of what it does.
    package init(
        _ settings: AgentSettings,
        _ node: NodeStack,
        _ stack: ControllerStack,
        _ client: KubernetesClient?,
        _ liveness: Liveness,
        observer: StepObserver?,
        logger: Logger
    ) async {
        let nodeName = node.service.info.nodeID
        let object = client.map {
            NodeObject(client: $0, name: nodeName, stateDirectory: settings.stateDirectory, logger: logger)
        }
        await object?.note()
        let own = ServiceCredentials(directory: settings.secretDirectory)
        let found: any NodeSecrets =
            if let client { CephSecrets(client: client, own: own.read) } else { DirectorySecrets(own: own) }
        let secrets = NotedSecrets(found, stateDirectory: settings.stateDirectory)
        // Without symbolic links, as the node service writes paths down.
        let given = "\(settings.kubeletDirectory)/plugins"
        let stagingRoot = "\((try? KernelFile.canonical(given)) ?? given)/\(settings.driverName)"
        let driver = FlexDriver(
            service: node.service,
            images: stack.service,
            secrets: secrets,
            stagingRoot: stagingRoot,
            logger: logger
        )
        var background: [any Service] = [
            HeldLocks(owner: node.owner, configuration: stack.configuration, secrets: secrets, logger: logger),
            AgentUpkeep(connections: stack.connections, driver: driver, loop: liveness.loop("upkeep")),
        ]
        if let object { background.append(object) }
        if let client {
            background.append(PermissionCheck(client: client, logger: logger))
            background.append(
                LocalDelivery(
                    client: client,
                    service: node.service,
                    secrets: secrets,
                    events: EventRecorder(client, component: settings.driverName, instance: nodeName),
                    place: LocalDelivery.Place(
                        nodeName: nodeName,
                        driverName: settings.driverName,
                        places: LocalVolume.Places(),
                        stagingRoot: stagingRoot
                    ),
                    loop: liveness.loop("the delivery of local volumes", limit: .seconds(300)),
                    observer: observer,
                    logger: logger
                )
            )
        } else {
            logger.notice("no API server is asked: no Secrets are read, and no local volumes are delivered")
        }
        self.background = background
        socket = FlexSocket(path: settings.flexSocket, driver: driver, logger: logger)
    }
}
