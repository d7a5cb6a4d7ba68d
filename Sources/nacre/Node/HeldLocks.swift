import Blocking
import CephVolumes
internal import ImageMapping
internal import ImageOwnership
import JSON
import KubernetesAPI
import LinuxKernel
import Logging
import NodeMapping
import Provisioner
import Secrets
import ServiceLifecycle
import Synchronization
import Volumes

/// Regains, after a restart, the locks that the service before has taken for the kernel's rbd, and gives back those that
/// could not be given back when their images were unmapped.
final class HeldLocks: Service {
    let owner: ImageOwnership
    let configuration: ClusterConfiguration
    let secrets: NotedSecrets
    let logger: Logger

    /// An API server or a cluster that is away is asked again.
    private static let interval = Duration.seconds(10)
    private let pool = BlockingPool(threads: 1)
    /// What was said last of each cluster.
    private let said = Mutex<[String: String]>([:])

    init(owner: ImageOwnership, configuration: ClusterConfiguration, secrets: NotedSecrets, logger: Logger) {
        self.owner = owner
        self.configuration = configuration
        self.secrets = secrets
        self.logger = logger
    }

    func run() async throws {
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

/// Secrets, and which of them this node has used: their names alone, for the service that comes after.
final class NotedSecrets: NodeSecrets {
    private let secrets: any NodeSecrets
    private let path: String
    private let known: Mutex<[SecretReference?]>

    init(_ secrets: any NodeSecrets, stateDirectory: String) {
        self.secrets = secrets
        path = "\(stateDirectory)/secret-names.json"
        let text = (try? KernelFile.bytes(path)) ?? []
        let names = (try? JSONValue(parsing: text))?.elements ?? []
        let used = names.compactMap { entry -> SecretReference? in
            guard let name = entry["name"]?.string, let namespace = entry["namespace"]?.string else { return nil }
            return SecretReference(name: name, namespace: namespace)
        }
        // The node's own user first.
        known = Mutex([nil] + used.map(Optional.some))
    }

    /// Those that were used, now or by an earlier service; nothing stands for the node's own user.
    var references: [SecretReference?] { known.withLock(\.self) }

    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        let found = try await secrets.credentials(reference)
        note(reference)
        return found
    }

    private func note(_ reference: SecretReference?) {
        known.withLock { known in
            guard !known.contains(reference) else { return }
            known.append(reference)
            let names = known.compactMap(\.self).map { name -> JSONValue in
                ["name": .string(name.name), "namespace": .string(name.namespace)]
            }
            // Without it a lock is given back later, by a call.
            try? KernelFile.makeDirectories(String(path.dropLast("/secret-names.json".count)))
            try? KernelFile.replace(path, with: Array(JSONValue.array(names).bytes))
        }
    }
}
