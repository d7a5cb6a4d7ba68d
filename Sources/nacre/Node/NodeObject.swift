internal import ImageOwnership
import KubernetesAPI
import LinuxKernel
import Logging
import NodeMapping

/// The Node object that this node is, whose uid tells it from a copy of it.
struct NodeObject {
    let client: KubernetesClient
    let name: String
    let logger: Logger

    /// An API server that is away must not keep volumes from pods: what was noted before stands.
    private static let limit = Duration.seconds(10)

    /// Notes its uid in the state directory, before anything is mapped.
    func note(in stateDirectory: String) async {
        var call = APICall.get(APIPath.node(name))
        call.timeout = Self.limit
        do {
            guard let metadata = ObjectMeta(try await client.call(call)) else { return }
            let isNew = try NodeIdentity.note(uid: metadata.uid, stateDirectory: stateDirectory)
            guard isNew else { return }
            logger.warning(
                "the state directory is another node's, or of an earlier Node object: this node goes by a new number",
                metadata: ["k8s.node": "\(name)", "k8s.node.uid": "\(metadata.uid)"]
            )
        } catch {
            logger.warning(
                "cannot see which Node object this node is; a copy of it would be known by its machine alone",
                metadata: ["k8s.node": "\(name)", "reason": "\(error)"]
            )
        }
    }
}
