package import CephVolumes
package import Logging
internal import NodeVolumes
package import Volumes

/// The controller service and its parts, assembled.
package struct ControllerStack: Sendable {
    package let configuration: ClusterConfiguration
    package let connections: ClusterConnections
    package let purger: TrashPurger
    package let flattener: CloneFlattener
    package let store: RBDImageStore
    package let operations: Operations
    package let service: VolumeService

    /// Assembles them.
    ///
    /// - Parameters:
    ///   - settings: What the service was told.
    ///   - longestLook: How long a call waits for a look at all objects of pools; a repetition must be able to join it.
    ///   - observer: Learns of each step.
    ///   - logger: For what goes wrong.
    package init(
        _ settings: ServiceSettings,
        longestLook: Duration = .seconds(25),
        observer: StepObserver?,
        logger: Logger
    ) {
        configuration = ClusterConfiguration(path: settings.configuration)
        connections = ClusterConnections(
            configuration: configuration,
            threadsPerCluster: settings.cephThreads,
            idleLimit: settings.idleLimit,
            options: settings.cephOptions,
            logger: logger
        )
        operations = Operations(observer: observer)
        // In separate processes: librbd can end or block the removing process, which must not be this one.
        purger = TrashPurger(
            removing: RemovalProcesses(
                command: settings.trashRemover,
                configurationPath: settings.configuration,
                options: settings.cephOptions,
                objectCalls: settings.usesLibrbdOnly ? .never : .onTestedReleases,
                logger: logger
            ),
            workers: settings.purgeWorkers,
            yieldingTo: operations,
            logger: logger
        )
        flattener = CloneFlattener(
            connections: ClusterConnections(
                configuration: configuration,
                threadsPerCluster: 1,
                idleLimit: settings.idleLimit,
                options: settings.cephOptions,
                logger: logger
            ),
            logger: logger
        )
        store = RBDImageStore(
            configuration: configuration,
            connections: connections,
            service: ServiceCredentials(directory: settings.secretDirectory),
            purger: purger,
            objectCalls: settings.usesLibrbdOnly ? .never : .onTestedReleases,
            retention: settings.retention,
            longestLook: longestLook,
            flattener: flattener
        )
        service = VolumeService(store: store, operations: operations, trial: MkfsTrial())
    }
}
