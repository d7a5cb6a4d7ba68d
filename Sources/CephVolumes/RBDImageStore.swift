internal import Blocking
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
public import Volumes

/// Images on Ceph: the words of `ImageStore` in librados' and librbd's terms.
///
/// What only reads goes through class calls on the image's objects, without opening it and without a thread;
/// what librbd does in one blocking call runs on the cluster's threads.
public final class RBDImageStore: ImageStore {
    let configuration: ClusterConfiguration
    let connections: ClusterConnections
    let service: ServiceCredentials
    let purger: TrashPurger
    /// For how long a deleted image stays in the trash, unless it says otherwise itself.
    let retention: Duration
    let ids = ImageIDs()
    let lingering: LingeringWatches
    let objectCalls: ObjectCalls
    /// Questions of our own, so that all who ask at once share one.
    let looks = Operations()

    /// Who came last with a Secret for a pool, so that its trash can be looked into.
    private let callers = Mutex<[PoolAddress: PoolUser]>([:])

    /// Makes a store.
    ///
    /// - Parameters:
    ///   - configuration: Where the clusters are.
    ///   - connections: The connections to them.
    ///   - service: The user for calls that come without credentials.
    ///   - purger: Told of every image that goes to the trash.
    ///   - objectCalls: Where images are made and moved without librbd.
    ///   - retention: For how long a deleted image stays in the trash, unless its class said otherwise.
    ///   - watchPatience: How long a watch is in a deletion's way before Ceph is asked whether its client lives; a dead
    ///     client's lasts 30 s anyway.
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

    /// An image's pool, opened as a user, or as the service's own.
    func place(
        of id: VolumeID,
        as credentials: Credentials?
    ) async throws(VolumeError) -> Place {
        let user: Credentials
        if let credentials { user = credentials } else { user = try service.read() }
        return try await Place(id, try await connections.link(to: id.clusterID, as: user), user, looks)
    }

    /// Remembers who made or deleted a volume in a pool: who may do that may empty its trash.
    func note(_ place: Place) {
        let pool = PoolAddress(clusterID: place.id.clusterID, pool: place.id.pool)
        let user = PoolUser(clusterID: place.id.clusterID, pool: place.id.pool, credentials: place.credentials)
        callers.withLock { $0[pool] = user }
    }

    /// Those who made or deleted volumes, one for each pool.
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
        creating layout: ImageLayout? = nil,
        _ body: @escaping @Sendable (IOContext) throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        let context = context
        return try await trying(doing, creating: layout) { () async throws(RBDError) in
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
