public import Blocking
internal import RADOS
internal import RBD
internal import SystemPackage
internal import Volumes

/// A connection and the threads to use it on.
public struct ClusterLink: Sendable {
    /// The cluster's key in config.json.
    public let clusterID: String
    let connection: Cluster
    /// The threads for calls that block on this cluster.
    public let threads: BlockingPool
    /// Makes the next call connect anew.
    let drop: @Sendable (Cluster) -> Void

    /// What a failure of a call through this connection means.
    ///
    /// When Ceph has blocklisted our client, the connection will never work again, and nothing that was acknowledged is
    /// lost with it: images that are written to are served by processes with connections of their own. So the next call
    /// gets another, of which Ceph has never heard.
    func failing(_ doing: String, _ error: RBDError) -> VolumeError {
        let failure = ErrorMapping.failing(doing, error)
        guard error.code == .socketShutdown else { return failure }
        drop(connection)
        return failure.mended()
    }

    /// Opens a pool at a namespace: at once if our map has it, else on a thread, for it is looked for in a fresh map.
    ///
    /// Opened for every call: a pool that was removed must be named as missing, and one made anew has another number.
    func context(pool: String, namespace: String) async throws(RADOSError) -> IOContext {
        if connection.knows(pool: pool) {
            return try connection.ioContext(pool: pool, namespace: namespace, failsWhenFull: true)
        }
        let connection = connection
        return try await threads.run { () throws(RADOSError) in
            try connection.ioContext(pool: pool, namespace: namespace, failsWhenFull: true)
        }
    }
}
