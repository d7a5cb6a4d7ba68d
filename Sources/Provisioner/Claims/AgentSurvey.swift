internal import KubernetesAPI
internal import Synchronization

/// Whether a node's agent is of a release that shows no directories of `local` PersistentVolumes.
///
/// An agent's pod says by a label that it shows them; pods of earlier releases lack it. A volume made as a directory would
/// keep a pod on such a node waiting until its agent is updated, and for ever if that never happens. An agent outside of a
/// pod is not seen.
final class AgentSurvey: Sendable {
    /// An agent's pod.
    struct Agent: Sendable, Hashable {
        var pod: String
        var node: String
    }

    private typealias Answer = Task<Result<Agent?, KubernetesError>, Never>

    private struct Survey {
        var number: Int
        var answer: Answer
        var until: ContinuousClock.Instant
    }

    private struct State {
        var last: Survey?
        var count = 0
    }

    /// What `deploy/base/node.yaml` puts on the pods of agents: these are they, and they show directories.
    static let componentLabel = "app.kubernetes.io/component=nacre-node"
    static let directoriesLabel = "nacre.io/shows-directories"
    /// Claims that come together ask once.
    private static let lifetime = Duration.seconds(5)

    private let client: KubernetesClient
    private let namespace: String?
    private let state = Mutex(State())

    /// Makes one for the agents whose pods are in that namespace; `nil` if nobody knows it.
    init(_ client: KubernetesClient, namespace: String?) {
        (self.client, self.namespace) = (client, namespace)
    }

    /// One of those agents; `nil` if there is none, and where nobody may look.
    func older() async throws(KubernetesError) -> Agent? {
        guard let namespace else { return nil }
        let survey = state.withLock { state in
            if let last = state.last, last.until > .now { return last }
            state.count += 1
            let survey = Survey(
                number: state.count,
                answer: Answer { [self] in await look(in: namespace) },
                until: .now + Self.lifetime
            )
            state.last = survey
            return survey
        }
        let result = await survey.answer.value
        if case .failure = result {
            // Who asks next looks again.
            state.withLock { if $0.last?.number == survey.number { $0.last = nil } }
        }
        return try result.get()
    }

    private func look(in namespace: String) async -> Result<Agent?, KubernetesError> {
        let query = [
            (name: "labelSelector", value: "\(Self.componentLabel),!\(Self.directoriesLabel)"),
            // A pod that has ended, as an evicted one, has no agent in it.
            (name: "fieldSelector", value: "status.phase!=Failed,status.phase!=Succeeded"),
            (name: "limit", value: "1"),
        ]
        do throws(KubernetesError) {
            let list = try await client.call(APICall(.get, APIPath.pods(namespace), query: query))
            guard let pod = list["items"]?.elements.first else { return .success(nil) }
            return .success(
                Agent(
                    pod: "\(namespace)/\(pod["metadata", "name"]?.string ?? "")",
                    node: pod["spec", "nodeName"]?.string ?? ""
                )
            )
        } catch {
            // The start says which right is missing, and what for.
            return error.status?.isForbidden ?? false ? .success(nil) : .failure(error)
        }
    }
}
