import CephVolumes
import Logging
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
        purger = TrashPurger(workers: options.purgeWorkers, yieldingTo: operations, logger: logger)
        store = RBDImageStore(
            configuration: configuration,
            connections: connections,
            service: ServiceCredentials(directory: options.secretDir),
            purger: purger,
            objectCalls: options.librbdOnly ? .never : .onTestedReleases
        )
        service = VolumeService(store: store, operations: operations)
    }
}
