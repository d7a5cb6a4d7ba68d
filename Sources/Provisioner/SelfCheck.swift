package import KubernetesAPI

/// What RBAC must allow a controller, so that what is missing is said at the start and not by the first claim.
package enum SelfCheck {
    /// Everything that a controller of this namespace does.
    package static func permissions(leaseNamespace: String) -> [Permission] {
        let claims = "persistentvolumeclaims"
        let volumes = "persistentvolumes"
        let leases = "leases"
        return ["get", "list", "watch", "create", "patch", "delete"].map { Permission($0, volumes) }
            + [Permission("patch", volumes, subresource: "status")]
            + ["get", "list", "watch", "patch"].map { Permission($0, claims) }
            + [Permission("patch", claims, subresource: "status")]
            + ["list", "watch"].map { Permission($0, "storageclasses", group: "storage.k8s.io") }
            + ["create", "patch"].map { Permission($0, "events") }
            + ["get", "create", "update"].map { verb in
                Permission(verb, leases, group: "coordination.k8s.io", namespace: leaseNamespace)
            }
    }
}
