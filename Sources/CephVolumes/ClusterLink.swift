public import Blocking
internal import RADOS
internal import Synchronization

/// A connection and the threads to use it on.
public final class ClusterLink: Sendable {
    private struct Key: Hashable {
        var pool: String
        var namespace: String
    }

    private struct OpenPool {
        var context: IOContext
        var openedAt: ContinuousClock.Instant
    }

    /// The cluster's key in config.json.
    public let clusterID: String
    /// The threads for calls that block on this cluster.
    public let threads: BlockingPool
    let connection: Cluster

    private let pools = Mutex<[Key: OpenPool]>([:])

    /// How long an open pool is used again: a pool that was removed and made anew has another number, which only opening
    /// it afresh finds out.
    private static let lifetime = Duration.milliseconds(100)

    init(clusterID: String, connection: Cluster, threads: BlockingPool) {
        self.clusterID = clusterID
        self.connection = connection
        self.threads = threads
    }

    /// Opens a pool at a namespace, on a thread that may block: an unknown pool is looked for in a fresh map.
    ///
    /// A burst of calls shares one, so that it need not queue for a thread behind its own creates.
    func context(pool: String, namespace: String) async throws(RADOSError) -> IOContext {
        let key = Key(pool: pool, namespace: namespace)
        let known = pools.withLock { pools -> IOContext? in
            guard let open = pools[key], .now - open.openedAt < Self.lifetime else { return nil }
            return open.context
        }
        if let known { return known }
        let connection = connection
        let context = try await threads.run { () throws(RADOSError) in
            try connection.ioContext(pool: pool, namespace: namespace, failsWhenFull: true)
        }
        pools.withLock { pools in
            // What is too old holds nothing but memory.
            pools = pools.filter { .now - $0.value.openedAt < Self.lifetime }
            pools[key] = OpenPool(context: context, openedAt: .now)
        }
        return context
    }
}
