import Foundation
import Glibc
import JSON
import KubernetesAPI
import Secrets
import TestSupport
import Testing

/// The real Kubernetes that `tools/test kubernetes` starts with `tools/kube-lab`, found by NACRE_KUBE_DIR.
enum KubeLab {
    /// Its directory.
    static var directory: String? { getenv("NACRE_KUBE_DIR").map { String(cString: $0) } }

    /// Whether there is one, and a Ceph beside it; tests that lack it say so.
    static var isThere: Bool { directory != nil && MicroCluster.isThere }

    /// What tests without one say.
    static let lack: Comment = "needs a real Kubernetes and Ceph: run tools/test kubernetes, or set NACRE_KUBE_DIR"

    /// Whether its node is a guest of tools/kernel-lab.
    static var isGuest: Bool { isThere && getenv("NACRE_LAB_DIR") != nil }

    /// What tests without such a node say.
    static let noGuest: Comment = "needs a node with a kernel of its own: run tools/test kubernetes"

    /// The administrator's kubeconfig.
    static var administrator: String {
        get throws { "\(try #require(directory))/admin.kubeconfig" }
    }

    /// A client as the administrator.
    static func client() throws -> KubernetesClient {
        try KubernetesClient(ClusterIdentity.kubeconfig(at: administrator), userAgent: "nacre-tests")
    }

    /// Runs a verb of `tools/kube-lab` on it.
    static func lab(_ words: String...) async throws {
        var folder = URL(filePath: #filePath)
        while folder.lastPathComponent != "Tests" { folder.deleteLastPathComponent() }
        let tool = folder.deletingLastPathComponent().appending(path: "tools/kube-lab").path
        let process = try ChildProcess(
            tool,
            words + ["--dir", try #require(directory), "-q"],
            log: "/tmp/nacre-kube-lab-\(getpid()).log"
        )
        #expect(try await process.end(within: .seconds(240)) == .exited(0), "kube-lab \(words)")
    }
}

/// A world of one test: a namespace, a driver, a class, and controllers that see to them.
final class World: Sendable {
    let cluster: MicroCluster
    let client: KubernetesClient
    /// What everything of this test is called.
    let name: String
    let driver: String
    let directory: String
    let census: PoolCensus
    static let pool = "replicapool"

    init() async throws {
        cluster = try #require(MicroCluster.current)
        client = try KubeLab.client()
        name = "t\(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
        driver = "\(name).nacre.io"
        directory = "/tmp/nacre-\(name)"
        census = try PoolCensus(cluster, pool: Self.pool)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try await makeNamespace()
    }

    /// Makes the namespace, and the Secret of the provisioner's user in it.
    func makeNamespace() async throws {
        _ = try await client.call(
            .create(
                "/api/v1/namespaces",
                ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)]]
            )
        )
        let credentials = try cluster.provisioner
        let data: JSONValue = [
            "userID": .string(credentials.userID),
            "userKey": .string(credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }),
        ]
        _ = try await client.call(
            .create(
                "/api/v1/namespaces/\(name)/secrets",
                ["apiVersion": "v1", "kind": "Secret", "metadata": ["name": "ceph"], "stringData": data]
            )
        )
    }

    /// Ends the world: its claims, its class, its namespace.
    func end() async throws {
        for claim in try await claims() {
            _ = try? await client.call(.delete(APIPath.claim(name, claim.metadata.name), uid: claim.metadata.uid))
        }
        _ = try? await client.call(APICall(.delete, "/api/v1/namespaces/\(name)"))
        _ = try? await client.call(APICall(.delete, "\(APIPath.storageClasses)/\(name)"))
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Makes the class.
    func makeClass(
        _ className: String? = nil,
        parameters: [String: String] = [:],
        fields: [String: JSONValue] = [:]
    ) async throws {
        var all = [
            "clusterID": try cluster.clusterID, "pool": Self.pool, "imageFeatures": "layering",
            "volumeNamePrefix": "\(name)-",
            "csi.storage.k8s.io/provisioner-secret-name": "ceph",
            "csi.storage.k8s.io/provisioner-secret-namespace": name,
        ]
        for (key, value) in parameters { all[key] = value.isEmpty ? nil : value }
        var object: JSONValue = [
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": ["name": .string(className ?? name)], "provisioner": .string(driver),
            "allowVolumeExpansion": true, "parameters": JSONValue(all),
        ]
        for (key, value) in fields { object = object.with(key, value) }
        _ = try await client.call(.create(APIPath.storageClasses, object))
    }

    /// Makes a claim.
    @discardableResult
    func claim(
        _ claimName: String,
        size: String = "64Mi",
        spec: [String: JSONValue] = [:],
        annotations: [String: String] = [:]
    ) async throws -> PersistentVolumeClaim {
        var whole: JSONValue = [
            "accessModes": ["ReadWriteOnce"], "storageClassName": .string(name),
            "resources": ["requests": ["storage": .string(size)]],
        ]
        for (key, value) in spec { whole = whole.with(key, value) }
        let object = try await client.call(
            .create(
                "/api/v1/namespaces/\(name)/persistentvolumeclaims",
                [
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": ["name": .string(claimName), "annotations": JSONValue(annotations)], "spec": whole,
                ]
            )
        )
        return try #require(PersistentVolumeClaim(object))
    }

    func claims() async throws -> [PersistentVolumeClaim] {
        try await client.call(.get("/api/v1/namespaces/\(name)/persistentvolumeclaims"))["items"]?.elements
            .compactMap { PersistentVolumeClaim($0) } ?? []
    }

    func claim(named claimName: String) async throws -> PersistentVolumeClaim? {
        try await claims().first { $0.metadata.name == claimName }
    }

    /// The PersistentVolumes that name this test's driver or class.
    func volumes() async throws -> [PersistentVolume] {
        try await client.call(.get(APIPath.persistentVolumes))["items"]?.elements
            .compactMap { PersistentVolume($0) }
            .filter { $0.provisionedBy == driver || $0.className.hasPrefix(name) } ?? []
    }

    /// The images of this test.
    func images() async throws -> [String] { try await census.images(prefix: "\(name)-") }

    /// The names of its images that lie in the trash.
    func trash() async throws -> [String] {
        try await census.rawTrash().map(\.name).filter { $0.hasPrefix("\(name)-") }
    }

    /// An image's size, as Ceph's own program tells it.
    func imageBytes(_ image: String) async throws -> Int64? {
        let log = "\(directory)/info-\(UInt32.random(in: 0...UInt32.max))"
        let words = ["-c", "\(cluster.directory)/ceph.conf", "info", "--format", "json", "\(Self.pool)/\(image)"]
        let process = try ChildProcess("/usr/bin/rbd", words, log: log)
        #expect(try await process.end() == .exited(0))
        return try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: log))))["size"]?.int64
    }

    func delete(_ claim: PersistentVolumeClaim) async throws {
        _ = try await client.call(.delete(APIPath.claim(name, claim.metadata.name), uid: claim.metadata.uid))
    }

    /// The messages of the events about an object: `reason: message`.
    func events(about uid: String) async throws -> [String] {
        var found: [String] = []
        for namespace in [name, "default"] {
            let list = try await client.call(.get(APIPath.events(namespace)))["items"]?.elements ?? []
            for event in list where event["involvedObject", "uid"]?.string == uid {
                found.append("\(event["reason"]?.string ?? ""): \(event["message"]?.string ?? "")")
            }
        }
        return found
    }

    /// Waits until so many claims are bound, and their volumes to them; an API server that fails is asked again.
    func waitBound(_ count: Int, within limit: Duration = .seconds(180)) async throws {
        try await eventually("\(count) claims are bound", within: limit) {
            guard let claims = try? await claims(), let volumes = try? await volumes() else { return false }
            let bound = Set(claims.filter { $0.phase == .bound && !$0.volumeName.isEmpty }.map(\.volumeName))
            return bound.count == count
                && volumes.allSatisfy { !bound.contains($0.metadata.name) || $0.phase == .bound }
        }
    }

    /// Waits until nothing is left of volumes.
    func waitGone(within limit: Duration = .seconds(180)) async throws {
        do {
            try await eventually("no volume is left", within: limit) {
                guard let volumes = try? await volumes(), let images = try? await images() else { return false }
                return volumes.isEmpty && images.isEmpty
            }
        } catch {
            for volume in try await volumes() {
                let told = try await events(about: volume.metadata.uid).joined(separator: "\n  ")
                let claim = volume.claim?.name ?? ""
                Issue.record("\(volume.metadata.name) is left, \(volume.phase), its claim \(claim): \(told)")
            }
            for image in try await images() { Issue.record("the image \(image) is left") }
            throw error
        }
    }

    /// Starts a controller and waits until it serves its socket.
    func controller(
        kubeconfig: String? = nil,
        _ id: String = "a",
        _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        let process = try ChildProcess(
            NacreProcess.program,
            [
                "controller", "run", "--kubeconfig", try kubeconfig ?? KubeLab.administrator,
                "--driver-name", driver, "--lease-namespace", name, "--lease-duration", "10", "--identity", id,
                "--config", cluster.configurationPath, "--socket", socket(id), "--state-dir",
                "\(directory)/state-\(id)",
                "--log-level", "debug",
            ] + arguments,
            environment: environment,
            log: log(id)
        )
        return process
    }

    func socket(_ id: String) -> String { "\(directory)/\(id).sock" }
    func log(_ id: String) -> String { "\(directory)/\(id).log" }
    func logText(_ id: String = "a") -> String { (try? String(contentsOfFile: log(id), encoding: .utf8)) ?? "" }

    func holder() async throws -> String {
        let lease = try? await client.call(.get(APIPath.leases(name, LeaderElection.leaseName(for: driver))))
        return lease?["spec", "holderIdentity"]?.string ?? ""
    }
}

/// Runs `body` in a world of its own, and ends that world whatever happens.
func inWorld(_ body: (World) async throws -> Void) async throws {
    let world = try await World()
    do {
        try await body(world)
    } catch {
        try? await world.end()
        throw error
    }
    try await world.end()
}
