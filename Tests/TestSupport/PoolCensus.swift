import CephVolumes
public import RADOS
import RBD

/// What a pool holds, counted from outside of the service: images, what is left of images, trash.
public struct PoolCensus: Sendable {
    private let context: IOContext

    /// Opens a pool as the cluster's administrator of images.
    public init(_ cluster: MicroCluster, pool: String, namespace: String = "") throws {
        let configuration = ClusterConfiguration(path: cluster.configurationPath)
        let connection = try Cluster.connect(
            monitors: configuration.clusters.first?.monitors ?? [],
            credentials: try cluster.provisioner
        )
        context = try connection.ioContext(pool: pool, namespace: namespace)
    }

    /// The pool itself.
    public var pool: IOContext { context }

    /// The release that each of the cluster's OSDs has at least: 16, 18, 20.
    public var requiredOSDRelease: Int? { context.cluster.requiredOSDRelease }

    /// The names in the pool's directory that start with `prefix`.
    public func images(prefix: String = "") async throws -> [String] {
        try await context.images(after: "", limit: 1024).map(\.name).filter { $0.hasPrefix(prefix) }
    }

    /// The names in the trash.
    public func trash() throws -> [String] {
        try context.trashEntries().map(\.name)
    }

    /// Whether the image named so is whole: listed, with an id, a header and an object map.
    public func isWhole(_ name: String) async throws -> Bool {
        guard try await context.directoryHolds(name), let id = try await context.imageID(named: name),
            let header = try await context.imageHeader(id: id)
        else { return false }
        guard header.features.contains(.objectMap) else { return true }
        return try await context.sizeBytes(of: ImageObject.objectMap(ofID: id)) != nil
    }

    /// Whether nothing at all is left of the name: no directory entry and no id.
    public func hasNoTrace(of name: String) async throws -> Bool {
        let isListed = try await context.directoryHolds(name)
        let id = try await context.imageID(named: name)
        return !isListed && id == nil
    }
}
