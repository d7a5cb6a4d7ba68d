extension ClusterIdentity {
    /// Where kubelet puts a pod's identity.
    package static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The identity of the pod that we run in.
    ///
    /// - Parameters:
    ///   - environment: The process' variables; KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name the server.
    ///   - directory: Where `token`, `ca.crt` and `namespace` are.
    /// - Returns: The identity; `nil` outside of a pod.
    /// - Throws: `IdentityError` when a file is missing.
    package static func inCluster(
        environment: (String) -> String?,
        directory: String = serviceAccountDirectory
    ) throws(IdentityError) -> ClusterIdentity? {
        guard let host = environment("KUBERNETES_SERVICE_HOST"), let port = environment("KUBERNETES_SERVICE_PORT")
        else { return nil }
        for name in ["token", "ca.crt"] where IdentityFile.bytes("\(directory)/\(name)") == nil {
            throw IdentityError(
                "cannot read '\(directory)/\(name)'; the pod needs its service account's token "
                    + "(automountServiceAccountToken)"
            )
        }
        let namespace = IdentityFile.bytes("\(directory)/namespace")
            .map { String(decoding: IdentityFile.trimmed($0), as: UTF8.self) }
        return ClusterIdentity(
            server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)",
            namespace: namespace,
            fixed: Parts(),
            tokenPath: "\(directory)/token",
            authoritiesPath: "\(directory)/ca.crt"
        )
    }
}
