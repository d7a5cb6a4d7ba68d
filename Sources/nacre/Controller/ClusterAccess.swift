import KubernetesAPI
import VolumeAPI
import Yams

/// How this process gets to the API server.
struct ClusterAccess {
    let options: ControllerOptions

    init(_ options: ControllerOptions) {
        self.options = options
    }

    func identity() throws -> ClusterIdentity {
        do throws(IdentityError) {
            if let path = options.kubeconfig {
                return try ClusterIdentity.kubeconfig(
                    at: path,
                    context: options.context,
                    allowsInsecure: options.insecureSkipTLSVerify,
                    parse: Self.yaml
                )
            }
            if let identity = try ClusterIdentity.inCluster(environment: Environment.value) { return identity }
        } catch {
            throw CommandFailure(.usage, error.description)
        }
        throw CommandFailure(.usage, "this is no pod, and no kubeconfig is given; name one by --kubeconfig or KUBECONFIG")
    }

    /// YAML as JSON: a kubeconfig may be either.
    private static func yaml(_ text: String) -> JSONValue? {
        guard let node = try? Yams.compose(yaml: text) else { return nil }
        return value(node)
    }

    private static func value(_ node: Yams.Node) -> JSONValue {
        switch node {
        case .mapping(let mapping):
            var object: JSONValue = [:]
            for (key, value) in mapping { object = object.with(key.string ?? "", Self.value(value)) }
            return object
        case .sequence(let sequence): return .array(sequence.map(value))
        case .scalar:
            if let bool = node.bool { return .bool(bool) }
            return node.null == nil ? .string(node.string ?? "") : .null
        default: return .null
        }
    }
}
