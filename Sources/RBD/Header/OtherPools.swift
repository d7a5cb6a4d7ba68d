internal import Blocking
internal import RADOS

/// Other pools of the cluster, for calls that run in a task.
///
/// librados asks the monitors for the latest OSD map where its own does not have the pool, and blocks the calling thread
/// until they answer. That is rare, so the thread is made for it.
extension Cluster {
    /// Opens a pool: at once if this client's OSD map has it, else on a thread.
    ///
    /// - Parameters:
    ///   - pool: The pool's name.
    ///   - namespace: Empty for the default namespace.
    /// - Returns: The context.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such pool.
    func openPool(_ pool: String, namespace: String) async throws(RADOSError) -> IOContext {
        if knows(pool: pool) { return try ioContext(pool: pool, namespace: namespace) }
        return try await BlockingPool(threads: 1).run { () throws(RADOSError) in
            try self.ioContext(pool: pool, namespace: namespace)
        }
    }

    /// The name of a pool by its number, on a thread.
    ///
    /// - Parameter id: The pool's number.
    /// - Returns: Its name.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such pool.
    func nameOfPool(_ id: Int64) async throws(RADOSError) -> String {
        try await BlockingPool(threads: 1).run { () throws(RADOSError) in try self.poolName(id: id) }
    }
}

extension IOContext {
    /// Another pool; `nil` if there is none of that name by now.
    func context(inPool pool: String, _ namespace: String) async throws(RBDError) -> IOContext? {
        do throws(RADOSError) {
            return try await cluster.openPool(pool, namespace: namespace)
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }
}
