internal import Blocking
internal import RADOS
internal import RBD
internal import Secrets
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
    let ids = ImageIDs()
    let lingering: LingeringWatches
    let objectCalls: ObjectCalls
    /// Questions of our own, so that all who ask at once share one.
    let looks = Operations()

    /// Makes a store.
    ///
    /// - Parameters:
    ///   - configuration: Where the clusters are.
    ///   - connections: The connections to them.
    ///   - service: The user for calls that come without credentials.
    ///   - purger: Told of every image that goes to the trash.
    ///   - objectCalls: Where images are made and moved without librbd.
    ///   - watchPatience: How long a watch is in a deletion's way before Ceph is asked whether its client lives; a dead
    ///     client's lasts 30 s anyway.
    public init(
        configuration: ClusterConfiguration,
        connections: ClusterConnections,
        service: ServiceCredentials,
        purger: TrashPurger,
        objectCalls: ObjectCalls = .onTestedReleases,
        watchPatience: Duration = .seconds(30)
    ) {
        self.configuration = configuration
        self.connections = connections
        self.service = service
        self.purger = purger
        self.objectCalls = objectCalls
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
        let link = try await connections.link(to: id.clusterID, as: user)
        do throws(RADOSError) {
            let context = try await link.context(pool: id.pool, namespace: id.namespace)
            return Place(id: id, link: link, context: context, credentials: user, looks: looks)
        } catch {
            throw ErrorMapping.openingPool(id.pool, of: id.clusterID, error)
        }
    }
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
