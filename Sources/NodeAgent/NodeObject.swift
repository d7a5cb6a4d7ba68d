internal import ImageOwnership
import KubernetesAPI
import LinuxKernel
import Logging
import NodeMapping
import ServiceLifecycle
import Synchronization

/// The Node object that this node is, whose uid tells it from a copy of it.
final class NodeObject: Service {
    private let client: KubernetesClient
    private let name: String
    private let stateDirectory: String
    private let logger: Logger
    private let isNoted = Mutex(false)

    /// An API server that is away must not keep volumes from pods: what was noted before stands.
    private static let limit = Duration.seconds(10)
    private static let interval = Duration.seconds(30)

    init(client: KubernetesClient, name: String, stateDirectory: String, logger: Logger) {
        (self.client, self.name, self.stateDirectory, self.logger) = (client, name, stateDirectory, logger)
    }

    /// Notes its uid in the state directory, before anything is mapped.
    func note() async {
        guard let failure = await note(mayDraw: true) else { return }
        logger.warning(
            "cannot see yet which Node object this node is; until then a copy of it is known by its machine alone",
            metadata: ["k8s.node": "\(name)", "reason": "\(failure)"]
        )
    }

    /// Notes it later, where the API server was away: then something may be mapped, and the number stays.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled, !self.isNoted.withLock(\.self) {
                try? await Task.sleep(for: Self.interval)
                guard !Task.isCancelled else { return }
                _ = await self.note(mayDraw: false)
            }
        }
        // A service that returns ends its group.
        try? await gracefulShutdown()
    }

    /// Returns why it is not noted.
    private func note(mayDraw: Bool) async -> String? {
        var call = APICall.get(APIPath.node(name))
        call.timeout = Self.limit
        do {
            guard let metadata = ObjectMeta(try await client.call(call)) else { return "it has no metadata" }
            let isNew = try NodeIdentity.note(
                uid: metadata.uid,
                name: name,
                stateDirectory: stateDirectory,
                mayDraw: mayDraw
            )
            isNoted.withLock { $0 = true }
            guard isNew else { return nil }
            logger.warning(
                "the state directory is another node's, or of an earlier Node object: this node goes by a new number",
                metadata: ["k8s.node": "\(name)", "k8s.node.uid": "\(metadata.uid)"]
            )
            return nil
        } catch {
            return "\(error)"
        }
    }
}
