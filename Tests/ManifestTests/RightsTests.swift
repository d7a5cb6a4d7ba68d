import JSON
import KubernetesAPI
import Provisioner
import Testing

/// Compares the rights that RBAC grants with those that the code lists.
///
/// `RightsTests` of KubernetesTests proves with a real API server that the code's list is complete.
@Suite("Rights in deploy/")
struct RightsTests {
    private static let namespace = "there"
    private static let lease = LeaderElection.leaseName(for: DriverSettings().driverName)
    private static let overlays = ["rook", "external-ceph"]

    /// All single rights of the Roles and ClusterRoles in a file; those of a Role are in `namespace`.
    private func rights(_ path: String) throws -> [Permission] {
        try ["Role", "ClusterRole"].flatMap { kind in
            try Manifests.objects(path, kind).flatMap { role in
                (role["rules"]?.elements ?? []).flatMap { rule in
                    permissions(rule, in: kind == "Role" ? Self.namespace : "")
                }
            }
        }
    }

    private func permissions(_ rule: JSONValue, in namespace: String) -> [Permission] {
        let names = rule["resourceNames"]?.strings ?? [""]
        return (rule["apiGroups"]?.strings ?? []).flatMap { group in
            (rule["resources"]?.strings ?? []).flatMap { resource in
                (rule["verbs"]?.strings ?? []).flatMap { verb in
                    names.map { name in
                        let parts = resource.split(separator: "/", maxSplits: 1).map(String.init)
                        return Permission(
                            verb,
                            parts[0],
                            group: group,
                            subresource: parts.count > 1 ? parts[1] : "",
                            namespace: namespace,
                            name: name
                        )
                    }
                }
            }
        }
    }

    private func expect(_ granted: [Permission], are wanted: [Permission], _ path: String) {
        for right in Set(granted).subtracting(wanted) { Issue.record("\(path) grants what nobody uses: \(right)") }
        for right in Set(wanted).subtracting(granted) { Issue.record("\(path) does not grant \(right)") }
        #expect(Set(granted).count == granted.count, "\(path) grants something twice")
    }

    @Test("The controller's are those that it uses")
    func controller() throws {
        expect(
            try rights("base/controller-rbac.yaml"),
            are: SelfCheck.permissions(leaseNamespace: Self.namespace, lease: Self.lease)
                + SelfCheck.extras(namespace: Self.namespace),
            "controller-rbac.yaml"
        )
    }

    @Test("The agents' are those that they use")
    func agent() throws {
        expect(try rights("base/node-rbac.yaml"), are: SelfCheck.agent, "node-rbac.yaml")
    }

    @Test("Each reads the Secrets that its overlay's classes name for it, and no other", arguments: overlays)
    func secrets(overlay: String) throws {
        let classes = try Manifests.objects("overlays/\(overlay)/storageclasses.yaml", "StorageClass")
        let namespace = try Manifests.objects("overlays/\(overlay)/kustomization.yaml").first?["namespace"]?.string
        func named(_ roles: String...) -> Set<String> {
            var names: Set<String> = []
            for storageClass in classes {
                for role in roles {
                    let key = "csi.storage.k8s.io/\(role)-secret-"
                    guard let name = storageClass["parameters", key + "name"]?.string else { continue }
                    names.insert(name)
                    #expect(storageClass["parameters", key + "namespace"]?.string == namespace)
                }
            }
            return names
        }
        for (who, names) in [("controller", named("provisioner", "controller-expand")), ("node", named("node-stage"))] {
            let path = "overlays/\(overlay)/secrets.yaml"
            let role = try #require(
                try Manifests.objects(path, "Role").first { $0["metadata", "name"]?.string == "nacre-\(who)-secrets" }
            )
            let granted = (role["rules"]?.elements ?? []).flatMap { permissions($0, in: Self.namespace) }
            expect(
                granted,
                are: names.map { Permission("get", "secrets", namespace: Self.namespace, name: $0) },
                "\(path), \(who)"
            )
            let binding = try #require(
                try Manifests.objects(path, "RoleBinding").first {
                    $0["roleRef", "name"]?.string == "nacre-\(who)-secrets"
                }
            )
            let subjects = (binding["subjects"]?.elements ?? []).compactMap { $0["name"]?.string }
            #expect(subjects == ["nacre-\(who)"])
        }
    }

    @Test("No rule is for everything")
    func wildcards() throws {
        for path in try Manifests.files() where path.hasSuffix(".yaml") {
            guard try Manifests.text(path).contains(/kind: (Cluster)?Role\n/) else { continue }
            for kind in ["Role", "ClusterRole"] {
                for role in try Manifests.objects(path, kind) {
                    for rule in role["rules"]?.elements ?? [] {
                        let words = ["apiGroups", "resources", "verbs"].flatMap { rule[$0]?.strings ?? [] }
                        #expect(!words.contains("*"), "\(path)")
                        let isOfSecrets = rule["resources"]?.strings.contains("secrets") ?? false
                        #expect(!isOfSecrets || rule["resourceNames"] != nil, "\(path) opens every Secret")
                    }
                }
            }
        }
    }
}
