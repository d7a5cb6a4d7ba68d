internal import Blocking
internal import ExactText
internal import FoundationEssentials
internal import RADOS
internal import RBD
public import Secrets
public import Volumes

extension StoreHealth {
    /// The free capacity for volumes: what the pool can still store according to the monitors, within its quota.
    ///
    /// Similar to: ceph df.
    public func availableBytes(in pool: PoolAddress?, as credentials: Credentials?) async throws(VolumeError) -> UInt64
    {
        guard let pool else {
            let answers = await access.asking(access.configuration.clusters) { (cluster) throws(VolumeError) in
                try await self.access.soon(cluster.clusterID) { () async throws(VolumeError) in
                    try await self.usage(of: cluster.clusterID, as: credentials).pools.map(\.available).max() ?? 0
                }
            }
            if let roomiest = answers.compactMap({ try? $0.get() }).max() { return roomiest }
            do throws(VolumeError) {
                return try answers.first?.get() ?? 0
            } catch {
                throw error.code == .invalidArgument ? VolumeError(.unavailable, error.message) : error
            }
        }
        let usage = try await usage(of: pool.clusterID, as: credentials)
        guard let found = usage.pools.first(where: { $0.name.isExactly(pool.pool) }) else {
            throw usage.lack(of: pool)
        }
        return found.available
    }

    /// Bytes that a pool can hold in all, within its quota.
    public func poolBytes(_ pool: PoolAddress, as credentials: Credentials?) async throws(VolumeError) -> UInt64 {
        let usage = try await usage(of: pool.clusterID, as: credentials)
        guard let found = usage.pools.first(where: { $0.name.isExactly(pool.pool) }) else {
            throw usage.lack(of: pool)
        }
        return found.capacity
    }

    /// Why a pool takes no more data; `nil` if it does, or if the monitors do not say.
    public func lackOfRoom(in pool: PoolAddress, as credentials: Credentials?) async -> String? {
        let state = await access.answer(ofCluster: pool.clusterID, as: credentials).state
        if let lack = state?.pool(pool.pool)?.lackOfRoom { return lack }
        guard (try? await availableBytes(in: pool, as: credentials)) == 0 else { return nil }
        // Of a pool that nothing was written to yet, only this says it.
        let cause = state?.checks.first { $0.code == "OSD_FULL" }?.standstill
        let reason =
            cause
            ?? "Ceph says that it can store 0 bytes more; add OSDs, delete data or raise its quota, see 'ceph df detail'"
        return "pool '\(pool.pool)' has no room: \(reason)"
    }

    private struct Usage: Decodable {
        struct Pool: Decodable {
            struct Stats: Decodable {
                var stored: UInt64?
                var max_avail: UInt64
                var quota_bytes: UInt64?
            }
            var name: String
            var stats: Stats

            var capacity: UInt64 {
                let all = (stats.stored ?? 0).addingReportingOverflow(stats.max_avail)
                let bytes = all.overflow ? UInt64.max : all.partialValue
                guard let quota = stats.quota_bytes, quota > 0 else { return bytes }
                return min(bytes, quota)
            }

            var available: UInt64 {
                guard let quota = stats.quota_bytes, quota > 0 else { return stats.max_avail }
                let stored = stats.stored ?? 0
                return min(stats.max_avail, quota > stored ? quota - stored : 0)
            }
        }
        var pools: [Pool]

        func lack(of pool: PoolAddress) -> VolumeError {
            ErrorMapping.noPool(pool.pool, in: pool.clusterID, among: pools.map(\.name))
        }
    }

    private func usage(of clusterID: String, as credentials: Credentials?) async throws(VolumeError) -> Usage {
        let user = if let credentials { credentials } else { try access.service.read() }
        let link = try await access.connections.link(to: clusterID, as: user)
        let answer: [UInt8]
        do throws(RADOSError) {
            answer = try await link.asking { (cluster) throws(RADOSError) in
                try cluster.monitorCommand(#"{"prefix":"df","detail":"detail","format":"json"}"#)
            }
        } catch {
            throw link.failing("cannot read the capacity of cluster '\(clusterID)'", asking: error)
        }
        guard let usage = try? JSONDecoder().decode(Usage.self, from: Data(answer)) else {
            throw VolumeError(
                .internal,
                "cannot read the capacity of cluster '\(clusterID)': its 'df' has another form"
            )
        }
        return usage
    }
}
