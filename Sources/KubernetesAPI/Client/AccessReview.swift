internal import JSON

/// Something that RBAC must allow us.
package struct Permission: Sendable, Hashable, CustomStringConvertible {
    /// `get`, `patch`.
    package var verb: String
    /// `storage.k8s.io`; empty for core.
    package var group: String
    /// `persistentvolumeclaims`.
    package var resource: String
    /// `status`; empty for the object itself.
    package var subresource: String
    /// The namespace; empty for all namespaces and for cluster-wide objects.
    package var namespace: String
    /// Of which object alone; empty for all.
    package var name: String

    /// Names a permission.
    package init(
        _ verb: String,
        _ resource: String,
        group: String = "",
        subresource: String = "",
        namespace: String = "",
        name: String = ""
    ) {
        self.verb = verb
        self.group = group
        self.resource = resource
        self.subresource = subresource
        self.namespace = namespace
        self.name = name
    }

    /// In words: `patch persistentvolumeclaims/status`.
    package var description: String {
        let kind = resource + (subresource.isEmpty ? "" : "/\(subresource)")
        let group = group.isEmpty ? "" : ".\(group)"
        return "\(verb) \(kind)\(group)" + (name.isEmpty ? "" : " '\(name)'")
            + (namespace.isEmpty ? "" : " in namespace \(namespace)")
    }
}

extension KubernetesClient {
    /// Which of these RBAC does not allow us.
    package func missing(of permissions: [Permission]) async throws(KubernetesError) -> [Permission] {
        var missing: [Permission] = []
        for permission in permissions {
            let review: JSONValue = [
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": [
                    "resourceAttributes": [
                        "verb": .string(permission.verb), "group": .string(permission.group),
                        "resource": .string(permission.resource), "subresource": .string(permission.subresource),
                        "namespace": .string(permission.namespace), "name": .string(permission.name),
                    ]
                ],
            ]
            let answer = try await call(APICall(.post, APIPath.selfSubjectAccessReviews, body: review))
            if !(answer["status", "allowed"]?.bool ?? false) { missing.append(permission) }
        }
        return missing
    }
}
