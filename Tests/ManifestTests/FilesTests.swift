import CommandNames
import Foundation
import JSON
import KubernetesAPI
import Testing
import YAML

@testable import Provisioner

@Suite("Files of deploy/")
struct FilesTests {
    private static let overlays = ["rook", "external-ceph"]

    /// The value of `images` in the base.
    private func image() throws -> (name: String, tag: String) {
        let images = try Manifests.objects("base/kustomization.yaml").first?["images"]?.elements ?? []
        let placeholder = images.first?["name"]?.string
        #expect(images.count == 1 && placeholder == "nacre")
        return (images.first?["newName"]?.string ?? "", images.first?["newTag"]?.string ?? "")
    }

    @Test("The image is named in one place, by a name with a registry, and is of this version")
    func imageName() throws {
        let (name, tag) = try image()
        #expect(tag == CommandNames.version)
        let host = name.split(separator: "/").first ?? ""
        #expect(host.contains(".") && name.contains("/"), "'\(name)' names no registry")
        let own = try Regex(#"image: *"?([^\s"]*nacre[^\s"]*)"#)
        for path in try Manifests.files() where path != "base/kustomization.yaml" {
            let text = try Manifests.text(path)
            #expect(!text.contains("localhost/"), "deploy/\(path) names an image that nobody can pull")
            for match in text.matches(of: own) {
                #expect(match.output[1].substring == "nacre", "deploy/\(path) names the image too")
            }
            #expect(!text.contains(name), "deploy/\(path) names the image too")
        }
        let tool = try String(contentsOf: Manifests.root.appending(path: "tools/image"), encoding: .utf8)
        #expect(!tool.contains(name) && !tool.contains("localhost/nacre"), "tools/image has a name of its own")
    }

    @Test("No key is in a tracked file, and git ignores those that people put there")
    func keys() throws {
        let ignored = try Manifests.text("overlays/external-ceph/.gitignore").split(separator: "\n")
        #expect(ignored.contains("*.key"))
        let generators = try Manifests.objects("overlays/external-ceph/kustomization.yaml").first?["secretGenerator"]
        for generator in generators?.elements ?? [] {
            let files = generator["files"]?.strings ?? []
            #expect(!files.isEmpty && files.allSatisfy { $0.hasSuffix(".key") }, "\(files)")
            let literals = generator["literals"]?.strings ?? []
            #expect(literals.allSatisfy { $0.hasPrefix("userID=") }, "a key in kustomization.yaml")
        }
        // A Ceph key has 28 bytes and begins with 1 and 0: 40 characters with this prefix.
        let key = try Regex(#"\bAQ[A-Za-z0-9+/]{36}=="#)
        for path in try Manifests.files() {
            #expect(try Manifests.text(path).firstMatch(of: key) == nil, "deploy/\(path) holds a Ceph key")
        }
    }

    @Test("The agents' pods say that they show directories, by the labels that the controller looks for")
    func agentLabels() throws {
        let set = try #require(try Manifests.objects("base/node.yaml", "DaemonSet").first)
        let labels = set["spec", "template", "metadata", "labels"]?.stringMembers ?? [:]
        let component = AgentSurvey.componentLabel.split(separator: "=").map(String.init)
        #expect(labels[component[0]] == component[1])
        #expect(labels[AgentSurvey.directoriesLabel] == "true")
        // A selector cannot be changed, so it may not name what earlier releases lack.
        let selector = set["spec", "selector", "matchLabels"]?.stringMembers ?? [:]
        #expect(selector[AgentSurvey.directoriesLabel] == nil && selector.allSatisfy { labels[$0.key] == $0.value })
    }

    @Test("No class is made the default one", arguments: overlays)
    func defaultClass(overlay: String) throws {
        for storageClass in try Manifests.objects("overlays/\(overlay)/storageclasses.yaml", "StorageClass") {
            let name = storageClass["metadata", "name"]?.string ?? ""
            #expect(storageClass["metadata", "annotations"] == nil, "\(name)")
            #expect(storageClass["provisioner"]?.string == DriverSettings().driverName, "\(name)")
        }
    }

    @Test("Classes of an overlay are of one cluster and of pools that the users' caps of deploy/README.md name")
    func pools() throws {
        let page = try Manifests.text("README.md")
        let caps = Set(page.matches(of: /profile rbd pool=([a-z-]+)/).map { String($0.output.1) })
        for overlay in Self.overlays {
            let classes = try Manifests.objects("overlays/\(overlay)/storageclasses.yaml", "StorageClass")
            let pools = Set(classes.compactMap { $0["parameters", "pool"]?.string })
            #expect(!pools.isEmpty && pools.isSubset(of: caps), "\(overlay): \(pools), caps: \(caps)")
            #expect(Set(classes.compactMap { $0["parameters", "clusterID"]?.string }).count == 1)
        }
        let config = try JSONValue(parsing: Array(try Manifests.text("overlays/external-ceph/config.json").utf8))
        let classes = try Manifests.objects("overlays/external-ceph/storageclasses.yaml", "StorageClass")
        let known = config.elements.compactMap { $0["clusterID"]?.string }
        let named = classes.first?["parameters", "clusterID"]?.string ?? ""
        #expect(known.contains(named))
    }

    @Test("Examples name classes that both overlays have")
    func examples() throws {
        let known = try Self.overlays.map { overlay in
            Set(
                try Manifests.objects("overlays/\(overlay)/storageclasses.yaml", "StorageClass")
                    .compactMap { $0["metadata", "name"]?.string }
            )
        }
        var named: Set<String> = []
        for path in try Manifests.files() where path.hasPrefix("examples/") || path.hasPrefix("snapshots/example/") {
            for match in try Manifests.text(path).matches(of: /storageClass(?:Name)?: *([a-z0-9-]+)/) {
                named.insert(String(match.output.1))
            }
        }
        #expect(!named.isEmpty)
        for names in known {
            #expect(named.isSubset(of: names), "\(named.subtracting(names)) is no class of an overlay")
        }
    }
}
