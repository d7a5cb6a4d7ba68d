package import KubernetesAPI

/// What RBAC must allow, so that what is missing is said at the start and not by the first claim.
///
/// `deploy/` grants this and no more; a test compares the two. Secrets are apart: their names are the classes' to say.
package enum SelfCheck {
    /// What a controller cannot work without.
    ///
    /// - Parameters:
    ///   - namespace: Where its Lease is.
    ///   - lease: The name of that.
    /// - Returns: One for each verb and kind.
    package static func permissions(leaseNamespace namespace: String, lease: String) -> [Permission] {
        let coordination = "coordination.k8s.io"
        return ["get", "list", "watch", "create", "patch", "delete"].map { Permission($0, volumes) }
            + [Permission("patch", volumes, subresource: "status")]
            + ["get", "list", "watch", "patch"].map { Permission($0, claims) }
            + [Permission("patch", claims, subresource: "status")]
            + ["list", "watch"].map { Permission($0, "storageclasses", group: "storage.k8s.io") }
            + events
            + ["get", "update"].map {
                Permission($0, "leases", group: coordination, namespace: namespace, name: lease)
            }
            + [
                Permission("create", "leases", group: coordination, namespace: namespace),
                // Its uid says which cluster an image is of.
                Permission("get", "namespaces", name: "kube-system"),
            ]
    }

    /// What a controller makes use of where it is allowed.
    ///
    /// - Parameter namespace: Of its pod.
    /// - Returns: One for each verb and kind.
    package static func extras(namespace: String) -> [Permission] {
        // A deleted claim goes at once when no pod names it; else when kube-controller-manager comes to it.
        [Permission("list", "pods")]
            // How much room there is, told to the scheduler by objects that the controller's Deployment owns.
            + ["list", "create", "patch", "delete"].map {
                Permission($0, "csistoragecapacities", group: "storage.k8s.io", namespace: namespace)
            }
            + [
                Permission("get", "pods", namespace: namespace),
                Permission("get", "replicasets", group: "apps", namespace: namespace),
            ]
    }

    /// What a node's agent cannot work without.
    package static let agent: [Permission] =
        [Permission("get", volumes), Permission("get", claims)]
        // That it has grown a file system, which the controller then writes down.
        + [Permission("patch", claims, subresource: "status")]
        // Which Node object it is.
        + [Permission("get", "nodes")]
        // Which local volumes the pods of its node want.
        + ["list", "watch"].map { Permission($0, "pods") }
        + events

    private static let claims = "persistentvolumeclaims"
    private static let volumes = "persistentvolumes"
    private static let events = ["create", "patch"].map { Permission($0, "events") }
}
