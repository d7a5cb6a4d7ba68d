internal import ExactText
public import Secrets
internal import Synchronization
public import Volumes

/// Images on Ceph: implements `ImageStore` with librados and librbd.
///
/// Reads are class calls on the image's objects, which neither open the image nor block a thread. Blocking librbd calls
/// run on the cluster's threads.
public final class RBDImageStore: ImageStore {
    /// The pools that the images are in.
    public let access: PoolAccess
    /// What becomes of deleted images.
    public let trash: ImageTrash
    /// Who has the images.
    public let holders: ImageHolders
    /// How clusters, pools and images are.
    public let health: StoreHealth
    let ids: ImageIDs
    let plainPools = PlainPools()
    let halfMade: HalfMadeImages
    let objectCalls: ObjectCalls

    /// Why clusters and pools could not be listed last.
    let absences = Mutex<[ExactText: VolumeError]>([:])

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
    ///   - longestLook: How long a call waits for a look at all objects of pools, for data of an image without a header.
    ///   - flattener: Who flattens clones that lie below too many others; without, another process does.
    public init(
        configuration: ClusterConfiguration,
        connections: ClusterConnections,
        service: ServiceCredentials,
        purger: TrashPurger,
        objectCalls: ObjectCalls = .onTestedReleases,
        retention: Duration = .zero,
        watchPatience: Duration = .seconds(30),
        longestLook: Duration = .seconds(25),
        flattener: CloneFlattener? = nil
    ) {
        let access = PoolAccess(configuration: configuration, connections: connections, service: service)
        let ids = ImageIDs()
        let halfMade = HalfMadeImages(access: access, ids: ids, longestLook: longestLook, retention: retention)
        trash = ImageTrash(
            access: access,
            ids: ids,
            halfMade: halfMade,
            purger: purger,
            objectCalls: objectCalls,
            retention: retention,
            lingering: LingeringWatches(patience: watchPatience),
            flattener: flattener
        )
        holders = ImageHolders(access: access)
        health = StoreHealth(access: access)
        self.access = access
        self.ids = ids
        self.halfMade = halfMade
        self.objectCalls = objectCalls
    }

    /// The RADOS namespace that config.json gives a cluster.
    public func namespace(ofCluster clusterID: String) throws(VolumeError) -> String {
        try access.configuration.cluster(clusterID).radosNamespace
    }

    /// Completes or removes a half-made image.
    public func mendImage(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) {
        try await halfMade.mend(id, credentials: credentials, isDeletion: false)
    }

    /// Moves an image of ours to the trash.
    public func trashImage(
        _ id: VolumeID,
        noting notes: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) {
        try await trash.trashImage(id, noting: notes, credentials: credentials)
    }

    /// The free capacity for volumes.
    public func availableBytes(in pool: PoolAddress?, as credentials: Credentials?) async throws(VolumeError) -> UInt64
    {
        try await health.availableBytes(in: pool, as: credentials)
    }

    /// Bytes that a pool can hold in all, within its quota.
    public func poolBytes(_ pool: PoolAddress, as credentials: Credentials?) async throws(VolumeError) -> UInt64 {
        try await health.poolBytes(pool, as: credentials)
    }

    /// Why a pool takes no more data.
    public func lackOfRoom(in pool: PoolAddress, as credentials: Credentials?) async -> String? {
        await health.lackOfRoom(in: pool, as: credentials)
    }

    /// An image's condition.
    public func condition(of id: VolumeID) async throws(VolumeError) -> VolumeCondition {
        try await health.condition(of: id)
    }

    /// Which clusters' monitors do not answer the service's own user.
    public func clustersSilence() async -> String? { await health.clustersSilence() }

    /// Why I/O to a volume's image is not answered.
    public func standstill(of id: VolumeID, as credentials: Credentials?) async -> String? {
        await health.standstill(of: id, as: credentials)
    }
}
