internal import Blocking
internal import FoundationEssentials
internal import RADOS
internal import RBD
public import Secrets
public import Volumes

/// How clusters, pools and images are: what there is room for, what is wrong, why nothing answers.
public struct StoreHealth: Sendable {
    let access: PoolAccess

    /// Why I/O to a volume's image is not answered, in words; `nil` if no reason is known.
    ///
    /// Answers within seconds.
    public func standstill(of id: VolumeID, as credentials: Credentials?) async -> String? {
        await access.answer(ofCluster: id.clusterID, as: credentials).standstill(ofPools: [id.pool])
    }

    /// Which clusters' monitors do not answer the service's own user.
    ///
    /// Answers within seconds.
    public func clustersSilence() async -> String? {
        let answers = await access.atOnce(access.configuration.clusters) { (cluster) throws(VolumeError) -> String? in
            let answer = await self.access.answer(ofCluster: cluster.clusterID, as: nil)
            return if case .silence(let words) = answer { words } else { nil }
        }
        let silent = answers.compactMap { try? $0.get() }
        return silent.isEmpty ? nil : silent.joined(separator: "; ")
    }

    /// Which cluster's monitors a connection waits for, and what to do; `nil` if none does.
    public var silence: String? {
        access.connections.awaitedClusters.first.map { ErrorMapping.silence(ofCluster: $0.clusterID, at: $0.monitors) }
    }

    /// Asks a cluster's monitors for its status; a timeout at `deadline` counts as a result.
    ///
    /// Similar to: ceph status.
    public func clusterHealth(
        of clusterID: String,
        operations: Operations,
        deadline: ContinuousClock.Instant
    ) async -> ClusterHealth {
        guard access.service.isGiven else { return ClusterHealth() }
        do throws(VolumeError) {
            // Simultaneous callers share one request, so a monitor that hangs blocks one thread and not many.
            return try await operations.run(
                "ask the monitors of cluster '\(clusterID)'",
                on: "health \(clusterID)",
                fingerprint: "health",
                deadline: deadline
            ) { () async throws(VolumeError) in
                try await self.askHealth(ofCluster: clusterID)
            }
        } catch {
            return ClusterHealth(monitors: error)
        }
    }

    private func askHealth(ofCluster clusterID: String) async throws(VolumeError) -> ClusterHealth {
        let link = try await access.connections.link(to: clusterID, as: try access.service.read())
        let answer: [UInt8]
        do throws(RADOSError) {
            answer = try await link.asking { (cluster) throws(RADOSError) in
                try cluster.monitorCommand(#"{"prefix":"status","format":"json"}"#)
            }
        } catch {
            throw link.failing("cannot read the status of cluster '\(clusterID)'", asking: error)
        }
        guard let status = try? JSONDecoder().decode(ClusterHealth.Status.self, from: Data(answer)) else {
            throw VolumeError(.internal, "cannot read the status of cluster '\(clusterID)': it has another form")
        }
        return ClusterHealth(status)
    }
}
