internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
public import Volumes

extension PoolAccess {
    /// The pools of all clusters that answer, in the order of their names, without Ceph's own.
    ///
    /// - Throws: `VolumeError` where there is no service user, or the first cluster's if none answers.
    public func poolNames() async throws(VolumeError) -> [String] {
        _ = try service.read()
        let answers = await asking(configuration.clusters) { (cluster) throws(VolumeError) in
            try await self.pools(of: cluster.clusterID)
        }
        let found = answers.compactMap { try? $0.get() }
        if found.isEmpty, let first = answers.first { return try first.get() }
        return Set(found.joined().map(ExactText.init)).sorted().map(\.text)
    }

    /// The pools of a cluster, in the order of their names, without Ceph's own.
    func pools(of clusterID: String, as credentials: Credentials? = nil) async throws(VolumeError) -> [String] {
        let user = if let credentials { credentials } else { try service.read() }
        let names = try await soon(clusterID) { () async throws(VolumeError) in
            try await self.poolNames(of: clusterID, as: user)
        }
        if credentials == nil { forgetRefusals(ofCluster: clusterID, except: names) }
        return names
    }

    private func poolNames(of clusterID: String, as user: Credentials) async throws(VolumeError) -> [String] {
        let link = try await connections.link(to: clusterID, as: user)
        do throws(RADOSError) {
            return try await link.asking { (cluster) throws(RADOSError) in try cluster.poolNames() }
                .filter { !$0.startsExactly(with: ".") }.sortedExactly()
        } catch {
            throw link.failing("cannot list the pools of cluster '\(clusterID)'", asking: error)
        }
    }

    /// Throws `.invalidArgument` if no cluster has such a pool, and none of them is silent.
    public func requirePool(_ pool: String) async throws(VolumeError) {
        let answers = await asking(configuration.clusters) { (cluster) throws(VolumeError) in
            try await self.pools(of: cluster.clusterID)
        }
        let found = answers.compactMap { try? $0.get() }
        if found.count == answers.count { try Self.require(pool, among: found.flatMap(\.self)) }
    }

    static func require(_ pool: String, among pools: [String]) throws(VolumeError) {
        guard !pools.containsExactly(pool) else { return }
        throw ErrorMapping.noPool(pool, among: pools)
    }

    /// Asks clusters at once: those that do not answer delay the others together by one time limit, in every call.
    func asking<R: Sendable>(
        _ clusters: [ClusterEntry],
        _ body: @escaping @Sendable (ClusterEntry) async throws(VolumeError) -> R
    ) async -> [Result<R, VolumeError>] {
        await atOnce(clusters, body)
    }
}
