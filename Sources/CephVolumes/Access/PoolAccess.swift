internal import Secrets
internal import Synchronization
internal import Volumes

/// The pools of all clusters, opened as a user: for one image, or for a look through many.
public final class PoolAccess: Sendable {
    let configuration: ClusterConfiguration
    let connections: ClusterConnections
    let service: ServiceCredentials
    /// Internal requests, so that simultaneous callers share one.
    let looks = Operations()

    /// The pools that the service's user was not let look into last.
    let refusals = Mutex<[PoolAddress: RefusedPool]>([:])

    /// The last user for each pool, as whom the pool's trash can be read.
    private let callers = Mutex<[PoolAddress: PoolUser]>([:])

    init(configuration: ClusterConfiguration, connections: ClusterConnections, service: ServiceCredentials) {
        self.configuration = configuration
        self.connections = connections
        self.service = service
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
