internal import Blocking
internal import CephVolumes
package import ImageOwnership
package import ImageServing
internal import KernelMapping
package import Logging
internal import NodeMapping
package import NodeVolumes
internal import Provisioner
internal import ServiceLifecycle
internal import VolumeServer
package import Volumes

/// The node service and all below it, wired.
package struct NodeStack: Sendable {
    package let service: NodeVolumeService
    package let watchdog: FuseWatchdog
    package let operations: Operations
    /// The locks of what the kernel has mapped.
    package let owner: ImageOwnership

    /// Threads for mounts, file systems and devices; the calls of one volume do not overlap.
    private static let threads = 8

    private static let runDirectory = "/run/nacre"

    /// Wires them.
    ///
    /// - Parameters:
    ///   - settings: What the service was told.
    ///   - nodeID: Who this node is.
    ///   - stack: The controller's side.
    ///   - lock: That no other process keeps volumes in the settings' state directory.
    ///   - keepsSpare: Whether a server waits for the next image, which is useful only for a process with many calls.
    ///   - observer: Told of steps.
    ///   - logger: Where to tell of repairs.
    package init(
        _ settings: ServiceSettings,
        nodeID: String,
        _ stack: ControllerStack,
        holding lock: StateLock,
        keepsSpare: Bool = true,
        observer: StepObserver?,
        logger: Logger
    ) {
        let (configuration, store) = (stack.configuration, stack.store)
        let launcher = ServerLauncher(
            command: settings.imageServer,
            keepsSpare: keepsSpare,
            logger: logger
        )
        let fuse = FuseLoopMapper(
            stateDirectory: lock.directory,
            nodeID: nodeID,
            launcher: launcher,
            logger: logger
        )
        owner = ImageOwnership(stateDirectory: lock.directory, nodeID: nodeID, logger: logger)
        let krbd = KernelRBDMapper(
            stateDirectory: lock.directory,
            crushLocation: settings.crushLocation,
            owner: owner,
            logger: logger
        )
        let nbd = NBDMapper(
            stateDirectory: lock.directory,
            nodeID: nodeID,
            launcher: launcher,
            logger: logger
        )
        operations = Operations(observer: observer)
        service = NodeVolumeService(
            info: NodeInfo(nodeID: nodeID, maxVolumes: 0),
            stateDirectory: lock.directory,
            mapper: ImageMappers([krbd, nbd, fuse], stateDirectory: lock.directory, logger: logger),
            defaultChoice: settings.mounter,
            pool: BlockingPool(threads: Self.threads),
            operations: operations,
            logger: logger,
            standstill: { id, user in
                // At once: a caller whose time is over waits no longer than for one of them.
                async let reason = store.standstill(of: id, as: user)
                async let users = store.holders.otherUsers(of: id, as: user, than: nodeID)
                let known = await (reason, users)
                return known.0 ?? known.1
            },
            places: VolumePlaces(
                own: [lock.directory, Self.runDirectory],
                lent: [
                    DriverSettings().localDirectory, "\(lock.directory)/vol", "\(lock.directory)/cli",
                    "\(Self.runDirectory)/cli",
                ],
                needed: settings.paths
            )
        ) { (id) throws(VolumeError) in
            NodeVolumes::ClusterAddress(monitors: try configuration.cluster(id.clusterID).monitors)
        }
        watchdog = FuseWatchdog(fuse, logger: logger)
    }
}
