internal import Blocking
internal import FoundationEssentials
internal import Glibc
public import ImageMapping
internal import ImageOwnership
public import ImageServing
public import KernelMapping
internal import LinuxKernel
public import Logging
public import NodeMapping
public import NodeVolumes
public import Secrets
public import Volumes

/// A node on this host: its state directory, its cluster and its services.
public struct NodeLab: Sendable {
    /// Where it keeps everything.
    public let directory: String
    /// The monitors of its cluster.
    public var monitors: [String]
    /// The node's user.
    public let credentials: Credentials
    /// Where its servers go.
    public let placement: ServerPlacement
    /// The node's name: its directory's, so that two labs are two nodes.
    public var nodeID: String {
        getenv("NACRE_GUEST").map { String(cString: $0) } ?? directory.split(separator: "/").last.map(String.init)
            ?? "lab"
    }
    /// The program that serves images and is killed at steps.
    public let program: String
    /// What its volumes are mapped by, the first that can.
    public var mappers: [MapperKind] = [.fuse]
    /// Whether its services have a server wait for the next image.
    public var keepsSpare = false
    /// A class's parameters, for every volume that is staged.
    public var context: [String: String] = [:]

    /// The directory of the cluster to test with, from the environment.
    public static var clusterDirectory: String? { getenv("NACRE_CLUSTER_DIR").map { String(cString: $0) } }

    /// What tests that cannot run here say.
    public static let lack =
        "needs a real Ceph, root and a mount namespace of its own: run tools/test node"

    /// Whether this is a guest of tools/kernel-lab with a cluster beside it: a kernel of our own.
    public static var isInGuest: Bool { getenv("NACRE_GUEST") != nil && clusterDirectory != nil }

    /// Whether tests can run here: a cluster, root, and a mount namespace that is not the host's.
    ///
    /// Where process 1 is of our namespaces too, as under tools/test, NACRE_OWN_MOUNTS says so.
    public static var isAvailable: Bool {
        guard clusterDirectory != nil, getuid() == 0 else { return false }
        guard getenv("NACRE_OWN_MOUNTS") == nil else { return true }
        return link("/proc/self/ns/mnt") != link("/proc/1/ns/mnt")
    }

    /// Opens a lab in a directory.
    public init(directory: String, placement: ServerPlacement) throws {
        let cluster = Self.clusterDirectory ?? ""
        self.directory = directory
        self.placement = placement
        struct Entry: Decodable { let monitors: [String] }
        let data = Data(try KernelFile.bytes("\(cluster)/config.json"))
        monitors = try JSONDecoder().decode([Entry].self, from: data).first?.monitors ?? []
        let secret = "\(cluster)/secrets/csi-rbd-node"
        credentials = Credentials(
            userID: KernelFile.firstLine("\(secret)/userID") ?? "",
            userKey: Secret(KernelFile.firstLine("\(secret)/userKey") ?? "")
        )
        let own = Self.link("/proc/self/exe")
        program = (own.lastIndex(of: "/").map { String(own[...$0]) } ?? "./") + "NodeTestProcess"
    }

    private var launcher: ServerLauncher {
        ServerLauncher(
            // The directory tells the processes of one lab from those of others.
            command: [program, "image-server", directory],
            placement: placement,
            keepsSpare: keepsSpare,
            logger: quietLogger
        )
    }

    /// A mapper as after a restart of the service.
    public func mapper() -> FuseLoopMapper {
        FuseLoopMapper(
            stateDirectory: directory,
            nodeID: nodeID,
            launcher: launcher,
            logger: quietLogger
        )
    }

    /// The nbd mapper as after a restart of the service.
    public func nbdMapper(connections: Int = 1) -> NBDMapper {
        NBDMapper(
            stateDirectory: directory,
            nodeID: nodeID,
            launcher: launcher,
            connections: connections,
            logger: quietLogger
        )
    }

    /// The kernel's client as after a restart of the service.
    public func kernelMapper(crushLocation: String = "") -> KernelRBDMapper {
        KernelRBDMapper(
            stateDirectory: directory,
            crushLocation: crushLocation,
            owner: ImageOwnership(stateDirectory: directory, nodeID: nodeID, logger: quietLogger),
            logger: quietLogger
        )
    }

    /// How the server of an image of pool rbd is.
    public func status(_ image: String) -> ImageServerStatus? {
        ImageServers(stateDirectory: directory)
            .status(of: ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: image))
    }

    /// All mappers of this lab.
    public func imageMappers() -> ImageMappers {
        let mappers: [any ImageMapper] = mappers.compactMap { kind in
            switch kind {
            case .krbd: kernelMapper()
            case .fuse: mapper()
            case .nbd: nbdMapper()
            }
        }
        return ImageMappers(mappers, stateDirectory: directory, logger: quietLogger)
    }

    /// A service as after a restart.
    public func service(observer: StepObserver? = nil) -> NodeVolumeService {
        let monitors = monitors
        return NodeVolumeService(
            info: NodeInfo(nodeID: nodeID, maxVolumes: 0),
            stateDirectory: directory,
            mapper: imageMappers(),
            pool: BlockingPool(threads: 4),
            operations: Operations(observer: observer),
            logger: quietLogger,
            places: VolumePlaces(own: [directory], lent: ["\(directory)/staging", "\(directory)/pods"]),
            clusters: { _ in ClusterAddress(monitors: monitors) }
        )
    }

    /// Says nothing below errors.
    public var quietLogger: Logger {
        var logger = Logger(label: "node") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        return logger
    }

    /// Where a volume is staged.
    public func stagingPath(_ image: String) -> String { "\(directory)/staging/\(image)" }
    /// Where a pod sees it.
    public func targetPath(_ image: String) -> String { "\(directory)/pods/\(image)" }

    private static func link(_ path: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension NodeLab {
    /// A request to stage `image` of pool rbd.
    public func stageRequest(
        _ image: String,
        fsType: String? = "ext4",
        mode: VolumeCapability.Mode = .singleNodeWriter,
        flags: [String] = []
    ) -> StageRequest {
        StageRequest(
            volumeID: handle(image),
            stagingPath: stagingPath(image),
            capability: capability(fsType, mode, flags),
            credentials: credentials,
            context: context
        )
    }

    /// A request to publish it.
    public func publishRequest(
        _ image: String,
        fsType: String? = "ext4",
        mode: VolumeCapability.Mode = .singleNodeWriter,
        isReadOnly: Bool = false
    ) -> PublishRequest {
        PublishRequest(
            volumeID: handle(image),
            stagingPath: stagingPath(image),
            targetPath: targetPath(image),
            capability: capability(fsType, mode, []),
            isReadOnly: isReadOnly,
            context: [:]
        )
    }

    /// A volume's handle.
    public func handle(_ image: String) -> String { "lab/rbd//\(image)" }

    private func capability(_ fsType: String?, _ mode: VolumeCapability.Mode, _ flags: [String]) -> VolumeCapability {
        guard let fsType else { return VolumeCapability(.block, mode: mode) }
        return VolumeCapability(.mount(MountAccess(fsType: fsType, mountFlags: flags)), mode: mode)
    }

    /// Everything from stage to publish (`up`), a part of it, or all the way back (`down`).
    public func run(_ operation: String, _ image: String, _ fsType: String?, observer: StepObserver?) async throws {
        let service = service(observer: observer)
        let deadline = ContinuousClock.now + .seconds(90)
        switch operation {
        case "up":
            try await service.stage(stageRequest(image, fsType: fsType), deadline: deadline)
            try await service.publish(
                publishRequest(image, fsType: fsType, isReadOnly: fsType != nil),
                deadline: deadline
            )
        case "stage":
            try await service.stage(stageRequest(image, fsType: fsType), deadline: deadline)
        case "grow":
            _ = try await service.expand(
                NodeExpandRequest(
                    volumeID: handle(image),
                    volumePath: stagingPath(image),
                    stagingPath: "",
                    range: nil,
                    capability: nil
                ),
                deadline: deadline
            )
        case "reconcile":
            await service.reconcile(deadline: deadline)
        default:
            let id = handle(image)
            try await service.unpublish(volumeID: id, targetPath: targetPath(image), deadline: deadline)
            try await service.unstage(volumeID: id, stagingPath: stagingPath(image), deadline: deadline)
        }
    }
}
