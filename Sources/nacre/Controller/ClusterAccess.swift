import KubernetesAPI

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
                    allowsInsecure: options.insecureSkipTLSVerify
                )
            }
            if let identity = try ClusterIdentity.inCluster(environment: Environment.value) { return identity }
        } catch {
            let status = options.kubeconfig.flatMap { InputFile.fault($0)?.status }
            throw CommandFailure(status ?? .usage, error.description)
        }
        throw CommandFailure(
            .usage,
            "this is no pod, and no kubeconfig is given; name one by --kubeconfig or KUBECONFIG"
        )
    }
}
