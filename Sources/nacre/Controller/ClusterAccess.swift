import KubernetesAPI
import Logging
import Provisioner

/// How this process gets to the API server.
struct ClusterAccess {
    /// A kubeconfig's path; without one the pod's own service account.
    let kubeconfig: String?
    /// The kubeconfig's context; its current one without.
    var context: String?
    /// Whether insecure-skip-tls-verify of the kubeconfig is obeyed.
    var allowsInsecure = false

    private static let userAgent = "nacre/\(Nacre.version)"

    /// Who we are to the API server.
    ///
    /// - Throws: `CommandFailure` also where there is none.
    func identity() throws -> ClusterIdentity {
        if let identity = try foundIdentity() { return identity }
        throw CommandFailure(
            .usage,
            "this is no pod, and no kubeconfig is given; name one by --kubeconfig or KUBECONFIG"
        )
    }

    /// A client; throws where there is no API server to ask.
    func client() throws -> KubernetesClient { try KubernetesClient(identity(), userAgent: Self.userAgent) }

    /// A client for a person's command; `nil` when this is no pod and no kubeconfig is given.
    func clientIfThere() throws -> KubernetesClient? {
        guard let identity = try foundIdentity() else { return nil }
        return try KubernetesClient(identity, userAgent: Self.userAgent)
    }

    /// A client; `nil` when this is no pod and no kubeconfig is given.
    func foundClient(_ logger: Logger) throws -> KubernetesClient? {
        guard let identity = try foundIdentity() else { return nil }
        return try KubernetesClient(identity, userAgent: Self.userAgent, warnings: ServerWarnings(logger))
    }

    private func foundIdentity() throws -> ClusterIdentity? {
        do throws(IdentityError) {
            guard let kubeconfig else { return try ClusterIdentity.inCluster(environment: Environment.value) }
            return try ClusterIdentity.kubeconfig(at: kubeconfig, context: context, allowsInsecure: allowsInsecure)
        } catch {
            throw CommandFailure(kubeconfig.flatMap { InputFile.fault($0)?.status } ?? .usage, error.description)
        }
    }
}

extension ClusterAccess {
    /// As a person's commands are told it: without a kubeconfig by KUBECONFIG.
    init(kubeconfigOrEnvironment given: String?, context: String?) {
        self.init(kubeconfig: given ?? Environment.value("KUBECONFIG"), context: context)
    }

    init(_ options: ControllerOptions) {
        self.init(
            kubeconfig: options.kubeconfig,
            context: options.context,
            allowsInsecure: options.insecureSkipTLSVerify
        )
    }
}
