internal import BlockDevices
public import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
public import Logging
public import NodeMapping
public import Secrets
internal import Synchronization
internal import SystemPackage
public import Volumes

/// Where a cluster is, for a node.
public struct ClusterAddress: Sendable, Hashable {
    /// The monitors' addresses.
    public let monitors: [String]

    /// Names the monitors.
    public init(monitors: [String]) { self.monitors = monitors }
}

/// Stages and publishes volumes on this node.
///
/// Every operation inspects the present state, does what is missing, and may be repeated after any crash. It records
/// what is needed to undo it before it acts. The present state is read from mountinfo and sysfs and never assumed.
public final class NodeVolumeService: NodeService {
    /// Finds a volume's cluster.
    public typealias ClusterResolver = @Sendable (VolumeID) throws(VolumeError) -> ClusterAddress

    /// Says why a cluster does not answer for a volume, asked as a user or as the service's own; `nil` if no reason is
    /// known.
    public typealias Standstill = @Sendable (VolumeID, Credentials?) async -> String?

    /// Who this node is.
    public let info: NodeInfo

    let mapper: ImageMappers
    let defaultChoice: MapperChoice
    let records: VolumeRecords
    let clusters: ClusterResolver
    let pool: BlockingPool
    /// For questions that a cluster has to answer, a thread for each image that is asked for: one that is not answered holds
    /// up no other, and is not asked twice at once.
    private let lookups = Mutex<[ImageAddress: (threads: BlockingPool, users: Int)]>([:])
    let operations: Operations
    let logger: Logger
    private let standstill: Standstill
    /// As whom each volume was staged: those who may ask its cluster.
    private let users = Mutex<[VolumeID: Credentials]>([:])
    let places: VolumePlaces

    /// Prepares the service; touches nothing.
    ///
    /// - Parameters:
    ///   - info: Who this node is.
    ///   - stateDirectory: Such as `/var/lib/nacre`; the mapper's too.
    ///   - mapper: What makes devices of images.
    ///   - defaultChoice: The mapper for volumes whose class names none.
    ///   - pool: Threads for calls that block.
    ///   - operations: The operations under way.
    ///   - logger: Where to tell of repairs.
    ///   - standstill: Called when a caller stops waiting: says what the operation waits for, within seconds.
    ///   - places: Where volumes may be mounted; by default not in `stateDirectory`.
    ///   - clusters: Finds a volume's cluster.
    public init(
        info: NodeInfo,
        stateDirectory: String,
        mapper: ImageMappers,
        defaultChoice: MapperChoice = .auto,
        pool: BlockingPool,
        operations: Operations = Operations(),
        logger: Logger,
        standstill: @escaping Standstill = { _, _ in nil },
        places: VolumePlaces? = nil,
        clusters: @escaping ClusterResolver
    ) {
        self.info = info
        self.mapper = mapper
        self.defaultChoice = defaultChoice
        records = VolumeRecords(directory: Self.recordDirectory(in: stateDirectory))
        self.pool = pool
        self.operations = operations
        self.logger = logger
        self.standstill = standstill
        self.places = places ?? VolumePlaces(own: [stateDirectory], lent: [])
        self.clusters = clusters
    }

    /// Why the cluster does not answer for a volume; `nil` if no reason is known.
    ///
    /// An unmount writes what is in memory, and a publish reads: on a full or dead cluster they wait as a stage does.
    func obstacle(_ id: VolumeID?) async -> String? {
        guard let id else { return nil }
        return await standstill(id, users.withLock { $0[id] })
    }

    /// Remembers as whom a volume is staged; forgets it with nothing.
    func remember(_ user: Credentials?, of id: VolumeID) {
        users.withLock { $0[id] = user }
    }

    /// As whom the cluster can be asked for a volume that is staged; nothing after a restart of the service.
    func asker(of id: VolumeID) -> MapRequest? {
        guard let user = users.withLock({ $0[id] }), let monitors = try? clusters(id).monitors else { return nil }
        return MapRequest(image: address(of: id), monitors: monitors, credentials: user, sharing: .oneNode)
    }

    /// Runs a question to the cluster of a volume on the thread of its image; at once unless it is being asked already.
    func asking<R: Sendable>(_ image: ImageAddress, _ question: @escaping @Sendable () -> R) async -> R {
        let threads = lookups.withLock { lookups in
            let threads = lookups[image]?.threads ?? BlockingPool(threads: 1)
            lookups[image] = (threads, (lookups[image]?.users ?? 0) + 1)
            return threads
        }
        let answer = await threads.run(question)
        lookups.withLock { lookups in
            let users = (lookups[image]?.users ?? 1) - 1
            if users > 0 { lookups[image] = (threads, users) } else { lookups[image] = nil }
        }
        return answer
    }

    /// Runs blocking kernel work on the pool; `what` says what could not be done: `mount 'x'`.
    func kernel<R: Sendable>(
        _ what: String,
        _ body: @escaping @Sendable () throws(KernelError) -> R
    ) async throws(VolumeError) -> R {
        do throws(KernelError) {
            return try await pool.run(body)
        } catch {
            throw VolumeError(Self.code(of: error), "cannot \(what): \(error)\(await holders(of: error))")
        }
    }

    /// Who holds a device that was found busy, for the end of a sentence; empty for every other error.
    func holders(of error: KernelError) async -> String {
        guard error.isBusy else { return "" }
        return await pool.run { DeviceHolders().words(for: error) }.map { ": \($0); end that first" } ?? ""
    }

    static func code(of error: KernelError) -> VolumeError.Code {
        switch error.errno {
        case .resourceBusy, .readOnlyFileSystem: .failedPrecondition
        case .noSpace, .diskQuotaExceeded, .noMemory: .resourceExhausted
        case .timedOut: .unavailable
        default: .internal
        }
    }

    /// Runs a mapper's call on the pool.
    func mapping<R: Sendable>(
        _ body: @escaping @Sendable (@escaping MappingObserver) throws(MappingError) -> R
    ) async throws(VolumeError) -> R {
        // Task-local values are not visible on the pool's threads.
        let progress = OperationProgress.current
        do throws(MappingError) {
            return try await pool.run { () throws(MappingError) in
                try body { step, subject in progress?.enter(NodeStep(step), subject) }
            }
        } catch {
            throw VolumeError(error)
        }
    }

    func address(of id: VolumeID) -> ImageAddress {
        ImageAddress(clusterID: id.clusterID, pool: id.pool, namespace: id.namespace, name: id.image)
    }

    func canonical(_ path: String, _ name: String) async throws(VolumeError) -> String {
        guard path.startsExactly(with: "/"), !path.utf8.contains(0) else {
            throw .invalid("\(name) '\(path.printable)' is not an absolute path")
        }
        do throws(KernelError) {
            return try await pool.run { () throws(KernelError) in try KernelFile.canonical(path) }
        } catch {
            throw VolumeError(.invalidArgument, "\(name) cannot be used: \(error)")
        }
    }

    func record(of volumeID: String) async throws(VolumeError) -> VolumeRecord? {
        let records = records
        return try await kernel("read the record of volume '\(volumeID.printable)'") { () throws(KernelError) in
            try records.record(of: volumeID)
        }
    }

    func save(_ record: VolumeRecord) async throws(VolumeError) {
        let records = records
        try await kernel("write the record of volume '\(record.volumeID)'") { () throws(KernelError) in
            try records.save(record)
        }
    }

    func mountTable() async throws(VolumeError) -> MountTable {
        try await kernel("read the mounts") { () throws(KernelError) in try MountTable.current() }
    }
}

extension VolumeError {
    init(_ error: MappingError) {
        let code: Code =
            switch error.kind {
            case .notFound: .notFound
            case .inUse, .fenced, .replaced: .failedPrecondition
            case .denied: .permissionDenied
            case .unavailable: .unavailable
            case .invalid: .invalidArgument
            case .unsupported: .failedPrecondition
            case .host, .other: .internal
            }
        self.init(code, error.message)
    }
}
