public import Blocking
internal import RADOS
internal import RBD
internal import SystemPackage
internal import Volumes

/// A connection and the threads to use it on.
public struct ClusterLink: Sendable {
    /// The cluster's key in config.json.
    public let clusterID: String
    /// Its monitors' addresses, as config.json has them.
    let monitors: [String]
    let connection: Cluster
    /// The threads for calls that block on this cluster.
    public let threads: BlockingPool
    /// The threads for calls to its monitors, which must be possible while all other threads wait for an OSD.
    let monitorThreads: BlockingPool
    /// Threads for calls that may have to wait for another client of the cluster.
    let waitingThreads: BlockingPool
    /// Makes the next call connect anew.
    let drop: @Sendable (Cluster) -> Void

    /// Converts the failure of a call on this connection.
    ///
    /// A connection whose client Ceph has blocklisted never works again. It has no acknowledged writes, because images
    /// are written by other processes with their own connections. So the next call gets a new connection with a new
    /// address.
    func failing(_ doing: String, _ error: RBDError) -> VolumeError {
        guard error.code == .socketShutdown else { return ErrorMapping.failing(doing, error) }
        let address = (try? connection.addresses()).map { " as \($0)" } ?? ""
        drop(connection)
        return ErrorMapping.failing("\(doing)\(address)", error).mended()
    }

    /// Converts the failure of a question to the monitors; `doing` is such as `cannot read the status of cluster 'c'`.
    func failing(_ doing: String, asking error: RADOSError) -> VolumeError {
        guard error.code == .timedOut else { return ErrorMapping.failing(doing, RBDError(error)) }
        let silence = ErrorMapping.silence(ofCluster: clusterID, at: monitors)
        return VolumeError(.unavailable, "\(doing): \(silence) (\(error.call): \(error.code.name))")
    }

    /// Runs a question to the monitors.
    func asking<R: Sendable>(
        _ body: @escaping @Sendable (Cluster) throws(RADOSError) -> R
    ) async throws(RADOSError) -> R {
        let connection = connection
        return try await monitorThreads.run { () throws(RADOSError) in try body(connection) }
    }

    /// Opens a pool with a namespace: at once if this client's OSD map has the pool, else on a thread, after it has
    /// fetched the latest map.
    ///
    /// It is opened for every call: a removed pool must be reported as missing, and a pool that was created again has
    /// another id.
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
