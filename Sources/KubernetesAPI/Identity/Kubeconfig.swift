internal import ExactText
package import JSON
internal import Secrets
internal import YAML

/// A kubeconfig file's current context, or the one that is named.
///
/// See: client-go `clientcmd/api/v1`.
extension ClusterIdentity {
    /// The identity that a kubeconfig gives.
    ///
    /// - Parameters:
    ///   - document: The file's content.
    ///   - directory: The file's directory, which relative paths in it start from.
    ///   - context: The context; `nil` for `current-context`.
    ///   - allowsInsecure: Whether `insecure-skip-tls-verify` is allowed; otherwise it is an error.
    /// - Returns: The identity.
    /// - Throws: `IdentityError` that names the entry at fault.
    package static func kubeconfig(
        _ document: JSONValue,
        directory: String,
        context: String? = nil,
        allowsInsecure: Bool = false
    ) throws(IdentityError) -> ClusterIdentity {
        guard let name = context ?? document["current-context"]?.string, !name.isEmpty else {
            throw IdentityError("the kubeconfig has no current-context; name one")
        }
        let chosen = try entry(name, in: document, list: "contexts", kind: "context")
        let clusterName = chosen["cluster"]?.string ?? ""
        let cluster = try entry(clusterName, in: document, list: "clusters", kind: "cluster")
        let userName = chosen["user"]?.string ?? ""
        let user = try entry(userName, in: document, list: "users", kind: "user")
        guard let server = cluster["server"]?.string, server.startsExactly(with: "https://") else {
            throw IdentityError("cluster '\(clusterName)' of the kubeconfig has no server that starts with https://")
        }
        guard user["exec"] == nil, user["auth-provider"] == nil else {
            throw IdentityError(
                "user '\(userName)' of the kubeconfig gets its token from a program, which is not supported; "
                    + "use a service account's token or a client certificate"
            )
        }
        var parts = Parts()
        parts.verifiesServer = !(cluster["insecure-skip-tls-verify"]?.bool ?? false)
        guard parts.verifiesServer || allowsInsecure else {
            throw IdentityError(
                "cluster '\(clusterName)' of the kubeconfig says insecure-skip-tls-verify: secrets would go to whoever "
                    + "answers; give its certificate-authority"
            )
        }
        parts.serverName = cluster["tls-server-name"]?.string
        parts.authorities = try bytes("certificate-authority", of: cluster, directory)
        parts.certificate = try bytes("client-certificate", of: user, directory)
        parts.key = try bytes("client-key", of: user, directory).map { Secret($0) }
        guard (parts.certificate == nil) == (parts.key == nil) else {
            throw IdentityError("user '\(userName)' of the kubeconfig has a client certificate or its key, not both")
        }
        parts.token = user["token"]?.string.map { Secret($0) }
        return ClusterIdentity(
            server: server.endsExactly(with: "/") ? String(server.dropLast()) : server,
            namespace: chosen["namespace"]?.string,
            fixed: parts,
            tokenPath: user["tokenFile"]?.string.map { absolute($0, directory) }
        )
    }

    /// The identity that a kubeconfig file gives; see the other method.
    ///
    /// - Parameters:
    ///   - path: The file, YAML or JSON.
    ///   - context: The context; `nil` for `current-context`.
    ///   - allowsInsecure: Whether `insecure-skip-tls-verify` is allowed.
    /// - Returns: The identity.
    /// - Throws: `IdentityError`.
    package static func kubeconfig(
        at path: String,
        context: String? = nil,
        allowsInsecure: Bool = false
    ) throws(IdentityError) -> ClusterIdentity {
        guard let bytes = IdentityFile.bytes(path) else { throw IdentityError("cannot read kubeconfig '\(path)'") }
        let document: JSONValue
        do throws(YAMLError) {
            document = try JSONValue(parsingYAML: bytes)
        } catch {
            throw IdentityError("cannot read kubeconfig '\(path)': \(error)")
        }
        let slash = path.lastIndex(of: "/")
        return try kubeconfig(
            document,
            directory: slash.map { String(path[..<$0]) } ?? ".",
            context: context,
            allowsInsecure: allowsInsecure
        )
    }

    private static func entry(
        _ name: String,
        in document: JSONValue,
        list: String,
        kind: String
    ) throws(IdentityError) -> JSONValue {
        for entry in document[list]?.elements ?? [] where entry["name"]?.string == name {
            return entry[kind] ?? [:]
        }
        throw IdentityError("the kubeconfig has no \(kind) '\(name)'")
    }

    /// The bytes of `NAME-data`, or of the file that `NAME` names.
    private static func bytes(
        _ name: String,
        of entry: JSONValue,
        _ directory: String
    ) throws(IdentityError) -> [UInt8]? {
        if let data = entry["\(name)-data"]?.string, !data.isEmpty {
            guard let bytes = IdentityFile.decoded(data) else {
                throw IdentityError("\(name)-data of the kubeconfig is not base64")
            }
            return bytes
        }
        guard let path = entry[name]?.string, !path.isEmpty else { return nil }
        guard let bytes = IdentityFile.bytes(absolute(path, directory)) else {
            throw IdentityError("cannot read '\(absolute(path, directory))', which the kubeconfig names as \(name)")
        }
        return bytes
    }

    private static func absolute(_ path: String, _ directory: String) -> String {
        path.startsExactly(with: "/") ? path : "\(directory)/\(path)"
    }
}
