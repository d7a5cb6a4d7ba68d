import JSON
import KubernetesAPI

/// A pod, as far as its volumes go.
struct LocalPod: WatchedObject {
    let metadata: ObjectMeta
    /// The claims that it names, in its namespace.
    let claims: [String]
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
        claims = volumes.compactMap { $0["persistentVolumeClaim", "claimName"]?.string }
        isFinished = ["Succeeded", "Failed"].contains(object["status", "phase"]?.string)
    }
}
