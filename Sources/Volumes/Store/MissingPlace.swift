internal import ExactText

/// A cluster, or one of its pools, that a list goes on without, because it could not be listed.
package struct MissingPlace: Sendable, Hashable {
    /// The cluster's key in config.json.
    package let clusterID: String
    /// The pool; `nil` where the whole cluster is missing.
    package let pool: String?

    /// Names a cluster, or a pool.
    package init(clusterID: String, pool: String? = nil) {
        self.clusterID = clusterID
        self.pool = pool
    }

    /// Reads what `key` gave.
    package init(key: String) {
        let parts = key.parts(at: "@", most: 1)
        self.init(clusterID: parts[0], pool: parts.count > 1 ? parts[1] : nil)
    }

    /// `clusterID`, or `clusterID@pool`: config.json can name no cluster with an `@`.
    package var key: String { [clusterID, pool].compactMap(\.self).joined(separator: "@") }

    /// `cluster 'a'`, or `pool 'rbd' of cluster 'a'`.
    package var words: String {
        let cluster = "cluster '\(clusterID.printable)'"
        return pool.map { "pool '\($0.printable)' of \(cluster)" } ?? cluster
    }

    /// Whether what lies in a pool of that name may be missing with it.
    ///
    /// - Parameters:
    ///   - pool: The pool; any of them without.
    ///   - clusterID: Its cluster; any of them without.
    /// - Returns: Whether it may.
    package func holds(pool: String?, ofCluster clusterID: String?) -> Bool {
        guard clusterID?.isExactly(self.clusterID) ?? true else { return false }
        guard let own = self.pool else { return true }
        return pool?.isExactly(own) ?? true
    }
}
