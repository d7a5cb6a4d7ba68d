internal import Blocking
package import CephVolumes
internal import ImageMapping
package import ImageOwnership
package import Logging
internal import Provisioner
internal import ServiceLifecycle
internal import Synchronization
internal import Volumes

/// Regains, after a restart, the locks that the service before has taken for the kernel's rbd, and gives back those that
/// could not be given back when their images were unmapped.
package final class HeldLocks: Service {
    private let owner: ImageOwnership
    private let configuration: ClusterConfiguration
    private let secrets: NotedSecrets
    private let logger: Logger

    /// An API server or a cluster that is away is asked again.
    private static let interval = Duration.seconds(10)
    private let pool = BlockingPool(threads: 1)
    /// What was said last of each cluster.
    private let said = Mutex<[String: String]>([:])

    package init(owner: ImageOwnership, configuration: ClusterConfiguration, secrets: NotedSecrets, logger: Logger) {
        self.owner = owner
        self.configuration = configuration
        self.secrets = secrets
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let left = await self.pool.run { self.owner.clustersToRegain }
                for cluster in left { await self.regain(cluster) }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func regain(_ clusterID: String) async {
        guard let monitors = try? configuration.cluster(clusterID).monitors else { return }
        var reason = "no Secret is known that leads to it"
        for reference in secrets.references {
            do {
                let user = try await secrets.credentials(reference)
                let owner = owner
                try await pool.run { () throws(MappingError) in
                    try owner.regain(clusterID: clusterID, monitors: monitors, as: user)
                }
                return said.withLock { $0[clusterID] = nil }
            } catch {
                reason = "\(error)"
            }
        }
        let isNew = said.withLock { $0.updateValue(reason, forKey: clusterID) != reason }
        guard isNew else { return }
        logger.notice(
            "cannot regain the locks of an earlier service yet",
            metadata: ["ceph.cluster": "\(clusterID)", "reason": "\(reason)"]
        )
    }
}
