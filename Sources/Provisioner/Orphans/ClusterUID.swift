internal import JSON
package import KubernetesAPI
internal import Synchronization

/// The id of the Kubernetes cluster: the uid of its namespace `kube-system`, which survives a restore from a backup.
package final class ClusterUID: Sendable {
    private let known = Mutex<String?>(nil)

    /// Nothing is known yet.
    package init() {}

    /// The uid; `nil` before it could be read.
    package var text: String? { known.withLock(\.self) }

    /// Asks the API server, unless it is known.
    ///
    /// Needs the right to get the namespace kube-system.
    ///
    /// - Throws: `KubernetesError` when it cannot be read.
    package func read(_ client: KubernetesClient) async throws(KubernetesError) {
        guard text == nil else { return }
        let call = APICall.get(APIPath.namespace("kube-system"))
        guard let metadata = ObjectMeta(try await client.call(call)) else {
            throw .malformed(call: "get namespace kube-system", reason: "it has no uid")
        }
        known.withLock { $0 = metadata.uid }
    }
}
