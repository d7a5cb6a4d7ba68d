import ExactText
import Foundation
import JSON
import KubernetesAPI
import Testing
import YAML

/// What kustomize makes of `deploy/`.
@Suite("Rendering", .enabled(if: Tool.kustomize.path != nil, Tool.lack))
struct RenderingTests {
    private static let folders = [
        "overlays/rook", "overlays/external-ceph", "monitoring", "disruption-budget",
        "disruption-budget/kubernetes-1.20", "examples", "storage-capacity", "snapshots", "snapshots/class",
        "snapshots/example",
    ]

    /// A copy of `deploy/` with keys where the overlay for an external Ceph wants them.
    private func inCopy<R>(_ body: (URL) async throws -> R) async throws -> R {
        try await inDirectory { directory in
            let copy = directory.appending(path: "deploy")
            try FileManager.default.copyItem(at: Manifests.file("").standardizedFileURL, to: copy)
            for user in ["provisioner", "node"] {
                let file = copy.appending(path: "overlays/external-ceph/\(user).key")
                try Data("key of \(user)".utf8).write(to: file)
            }
            return try await body(copy)
        }
    }

    private func objects(_ tool: Tool, _ verb: String, _ folder: URL) async throws -> [JSONValue] {
        let (text, isWell) = try await tool.run([verb, folder.path])
        #expect(isWell, "\(text)")
        let documents = text.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.hasPrefix("# Warning") }.joined(separator: "\n")
        return try ("\n" + documents).components(separatedBy: "\n---\n")
            .filter { $0.contains("kind:") }
            .map { try JSONValue(parsingYAML: Array($0.utf8)) }
    }

    private func key(_ object: JSONValue) -> String {
        "\(object["kind"]?.string ?? "") \(object["metadata", "name"]?.string ?? "")"
    }

    @Test("The image's name is on every container of ours, and nothing else is", arguments: ["rook", "external-ceph"])
    func image(overlay: String) async throws {
        try await inCopy { copy in
            let file = copy.appending(path: "base/kustomization.yaml")
            let text = try String(contentsOf: file, encoding: .utf8)
            let renamed = text.replacing(/newName: .*/, with: "newName: registry.here/storage/nacre")
                .replacing(/newTag: .*/, with: "newTag: \"9.9\"")
            try renamed.write(to: file, atomically: true, encoding: .utf8)
            let all = try await objects(.kustomize, "build", copy.appending(path: "overlays/\(overlay)"))
            let images = all.flatMap { object in
                (object["spec", "template", "spec", "containers"]?.elements ?? []).compactMap { $0["image"]?.string }
            }
            #expect(images == ["registry.here/storage/nacre:9.9", "registry.here/storage/nacre:9.9"])
        }
    }

    @Test("Without keys the overlay for an external Ceph says which file is missing")
    func missingKeys() async throws {
        try await inCopy { copy in
            let folder = copy.appending(path: "overlays/external-ceph")
            try FileManager.default.removeItem(at: folder.appending(path: "node.key"))
            let (text, isWell) = try await Tool.kustomize.run(["build", folder.path])
            #expect(!isWell && text.contains("node.key"))
        }
    }

    @Test("Rights, Secrets and accounts of an overlay are in its namespace", arguments: ["rook", "external-ceph"])
    func namespaces(overlay: String) async throws {
        try await inCopy { copy in
            let all = try await objects(.kustomize, "build", copy.appending(path: "overlays/\(overlay)"))
            let namespace = overlay == "rook" ? "rook-ceph" : "nacre"
            for object in all
            where ["Role", "RoleBinding", "ServiceAccount", "Secret"].contains(object["kind"]?.string) {
                #expect(object["metadata", "namespace"]?.string == namespace, "\(key(object))")
            }
            for object in all where ["RoleBinding", "ClusterRoleBinding"].contains(object["kind"]?.string) {
                let subjects = object["subjects"]?.elements ?? []
                #expect(subjects.allSatisfy { $0["namespace"]?.string == namespace }, "\(key(object))")
            }
        }
    }

    @Test(
        "kubectl 1.20 and today's kustomize make the same of it",
        .enabled(if: Tool.oldKubectl.path != nil, "needs kubectl 1.20: run tools/kube-lab build"),
        arguments: folders
    )
    func oldAndNew(folder: String) async throws {
        try await inCopy { copy in
            func rendered(_ tool: Tool, _ verb: String) async throws -> [String: JSONValue] {
                let all = try await objects(tool, verb, copy.appending(path: folder))
                return Dictionary(all.map { (key($0), $0) }) { $1 }
            }
            let old = try await rendered(.oldKubectl, "kustomize")
            let new = try await rendered(.kustomize, "build")
            #expect(!new.isEmpty && Set(old.keys) == Set(new.keys))
            for (name, object) in new {
                var object = object
                // 1.20's gives a class the namespace of the overlay, which the API server does not look at.
                if object["kind"] == "StorageClass", let metadata = object["metadata"] {
                    object = object.with("metadata", metadata.with("namespace", old[name]?["metadata", "namespace"]))
                }
                // The order of keys differs.
                #expect(object.sorted == old[name]?.sorted, "\(name)")
            }
        }
    }
}

extension JSONValue {
    /// With the keys of every object in order.
    fileprivate var sorted: JSONValue {
        switch self {
        case .object(let members):
            var sorted: JSONValue = [:]
            for (name, value) in members.sorted(by: { $0.key < $1.key }) {
                sorted = sorted.with(name.text, value.sorted)
            }
            return sorted
        case .array(let elements): return .array(elements.map(\.sorted))
        default: return self
        }
    }
}
