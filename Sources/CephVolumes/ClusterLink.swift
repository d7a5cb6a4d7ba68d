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
    /// The threads for questions to its monitors, which must be answered also while all others wait for an OSD.
    let monitorThreads: BlockingPool
    /// Threads for calls that may have to wait for another client of the cluster.
    let waitingThreads: BlockingPool
    /// Makes the next call connect anew.
    let drop: @Sendable (Cluster) -> Void

    /// What a failure of a call through this connection means.
    ///
    /// When Ceph has blocklisted our client, the connection will never work again, and nothing that was acknowledged is
    /// lost with it: images that are written to are served by processes with connections of their own. So the next call
    /// gets another, of which Ceph has never heard.
    func failing(_ doing: String, _ error: RBDError) -> VolumeError {
        guard error.code == .socketShutdown else { return ErrorMapping.failing(doing, error) }
        let address = (try? connection.addresses()).map { " as \($0)" } ?? ""
        drop(connection)
        return ErrorMapping.failing("\(doing)\(address)", error).mended()
    }

    /// Runs a question to the monitors.
    func asking<R: Sendable>(
        _ body: @escaping @Sendable (Cluster) throws(RADOSError) -> R
    ) async throws(RADOSError) -> R {
        let connection = connection
        return try await monitorThreads.run { () throws(RADOSError) in try body(connection) }
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
