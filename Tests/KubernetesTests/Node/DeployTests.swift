import Foundation
import TestSupport
import Testing

@Suite("The manifests of deploy/", .enabled(if: KubeLab.isThere, KubeLab.lack))
struct DeployTests {
    /// Kinds of operators that the lab does not have, as far as the API server needs to know them.
    private static let foreignKinds = [
        ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
        ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
        ("postgres-operator.crunchydata.com", "v1beta1", "PostgresCluster", "postgresclusters"),
        ("acid.zalan.do", "v1", "postgresql", "postgresqls"),
    ]

    private func define() async throws {
        let definitions = Self.foreignKinds.map { group, version, kind, plural in
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: \(plural).\(group)}
            spec:
              group: \(group)
              scope: Namespaced
              names: {kind: \(kind), plural: \(plural)}
              versions:
              - name: \(version)
                served: true
                storage: true
                schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
            """
        }
        let file = "/tmp/nacre-definitions-\(UInt32.random(in: 0...UInt32.max)).yaml"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try definitions.joined(separator: "\n---\n").write(toFile: file, atomically: true, encoding: .utf8)
        let output = try await KubeLab.kubectl("apply", "-f", file)
        #expect(output.end == .exited(0), "\(output.text)")
        for (group, _, _, plural) in Self.foreignKinds {
            let output = try await KubeLab.kubectl(
                "wait",
                "--timeout=120s",
                "--for=condition=Established",
                "crd/\(plural).\(group)"
            )
            #expect(output.end == .exited(0), "\(output.text)")
        }
    }

    @Test("Every kustomization is what the API server takes")
    func kustomizations() async throws {
        try await define()
        for namespace in ["nacre", "rook-ceph"] { _ = try await KubeLab.kubectl("create", "namespace", namespace) }
        // A copy, for the keys of an external Ceph are no part of the repository.
        let copy = "/tmp/nacre-deploy-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.copyItem(atPath: KubeLab.file("deploy"), toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        for user in ["provisioner", "node"] {
            try Data("key".utf8).write(to: URL(filePath: "\(copy)/overlays/external-ceph/\(user).key"))
        }
        for folder in ["overlays/external-ceph", "overlays/rook", "examples", "storage-capacity", "snapshots"] {
            try await expectTaken("-k", "\(copy)/\(folder)")
        }
        for folder in ["disruption-budget/kubernetes-1.20", "monitoring"] {
            for namespace in ["nacre", "rook-ceph"] {
                try await expectTaken("-n", namespace, "-k", "\(copy)/\(folder)")
            }
        }
        for example in ["crunchy-pgo", "zalando"] { try await expectTaken("-f", "\(copy)/examples/\(example).yaml") }
    }

    /// Discovery knows a kind some time after its definition is established.
    private func expectTaken(_ words: String...) async throws {
        var output = Output(text: "", end: .exited(1))
        let last = ContinuousClock.now + .seconds(180)
        repeat {
            output = try await KubeLab.run(["kubectl", "apply", "--dry-run=server"] + words)
            guard output.text.contains("no matches for kind") || output.text.contains("could not find the requested")
            else { break }
            try await Task.sleep(for: .seconds(1))
        } while .now < last
        #expect(output.end == .exited(0), "\(words): \(output.text)")
    }

    @Test("The disruption budget for today's Kubernetes differs from the old one in its version alone")
    func disruptionBudgets() throws {
        let folder = KubeLab.file("deploy/disruption-budget")
        let new = try String(contentsOfFile: "\(folder)/disruption-budget.yaml", encoding: .utf8)
        let old = try String(contentsOfFile: "\(folder)/kubernetes-1.20/disruption-budget.yaml", encoding: .utf8)
        #expect(new.replacing("policy/v1", with: "policy/v1beta1") == old)
    }
}
