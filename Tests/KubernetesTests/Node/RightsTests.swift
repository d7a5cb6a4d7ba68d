import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// A controller and an agent as deploy/ lets them: by its service accounts, with its Roles, and with Secrets by name.
@Suite("Rights and metrics of deploy/", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct RightsTests {
    private static let users = ["provisioner": "ceph", "node": "ceph-node"]

    @Test("A volume's whole life needs no more than deploy/ grants, and what is served is what the manual says")
    func life() async throws {
        try await World.installSnapshots()
        try await inWorld { world in
            try await prepare(world)
            let waits: [String: JSONValue] = ["volumeBindingMode": "WaitForFirstConsumer"]
            let secrets = [
                "csi.storage.k8s.io/fstype": "xfs", "csi.storage.k8s.io/node-stage-secret-name": "ceph-node",
                "csi.storage.k8s.io/node-stage-secret-namespace": world.name,
            ]
            try await world.makeClass(parameters: secrets)
            // By the one way, and by the other.
            try await world.makeClass(
                "\(world.name)-later",
                parameters: secrets.merging(["nodeDelivery": "flexVolume"]) { $1 },
                fields: waits
            )
            try await world.makeClass("\(world.name)-none", parameters: ["pool": "nosuch"])
            try await deployment(world)
            let pod = try await ownPod(world)
            let ports = (controller: try FreePort.next(), agent: try FreePort.next())
            let controller = try await world.controller(
                kubeconfig: try await kubeconfig(world, "controller"),
                "a",
                ["--metrics-address", "127.0.0.1:\(ports.controller)"],
                environment: ["POD_NAME": pod, "POD_NAMESPACE": world.name]
            )
            let agent = try await world.agent(
                kubeconfig: try await kubeconfig(world, "node"),
                "agent",
                ["--metrics-address", "127.0.0.1:\(ports.agent)"]
            )
            do {
                try await live(world)
                try await expectServed("controller", ports.controller, world)
                // It looks at the servers every ten seconds.
                try await eventually("the agent counts I/O") {
                    try await served("agent", ports.agent, world).samples.contains {
                        $0.name == "nacre_image_writes_total" && (Double($0.value) ?? 0) > 0
                    }
                }
                try await expectServed("agent", ports.agent, world)
            } catch {
                Issue.record("\(error)\n\(world.logText().suffix(3000))\n\(world.logText("agent").suffix(3000))")
            }
            await world.endSnapshotClass()
            for pod in ["file", "raw", "later"] { try? await world.deletePod(pod) }
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await eventually("the objects of room that nobody needs are gone") {
                _ = try? await world.client.call(APICall(.delete, "\(APIPath.storageClasses)/\(world.name)-later"))
                return try await rooms(world) == 0
            }
            for name in ["none"] {
                _ = try? await world.client.call(APICall(.delete, "\(APIPath.storageClasses)/\(world.name)-\(name)"))
            }
            _ = try await agent.stop()
            #expect(try await controller.stop() == .exited(0))
            for id in ["a", "agent"] {
                let refused = world.logText(id).split(separator: "\n").filter {
                    $0.contains("forbidden") || $0.contains("RBAC does not allow")
                }
                #expect(refused.isEmpty, "\(refused.joined(separator: "\n"))")
            }
        }
    }

    @Test("Nobody reads another's Secret, or lists any")
    func secrets() async throws {
        try await inWorld { world in
            try await prepare(world)
            for (who, own, others) in [
                ("controller", "ceph", ["ceph-node", "admin"]), ("node", "ceph-node", ["ceph", "admin"]),
            ] {
                let account = "system:serviceaccount:\(world.name):\(world.name)-nacre-\(who)"
                func mayI(_ verb: String, _ what: String) async throws -> Bool {
                    try await KubeLab.kubectl("auth", "can-i", "-n", world.name, "--as", account, verb, what)
                        .end == .exited(0)
                }
                #expect(try await mayI("get", "secret/\(own)"), "\(who)")
                for other in others { #expect(!(try await mayI("get", "secret/\(other)")), "\(who) reads \(other)") }
                for verb in ["list", "watch", "create", "patch"] {
                    #expect(!(try await mayI(verb, "secrets")), "\(who)")
                }
                #expect(!(try await mayI("create", "pods")), "\(who)")
            }
        }
    }

    /// Claims of all kinds: a file system that grows, a raw device, one that waits for its pod, and one that fails.
    private func live(_ world: World) async throws {
        try await world.claim("fails", spec: ["storageClassName": .string("\(world.name)-none")])
        try await world.claim("file", size: "320Mi")
        try await world.claim("raw", spec: ["volumeMode": "Block"])
        try await world.claim("later", size: "320Mi", spec: ["storageClassName": .string("\(world.name)-later")])
        try await eventually("room is told") { try await rooms(world) == 1 }
        for name in ["file", "raw", "later"] {
            try await world.pod(name, claim: name, asDevice: name == "raw")
            try await world.waitReady(name)
        }
        _ = try await world.shell("file", "echo kept | dd of=/data/file conv=fsync")
        try await world.grow("file", to: "640Mi")
        try await eventually("the claim has grown") {
            try await world.claim(named: "file")?.capacityBytes == 640 << 20
        }
        try await snapshots(world)
        let failing = try #require(try await world.claim(named: "fails"))
        try await eventually("the claim of no pool is told why") {
            try await world.events(about: failing.metadata.uid).contains { $0.hasPrefix("ProvisioningFailed") }
        }
        try await eventually("the agent serves metrics") { world.logText("agent").contains("serving metrics") }
        try await Task.sleep(for: .seconds(12))
    }

    /// A snapshot of a volume that a pod has, by a class that names no Secret, and a claim from it.
    private func snapshots(_ world: World) async throws {
        try await world.makeSnapshotClass()
        try await world.snapshot("s", of: "raw")
        try await world.waitTaken("s")
        let block: [String: JSONValue] = ["volumeMode": "Block"]
        try await world.claim("restored", spec: block.merging(World.source(snapshot: "s")) { $1 })
        try await world.claim("copy", spec: block.merging(World.source(claim: "raw")) { $1 })
        try await eventually("both are filled") {
            try await world.claims().filter { $0.metadata.name == "restored" || $0.metadata.name == "copy" }
                .allSatisfy { $0.phase == .bound }
        }
        try await world.deleteSnapshot("s")
        try await world.waitNoSnapshots()
    }

    private func rooms(_ world: World) async throws -> Int {
        let path = APIPath.storageCapacities(world.name, version: "v1alpha1")
        return try await world.client.call(.get(path))["items"]?.elements.count ?? 0
    }

    /// The Secrets, and the Roles of deploy/ for this world's names.
    private func prepare(_ world: World) async throws {
        let ceph = try await world.client.call(.get(APIPath.secret(world.name, "ceph")))
        for name in ["ceph-node", "admin"] {
            let copy: JSONValue = [
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": .string(name)],
                "data": try #require(ceph["data"]),
            ]
            _ = try await world.client.call(.create("/api/v1/namespaces/\(world.name)/secrets", copy))
        }
        let folder = "\(world.directory)/rights"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let files = ["base/controller-rbac.yaml", "base/node-rbac.yaml", "overlays/external-ceph/secrets.yaml"]
        for (number, file) in files.enumerated() {
            let text = try String(contentsOfFile: KubeLab.file("deploy/\(file)"), encoding: .utf8)
            let named = text.replacing("[csi-rbd-provisioner]", with: "[ceph]")
                .replacing("[csi-rbd-node]", with: "[ceph-node]")
                .replacing("[rbd-nacre-io]", with: "[\(LeaderElection.leaseName(for: world.driver))]")
            try named.write(toFile: "\(folder)/\(number).yaml", atomically: true, encoding: .utf8)
        }
        let kustomization =
            "namespace: \(world.name)\nnamePrefix: \(world.name)-\nresources: [0.yaml, 1.yaml, 2.yaml]\n"
        try kustomization.write(toFile: "\(folder)/kustomization.yaml", atomically: true, encoding: .utf8)
        let output = try await KubeLab.kubectl("apply", "-k", folder)
        try #require(output.end == .exited(0), "\(output.text)")
    }

    /// A kubeconfig of an account of deploy/.
    private func kubeconfig(_ world: World, _ who: String) async throws -> String {
        let account = "/api/v1/namespaces/\(world.name)/serviceaccounts/\(world.name)-nacre-\(who)"
        var token = ""
        try await eventually("the account has a token") {
            guard let name = try await world.client.call(.get(account))["secrets"]?.elements.first?["name"]?.string,
                let text = try await world.client.call(.get(APIPath.secret(world.name, name)))["data", "token"]?.string,
                let data = Data(base64Encoded: text)
            else { return false }
            token = String(decoding: data, as: UTF8.self)
            return true
        }
        let admin = try String(contentsOfFile: "\(try #require(KubeLab.directory))/admin.kubeconfig", encoding: .utf8)
        let path = "\(world.directory)/\(who).kubeconfig"
        try admin.replacing(/user: \{client-certificate: .*\}/, with: "user: {token: \(token)}")
            .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// What the controller's pod would be: a Deployment's, which owns the objects of room.
    private func deployment(_ world: World) async throws {
        let labels: JSONValue = ["app": "stand-in"]
        let container: JSONValue = [
            "name": "shell", "image": "docker.io/local/busybox:1", "command": ["sleep", "100000"],
        ]
        let object: JSONValue = [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "stand-in"],
            "spec": [
                "selector": ["matchLabels": labels],
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "hostNetwork": true, "terminationGracePeriodSeconds": 0, "containers": .array([container]),
                    ],
                ],
            ],
        ]
        _ = try await world.client.call(.create("/apis/apps/v1/namespaces/\(world.name)/deployments", object))
    }

    private func ownPod(_ world: World) async throws -> String {
        var name: String?
        try await eventually("the stand-in has a pod") {
            let pods = try await world.client.call(.get(APIPath.pods(world.name)))["items"]?.elements ?? []
            name = pods.first { $0["metadata", "labels", "app"]?.string == "stand-in" }?["metadata", "name"]?.string
            return name != nil
        }
        return try #require(name)
    }

    /// That the program serves what the table says, and all of it but what counts failures that did not happen.
    ///
    /// With NACRE_RECORD_METRICS, a directory, it is kept there: the alerts are tried on it.
    private func expectServed(_ program: String, _ port: UInt16, _ world: World) async throws {
        let served = try await self.served(program, port, world)
        if let directory = getenv("NACRE_RECORD_METRICS").map({ String(cString: $0) }) {
            let text = try String(contentsOfFile: "\(world.directory)/\(program).prom", encoding: .utf8)
            try text.replacing(world.name, with: "postgres")
                .write(toFile: "\(directory)/\(program).prom", atomically: true, encoding: .utf8)
        }
        let table = try MetricsTable(page: KubeLab.file("Sources/Manual/Manual.docc/Metrics.md"))
        for sample in served.samples {
            let row = table.row(ofSeries: sample.name)
            #expect(row?.labels == Set(sample.labels.keys).subtracting(["le"]), "\(sample.name)")
            #expect(row?.of == program || row?.of == "both", "\(sample.name) is not said to be the \(program)'s")
        }
        for (name, kind) in served.kinds {
            #expect(table.rows[name]?.kind == kind, "\(name)")
            #expect(served.helps[name] != nil, "\(name)")
        }
        for row in table.rows.values where row.of == program || row.of == "both" {
            // Calls on the socket, deletes and failures come when they come.
            let isRare =
                row.name.contains("_failed_") || row.name.contains("_delete_") || row.name.hasPrefix("nacre_request")
            #expect(isRare || served.kinds[row.name] != nil, "the \(program) does not serve \(row.name)")
        }
    }

    /// What the program serves now; it stands in `PROGRAM.prom`, too.
    private func served(_ program: String, _ port: UInt16, _ world: World) async throws -> Exposition {
        let log = "\(world.directory)/\(program).prom"
        try? FileManager.default.removeItem(atPath: log)
        let words = ["-fsS", "--max-time", "60", "http://127.0.0.1:\(port)/metrics"]
        #expect(try await ChildProcess("/usr/bin/curl", words, log: log).end() == .exited(0))
        return Exposition(try String(contentsOfFile: log, encoding: .utf8))
    }
}
