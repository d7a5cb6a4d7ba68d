import ArgumentParser
import Foundation
import JSON
import KubernetesAPI
import Testing
import YAML

@testable import nacre

/// `deploy/cleanup`: what of it is read as it is, and what kustomize makes of it.
@Suite("Jobs of deploy/cleanup")
struct CleanupManifestTests {
    private static let fsid = "b9127830-b0cc-4e34-aa47-9d1a2e9949a8"
    private static let other = "11111111-2222-3333-4444-555555555555"

    /// What kustomization.yaml has to be filled in with, as the ConfigMap's data.
    private func settings() throws -> [String: String] {
        let generators =
            try Manifests.objects("cleanup/kustomization.yaml").first?["configMapGenerator"]?.elements ?? []
        let literals = generators.flatMap { $0["literals"]?.strings ?? [] }
        return Dictionary(
            uniqueKeysWithValues: literals.map { literal in
                let parts = literal.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                    String.init
                )
                return (parts[0], parts[1])
            }
        )
    }

    private func container() throws -> JSONValue {
        let job = try Manifests.objects("cleanup/job.yaml", "Job").first
        return try #require(job?["spec", "template", "spec", "containers"]?.elements.first)
    }

    /// The arguments as kubelet would give them, with these settings.
    private func arguments(_ changed: [String: String]) throws -> [String] {
        var values = try settings().merging(changed) { $1 }
        values["NODE_NAME"] = "worker-1"
        return (try container()["args"]?.strings ?? []).map { word in
            values.reduce(word) { $0.replacingOccurrences(of: "$(\($1.key))", with: $1.value) }
        }
    }

    @Test("As it is shipped nothing is confirmed, and no disk of another cluster goes")
    func shipped() throws {
        let settings = try settings()
        #expect(settings["CONFIRM"] == "" && settings["FOREIGN_FSID"] == "")
        #expect(settings["METHOD"] == "quick" && settings["FSID"] == "FSID", "the fsid is to be filled in")
    }

    @Test(
        "The program takes what the settings make of its arguments; each setting is used, and each that is used is there",
        arguments: [
            [:], ["CONFIRM": fsid], ["METHOD": "complete", "DATA_SOURCE": "random", "ITERATION": "3"],
            ["FOREIGN_FSID": "\(other) \(fsid)", "CONFIRM": "\(fsid) \(other)"],
        ]
    )
    func arguments(changed: [String: String]) throws {
        let words = try arguments(changed.merging(["FSID": Self.fsid]) { one, _ in one })
        #expect(words.allSatisfy { !$0.contains("$(") }, "\(words)")
        let command = try #require(try Nacre.parseAsRoot(words) as? NodeCleanup)
        #expect(command.fsid == Self.fsid && command.dataDir == "/var/lib/rook")
        #expect(command.method.rawValue == changed["METHOD"] ?? "quick")
        let args = try container()["args"]?.strings.joined() ?? ""
        for name in try settings().keys { #expect(args.contains("$(\(name))"), "\(name) is used by nothing") }
        #expect(throws: (any Error).self) { try Nacre.parseAsRoot(try arguments(["METHOD": "metadata"])) }
    }

    @Test("The pod has what an erasure needs of its node, and no more")
    func rights() throws {
        let job = try #require(try Manifests.objects("cleanup/job.yaml", "Job").first)
        let pod = try #require(job["spec", "template", "spec"])
        let volumes = (pod["volumes"]?.elements ?? []).compactMap { $0["hostPath", "path"]?.string }
        #expect(volumes == ["/dev", "/run/udev", "/var/lib/rook"] && pod["volumes"]?.elements.count == 3)
        #expect(pod["hostNetwork"] == nil && pod["hostIPC"] == nil)
        #expect(pod["restartPolicy"]?.string == "Never", "a Job that has ended never begins again")
        let container = try container()
        #expect(container["securityContext", "readOnlyRootFilesystem"]?.bool == true)
        #expect(container["terminationMessagePath"]?.string == "/tmp/summary", "below /dev it would be the node's")
        #expect(container["args"]?.strings.contains("--summary-file=/tmp/summary") ?? false)
        #expect(container["image"]?.string == "nacre")
        let mounts = (container["volumeMounts"]?.elements ?? []).map {
            "\($0["mountPath"]?.string ?? "") \($0["readOnly"]?.bool ?? false)"
        }
        #expect(mounts == ["/dev false", "/run/udev true", "/var/lib/rook false"])
        let rules = try Manifests.objects("cleanup/rbac.yaml", "Role").flatMap { $0["rules"]?.elements ?? [] }
        #expect(rules.count == 1)
        #expect(
            rules.first?["resources"]?.strings == ["events"] && rules.first?["verbs"]?.strings == ["create", "patch"]
        )
        #expect(try Manifests.objects("cleanup/rbac.yaml", "ClusterRole").isEmpty)
    }

    @Test(
        "Each node of nodes.yaml has a Job of its own, on that node, whatever the number of nodes",
        .enabled(if: Tool.kustomize.path != nil, Tool.lack),
        arguments: [["worker-1"], ["worker-1", "worker-2"], ["a", "b.example.org", "c"]]
    )
    func nodes(names: [String]) async throws {
        try await inDirectory { directory in
            let copy = directory.appending(path: "cleanup")
            try FileManager.default.copyItem(at: Manifests.file("cleanup").standardizedFileURL, to: copy)
            let text = try Manifests.text("cleanup/nodes.yaml")
            let first = try #require(text.components(separatedBy: "\n---\n").first)
            let nodes = names.map { first.replacingOccurrences(of: "worker-1", with: $0) }.joined(separator: "\n---\n")
            try nodes.write(to: copy.appending(path: "nodes.yaml"), atomically: true, encoding: .utf8)
            let file = copy.appending(path: "kustomization.yaml")
            let filled = try String(contentsOf: file, encoding: .utf8)
                .replacingOccurrences(of: "newName: IMAGE", with: "newName: registry.here/nacre\n  newTag: \"9\"")
            try filled.write(to: file, atomically: true, encoding: .utf8)
            let (built, isWell) = try await Tool.kustomize.run(["build", copy.path])
            try #require(isWell, "\(built)")
            let objects = try built.components(separatedBy: "\n---\n").map {
                try JSONValue(parsingYAML: Array($0.utf8))
            }
            let jobs = objects.filter { $0["kind"]?.string == "Job" }
            #expect(jobs.compactMap { $0["spec", "template", "spec", "nodeName"]?.string }.sorted() == names.sorted())
            let wanted = try #require(try Manifests.objects("cleanup/job.yaml", "Job").first)
            for job in jobs {
                let node = job["spec", "template", "spec", "nodeName"]?.string ?? ""
                #expect(job["metadata", "name"]?.string == "nacre-cleanup-\(node)")
                #expect(job["metadata", "namespace"]?.string == "nacre-cleanup")
                let container = job["spec", "template", "spec", "containers"]?.elements.first
                #expect(container?["image"]?.string == "registry.here/nacre:9")
                #expect(container?["args"]?.strings == (try self.container())["args"]?.strings)
                #expect(job["spec", "backoffLimit"] == wanted["spec", "backoffLimit"])
                #expect(job["spec", "template", "spec", "serviceAccountName"]?.string == "nacre-cleanup")
            }
            let kinds = Set(objects.compactMap { $0["kind"]?.string })
            #expect(kinds == ["ConfigMap", "Job", "Namespace", "Role", "RoleBinding", "ServiceAccount"])
        }
    }
}
