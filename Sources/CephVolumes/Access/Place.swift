internal import Blocking
internal import RADOS
internal import RBD
internal import Secrets
internal import Volumes

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

    /// The id of the image that has the name now.
    func imageID() async throws(VolumeError) -> String? {
        try await trying("look up image") { () async throws(RBDError) in
            try await context.imageID(named: id.image)
        }
    }
}

extension VolumeID {
    /// A handle that stands for a pool alone; `nil` if none can name the pool.
    init?(anyIn pool: String, of cluster: ClusterEntry) {
        do throws(VolumeError) {
            try self.init(
                clusterID: cluster.clusterID,
                pool: pool,
                namespace: cluster.radosNamespace,
                image: "list"
            )
        } catch {
            return nil
        }
    }

    /// Another image of the same pool.
    func sibling(_ image: String) throws(VolumeError) -> VolumeID {
        try VolumeID(clusterID: clusterID, pool: pool, namespace: namespace, image: image)
    }
}
