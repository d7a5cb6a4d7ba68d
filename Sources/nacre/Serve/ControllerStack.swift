import CephVolumes
import Logging
import NodeVolumes
import Volumes

/// The controller service and its parts, assembled.
struct ControllerStack: Sendable {
    let configuration: ClusterConfiguration
    let connections: ClusterConnections
    let purger: TrashPurger
    let store: RBDImageStore
    let operations: Operations
    let service: VolumeService

    init(_ options: ServeOptions, observer: StepObserver?, logger: Logger) {
        configuration = ClusterConfiguration(path: options.config)
        connections = ClusterConnections(
            configuration: configuration,
            threadsPerCluster: options.cephThreads,
            idleLimit: options.idleTimeout.duration,
            options: options.cephOptionPairs,
            logger: logger
        )
        operations = Operations(observer: observer)
        // In separate processes: librbd can end or block the removing process, which must not be this one.
        purger = TrashPurger(
            removing: RemovalProcesses(
                command: ["/proc/self/exe", TrashRemoverCommand.name],
                configurationPath: options.config,
                options: options.cephOptionPairs,
                objectCalls: options.librbdOnly ? .never : .onTestedReleases,
                logger: logger
            ),
            workers: options.purgeWorkers,
            yieldingTo: operations,
            logger: logger
        )
        store = RBDImageStore(
            configuration: configuration,
            connections: connections,
            service: ServiceCredentials(directory: options.secretDir),
            purger: purger,
            objectCalls: options.librbdOnly ? .never : .onTestedReleases,
            retention: options.trashRetention.retention.duration
        )
        service = VolumeService(store: store, operations: operations, trial: MkfsTrial())
    }
}
