import CephVolumes
import Logging
import NodeVolumes
import Volumes

/// The controller service and all below it, wired.
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
        // In processes of their own: librbd can end or hold up the one that removes, and that must not be ours.
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
