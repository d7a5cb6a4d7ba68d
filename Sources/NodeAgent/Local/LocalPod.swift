import JSON
import KubernetesAPI

/// A pod, as far as its volumes go.
struct LocalPod: WatchedObject {
    let metadata: ObjectMeta
    /// A claim that a pod names, in its namespace.
    struct Claim: Sendable, Hashable {
        let name: String
        /// Whether it is an ephemeral claim, which counts only if the pod owns it: another claim may have that name.
        let isEphemeral: Bool
    }

    let claims: [Claim]
    /// Whether it will not run any more.
    let isFinished: Bool

    var compact: LocalPod { self }

    init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        guard case .array(let volumes)? = object["spec", "volumes"] else {
            claims = []
            isFinished = true
            return
        }
        claims = volumes.compactMap { volume in
            if let name = volume["persistentVolumeClaim", "claimName"]?.string {
                return Claim(name: name, isEphemeral: false)
            }
            guard volume["ephemeral"] != nil, let name = volume["name"]?.string else { return nil }
            // Kubernetes: generic ephemeral volumes; the claim's name consists of the pod's name and the volume's.
            return Claim(name: "\(metadata.name)-\(name)", isEphemeral: true)
        }
        isFinished = ["Succeeded", "Failed"].contains(object["status", "phase"]?.string)
    }
}
