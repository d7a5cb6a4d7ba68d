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
        // A deleted claim goes at once when no pod names it; else when kube-controller-manager comes to it. And whether an
        // agent's pod is of a release that shows no directories; without a look at them, all are taken to do so.
        [Permission("list", "pods")]
            // How much room there is, told to the scheduler by objects that the controller's Deployment owns.
            + ["list", "create", "patch", "delete"].map {
                Permission($0, "csistoragecapacities", group: "storage.k8s.io", namespace: namespace)
            }
            + [
                Permission("get", "pods", namespace: namespace),
                Permission("get", "replicasets", group: "apps", namespace: namespace),
            ]
            + snapshots
    }

    /// What snapshots take, in a cluster that has their kinds.
    private static let snapshots: [Permission] = {
        let group = SnapshotAPI.group
        var all = ["get", "list", "watch", "patch"].map { Permission($0, "volumesnapshots", group: group) }
        all += ["get", "list", "watch", "create", "patch", "delete"].map {
            Permission($0, "volumesnapshotcontents", group: group)
        }
        for resource in ["volumesnapshots", "volumesnapshotcontents"] {
            all.append(Permission("patch", resource, group: group, subresource: "status"))
        }
        all += ["list", "watch"].map { Permission($0, "volumesnapshotclasses", group: group) }
        // Whether the common snapshot controller runs.
        all.append(Permission("list", "leases", group: "coordination.k8s.io", name: CommonController.leaseName))
        return all
    }()

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
