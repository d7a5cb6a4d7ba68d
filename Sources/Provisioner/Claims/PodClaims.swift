internal import JSON
internal import KubernetesAPI
internal import Synchronization

/// Which claims the pods of a namespace name, by lists that many callers share.
///
/// A caller gets the result of a list that began after its call. A list under way does not qualify, so the callers
/// share the next one. A thousand deleted claims of a namespace cost a few lists.
final class PodClaims: Sendable {
    /// What the pods of a namespace say.
    struct Uses: Sendable {
        /// Claims that pods name.
        var claims: Set<String> = []
        /// Claims of pods that a node has, the ephemeral ones too.
        var claimsOnNodes: Set<String> = []
        /// Whether a pod has ephemeral claims, whose names consist of the pod's name and the volume's.
        var hasEphemeral = false
        /// Whether all pods were looked at.
        var isWhole = true

        mutating func add(_ pod: JSONValue) {
            let isOnNode =
                pod["spec", "nodeName"]?.string?.isEmpty == false
                && !["Succeeded", "Failed"].contains(pod["status", "phase"]?.string)
            for volume in pod["spec", "volumes"]?.elements ?? [] {
                var name = volume["persistentVolumeClaim", "claimName"]?.string
                if let name { claims.insert(name) }
                if volume["ephemeral"] != nil {
                    hasEphemeral = true
                    name = "\(pod["metadata", "name"]?.string ?? "")-\(volume["name"]?.string ?? "")"
                }
                if isOnNode, let name { claimsOnNodes.insert(name) }
            }
        }
    }

    private typealias Answer = Task<Result<Uses, KubernetesError>, Never>

    private struct State {
        var underWay: [String: Answer] = [:]
        var next: [String: Answer] = [:]
    }

    private static let mostPods = 500

    private let client: KubernetesClient
    private let state = Mutex(State())

    init(_ client: KubernetesClient) {
        self.client = client
    }

    /// What the pods of a namespace use, now or later.
    func uses(in namespace: String) async throws(KubernetesError) -> Uses {
        let answer = state.withLock { state in
            if let next = state.next[namespace] { return next }
            let before = state.underWay[namespace]
            let next = Answer { [self] in
                _ = await before?.value
                self.state.withLock { $0.underWay[namespace] = $0.next.removeValue(forKey: namespace) }
                let answer = await list(namespace)
                self.state.withLock { $0.underWay[namespace] = nil }
                return answer
            }
            state.next[namespace] = next
            return next
        }
        return try await answer.value.get()
    }

    /// The same of all pods, in pages, however many there are.
    func allUses(in namespace: String) async throws(KubernetesError) -> Uses {
        var uses = Uses()
        var next = ""
        repeat {
            var query = [(name: "limit", value: String(Self.mostPods))]
            if !next.isEmpty { query.append((name: "continue", value: next)) }
            let list = try await client.call(APICall(.get, APIPath.pods(namespace), query: query))
            for pod in list["items"]?.elements ?? [] { uses.add(pod) }
            next = list["metadata", "continue"]?.string ?? ""
        } while !next.isEmpty
        return uses
    }

    private func list(_ namespace: String) async -> Result<Uses, KubernetesError> {
        do throws(KubernetesError) {
            let call = APICall(.get, APIPath.pods(namespace), query: [("limit", String(Self.mostPods))])
            let list = try await client.call(call)
            guard (list["metadata", "continue"]?.string ?? "").isEmpty, let pods = list["items"]?.elements else {
                return .success(Uses(isWhole: false))
            }
            var uses = Uses()
            for pod in pods { uses.add(pod) }
            return .success(uses)
        } catch {
            return .failure(error)
        }
    }
}
