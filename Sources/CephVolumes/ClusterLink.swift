public import Blocking
internal import RADOS

/// A connection and the threads to use it on.
public struct ClusterLink: Sendable {
    /// The cluster's key in config.json.
    public let clusterID: String
    let connection: Cluster
    /// The threads for calls that block on this cluster.
    public let threads: BlockingPool

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
