internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
public import Volumes

/// Images on Ceph: implements `ImageStore` with librados and librbd.
///
/// Reads are class calls on the image's objects, which neither open the image nor block a thread. Blocking librbd calls
/// run on the cluster's threads.
public final class RBDImageStore: ImageStore {
    let configuration: ClusterConfiguration
    let connections: ClusterConnections
    let service: ServiceCredentials
    let purger: TrashPurger
    /// How long a deleted image stays in the trash, unless its own metadata says otherwise.
    let retention: Duration
    let ids = ImageIDs()
    let lingering: LingeringWatches
    let objectCalls: ObjectCalls
    /// Internal requests, so that simultaneous callers share one.
    let looks = Operations()

    /// Why clusters and pools could not be listed last.
    let absences = Mutex<[ExactText: VolumeError]>([:])

    /// The pools that the service's user was not let look into last.
    let refusals = Mutex<[PoolAddress: RefusedPool]>([:])

    /// The last user for each pool, as whom the pool's trash can be read.
    private let callers = Mutex<[PoolAddress: PoolUser]>([:])

    /// Makes a store.
    ///
    /// - Parameters:
    ///   - configuration: Where the clusters are.
    ///   - connections: The connections to them.
    ///   - service: The user for calls that come without credentials.
    ///   - purger: Called for every image that is moved to the trash.
    ///   - objectCalls: Where images are created and moved without librbd.
    ///   - retention: How long a deleted image stays in the trash, unless its class says otherwise.
    ///   - watchPatience: How long a watch may prevent a deletion before Ceph is made to review it; the watch of a dead
    ///     client lasts 30 s anyway.
    public init(
        configuration: ClusterConfiguration,
        connections: ClusterConnections,
        service: ServiceCredentials,
        purger: TrashPurger,
        objectCalls: ObjectCalls = .onTestedReleases,
        retention: Duration = .zero,
        watchPatience: Duration = .seconds(30)
    ) {
        self.configuration = configuration
        self.connections = connections
        self.service = service
        self.purger = purger
        self.objectCalls = objectCalls
        self.retention = retention
        lingering = LingeringWatches(patience: watchPatience)
    }

    /// The RADOS namespace that config.json gives a cluster.
    public func namespace(ofCluster clusterID: String) throws(VolumeError) -> String {
        try configuration.cluster(clusterID).radosNamespace
    }

    /// An image's pool, opened as a user, or as the service's own user.
    func place(
        of id: VolumeID,
        as credentials: Credentials?
    ) async throws(VolumeError) -> Place {
        let user: Credentials
        if let credentials { user = credentials } else { user = try service.read() }
        return try await Place(id, try await connections.link(to: id.clusterID, as: user), user, looks)
    }

    /// Records who created or deleted a volume in a pool: that user may also empty the pool's trash.
    func note(_ place: Place) {
        let pool = PoolAddress(clusterID: place.id.clusterID, pool: place.id.pool)
        let user = PoolUser(clusterID: place.id.clusterID, pool: place.id.pool, credentials: place.credentials)
        callers.withLock { $0[pool] = user }
    }

    /// The users that created or deleted volumes, one for each pool.
    public var callingUsers: [PoolUser] { callers.withLock { Array($0.values) } }
}

/// A pool that is open, for one image in it.
struct Place: Sendable {
    let id: VolumeID
    let link: ClusterLink
    let context: IOContext
    let credentials: Credentials
    let looks: Operations

    /// Runs a call that blocks on the cluster's threads; `doing` is such as `create image`.
    func blocking<R: Sendable>(
        _ doing: String,
        _ body: @escaping @Sendable (IOContext) throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        let context = context
        return try await trying(doing) { () async throws(RBDError) in
            try await link.threads.run { () throws(RBDError) in try body(context) }
        }
    }

    /// Runs calls that do not block.
    func trying<R: Sendable>(
        _ doing: String,
        creating layout: ImageLayout? = nil,
        _ body: () async throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        do throws(RBDError) {
            return try await body()
        } catch {
            throw await failure("cannot \(doing) '\(id.imageSpec)'", error, creating: layout)
        }
    }
}

extension Place {
    /// Opens the pool.
    init(
        _ id: VolumeID,
        _ link: ClusterLink,
        _ credentials: Credentials,
        _ looks: Operations
    ) async throws(VolumeError) {
        let context: IOContext
        do throws(RADOSError) {
            context = try await link.context(pool: id.pool, namespace: id.namespace)
        } catch {
            throw ErrorMapping.openingPool(id.pool, of: id.clusterID, error)
        }
        self.init(id: id, link: link, context: context, credentials: credentials, looks: looks)
    }

    /// The same pool, for another image.
    func sibling(_ image: String) throws(VolumeError) -> Place {
        Place(id: try id.sibling(image), link: link, context: context, credentials: credentials, looks: looks)
    }
}
