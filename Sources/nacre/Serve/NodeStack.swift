import Blocking
import CephVolumes
internal import ImageOwnership
internal import ImageServing
internal import KernelMapping
import Logging
import NodeMapping
import NodeVolumes
import Provisioner
import ServiceLifecycle
import VolumeServer
import Volumes

/// The node service and all below it, wired.
struct NodeStack: Sendable {
    let service: NodeVolumeService
    let watchdog: FuseWatchdog
    let operations: Operations
    /// The locks of what the kernel has mapped.
    let owner: ImageOwnership

    /// Threads for mounts, file systems and devices; the calls of one volume do not overlap.
    private static let threads = 8

    private static let runDirectory = "/run/nacre"

    /// `nil` if the process has no node name; a spare server is useful only for a process with many calls.
    init?(
        _ options: ServeOptions,
        _ stack: ControllerStack,
        keepsSpare: Bool = true,
        observer: StepObserver?,
        logger: Logger
    ) {
        guard let nodeID = options.nodeID else { return nil }
        let (configuration, store) = (stack.configuration, stack.store)
        let launcher = ServerLauncher(
            command: ["/proc/self/exe", ImageServerCommand.name],
            keepsSpare: keepsSpare,
            logger: logger
        )
        let fuse = FuseLoopMapper(
            stateDirectory: options.stateDir,
            nodeID: nodeID,
            launcher: launcher,
            logger: logger
        )
        owner = ImageOwnership(stateDirectory: options.stateDir, nodeID: nodeID, logger: logger)
        let krbd = KernelRBDMapper(
            stateDirectory: options.stateDir,
            crushLocation: options.crushLocation,
            owner: owner,
            logger: logger
        )
        let nbd = NBDMapper(
            stateDirectory: options.stateDir,
            nodeID: nodeID,
            launcher: launcher,
            logger: logger
        )
        operations = Operations(observer: observer)
        service = NodeVolumeService(
            info: NodeInfo(nodeID: nodeID, maxVolumes: 0),
            stateDirectory: options.stateDir,
            mapper: ImageMappers([krbd, nbd, fuse], stateDirectory: options.stateDir, logger: logger),
            defaultChoice: options.mounterChoice,
            pool: BlockingPool(threads: Self.threads),
            operations: operations,
            logger: logger,
            standstill: { await store.standstill(of: $0, as: $1) },
            places: VolumePlaces(
                own: [options.stateDir, Self.runDirectory],
                lent: [
                    DriverSettings().localDirectory, "\(options.stateDir)/vol", "\(options.stateDir)/cli",
                    "\(Self.runDirectory)/cli",
                ]
            )
        ) { (id) throws(VolumeError) in
            NodeVolumes::ClusterAddress(monitors: try configuration.cluster(id.clusterID).monitors)
        }
        watchdog = FuseWatchdog(fuse, logger: logger)
    }
}

/// Completes or undoes, once, what an earlier service left incomplete.
struct Reconciling: Service {
    let service: NodeVolumeService

    /// Volumes are checked one after the other, so a volume that waits for its cluster must not delay the others for
    /// long.
    private static let limit = Duration.seconds(60)

    func run() async throws {
        await service.reconcile(deadline: .now + Self.limit)
        // A service that returns ends its group.
        try? await gracefulShutdown()
    }
}

/// Runs the watchdog while the service runs.
struct Watching: Service {
    let watchdog: FuseWatchdog
    let loop: Liveness.Loop

    func run() async throws {
        await cancelWhenGracefulShutdown { await watchdog.run(inEachRound: loop.goesOn) }
        loop.rests()
    }
}
