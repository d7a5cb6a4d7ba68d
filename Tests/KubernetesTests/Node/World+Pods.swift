import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// What a program printed, and how it ended.
struct Output: Sendable {
    let text: String
    let end: ChildProcess.End
}

/// A class' `nodeDelivery`.
enum Delivery: String, CaseIterable, Sendable {
    case byDefault = ""
    case local
    case flexVolume

    /// The two that there are.
    static let both: [Delivery] = [.local, .flexVolume]
}

extension KubeLab {
    private static var root: URL {
        var folder = URL(filePath: #filePath)
        while folder.lastPathComponent != "Tests" { folder.deleteLastPathComponent() }
        return folder.deletingLastPathComponent()
    }

    /// A file of the repository.
    static func file(_ path: String) -> String { root.appending(path: path).path }

    /// Runs a verb of `tools/kube-lab` and returns what it printed, errors too.
    static func run(_ words: [String], within limit: Duration = .seconds(180)) async throws -> Output {
        let log = "/tmp/nacre-kube-lab-\(UInt32.random(in: 0...UInt32.max)).out"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let directory = try #require(directory)
        let process = try ChildProcess(
            file("tools/kube-lab"),
            [words[0], "--dir", directory] + words.dropFirst(),
            log: log
        )
        let end = try await process.end(within: limit)
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
    }

    /// Runs kubectl as the administrator.
    static func kubectl(_ words: String..., within limit: Duration = .seconds(180)) async throws -> Output {
        try await run(["kubectl"] + words, within: limit)
    }

    /// Runs a program in the node's mounts.
    static func onNode(_ words: String...) async throws -> Output {
        try await run(["exec", "--node", "n1"] + words)
    }
}

extension World {
    /// Starts the node's agent and waits until it answers kubelet's driver.
    func agent(
        kubeconfig: String? = nil,
        _ id: String = "agent",
        _ arguments: [String] = [],
        crashAt step: String? = nil
    ) async throws -> ChildProcess {
        let environment = step.map { ["env", "NACRE_CRASH_AT=\($0)"] } ?? []
        let process = try ChildProcess(
            KubeLab.file("tools/kube-lab"),
            [
                "exec", "--dir", try #require(KubeLab.directory), "--node", "n1",
            ] + environment + [
                NacreProcess.program, "node", "run",
                "--node-id", "n1", "--driver-name", driver, "--config", cluster.configurationPath,
                "--kubeconfig", try kubeconfig ?? KubeLab.administrator, "--log-level", "debug",
            ] + arguments,
            log: log(id)
        )
        try await eventually("the agent answers kubelet's driver: \(logText(id))") {
            try await KubeLab.onNode(NacreProcess.program + "-flex", "ping").end == .exited(0)
        }
        return process
    }

    /// The class of volumes that pods get, with the Secrets of both users.
    func makePodClass(
        _ fileSystem: String = "xfs",
        mounter: String = "",
        delivery: Delivery = .byDefault
    ) async throws {
        try await makeClass(
            parameters: [
                "csi.storage.k8s.io/fstype": fileSystem, "csi.storage.k8s.io/node-stage-secret-name": "ceph",
                "csi.storage.k8s.io/node-stage-secret-namespace": name, "mounter": mounter,
                "nodeDelivery": delivery.rawValue,
            ]
        )
    }

    /// A pod on the node's network that sleeps, with a claim at `/data`, or as the device `/dev/data`.
    ///
    /// - Parameters:
    ///   - podName: Its name.
    ///   - claim: The claim's name.
    ///   - asDevice: Whether it wants a raw device.
    ///   - fields: Members of the pod's `spec` that take the place of the usual ones.
    /// - Throws: What the API server answers.
    func pod(
        _ podName: String,
        claim: String,
        asDevice: Bool = false,
        fields: [String: JSONValue] = [:]
    ) async throws {
        let place: JSONValue =
            asDevice
            ? ["volumeDevices": [["name": "data", "devicePath": "/dev/data"]]]
            : ["volumeMounts": [["name": "data", "mountPath": "/data"]]]
        var container: JSONValue = [
            "name": "shell", "image": "docker.io/local/busybox:1", "command": ["sleep", "100000"],
        ]
        for key in ["volumeDevices", "volumeMounts"] { container = container.with(key, place[key]) }
        var spec: JSONValue = [
            "hostNetwork": true, "terminationGracePeriodSeconds": 0, "securityContext": ["fsGroup": 2000],
            "containers": .array([container]),
            "volumes": [["name": "data", "persistentVolumeClaim": ["claimName": .string(claim)]]],
        ]
        for (key, value) in fields { spec = spec.with(key, value) }
        let object: JSONValue = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(podName)], "spec": spec,
        ]
        _ = try await client.call(.create("/api/v1/namespaces/\(name)/pods", object))
    }

    /// Waits until a pod is ready.
    func waitReady(_ podName: String) async throws {
        try await eventually("pod \(podName) is ready") {
            let pod = try? await client.call(.get("/api/v1/namespaces/\(name)/pods/\(podName)"))
            let conditions = pod?["status", "conditions"]?.elements ?? []
            return conditions.contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
        }
    }

    /// Begins a line of ``shell(_:_:)`` that must not be run twice in a pod.
    static let once = "mkdir /dev/shm/once 2> /dev/null || exit 0;"

    /// Runs a shell's line in a pod, and again when that failed.
    ///
    /// A kubelet that has just come up does not know its pods for a while.
    func shell(_ podName: String, _ line: String) async throws -> String {
        var output = Output(text: "", end: .exited(1))
        let last = ContinuousClock.now + .seconds(180)
        repeat {
            output = try await KubeLab.kubectl("exec", "-n", name, podName, "--", "sh", "-c", line)
            if output.end == .exited(0) { break }
            try await Task.sleep(for: .seconds(1))
        } while .now < last
        #expect(output.end == .exited(0), "\(podName): \(line): \(output.text)")
        return output.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Deletes a pod and waits until kubelet has let go of it.
    func deletePod(_ podName: String) async throws {
        _ = try? await client.call(APICall(.delete, "/api/v1/namespaces/\(name)/pods/\(podName)"))
        try await eventually("pod \(podName) is gone") {
            try await KubeLab.kubectl("get", "pod", "-n", name, podName, "-o", "name").end != .exited(0)
        }
    }

    /// Asks for a larger claim.
    func grow(_ claimName: String, to size: String) async throws {
        _ = try await client.call(
            .patch(
                APIPath.claim(name, claimName),
                .merge,
                ["spec": ["resources": ["requests": ["storage": .string(size)]]]]
            )
        )
    }

    /// Waits until the node has nothing of this test's volumes any more.
    func waitUnmapped(within limit: Duration = .seconds(240)) async throws {
        try await eventually("the node has let go of all volumes", within: limit) {
            let volumes = Set(try await volumes().map(\.metadata.name))
            let mounts = try await KubeLab.onNode("cat", "/proc/self/mountinfo").text
            return !mounts.contains("\(name)-") && !volumes.contains { mounts.contains($0) }
        }
    }
}

/// A world with a controller and an agent in it; pods and volumes are gone before these are.
func inNodeWorld(
    _ fileSystem: String = "xfs",
    mounter: String = "",
    delivery: Delivery = .byDefault,
    _ body: (World, ChildProcess) async throws -> Void
) async throws {
    try await inWorld { world in
        try await world.makePodClass(fileSystem, mounter: mounter, delivery: delivery)
        let controller = try await world.controller()
        let agent = try await world.agent()
        do {
            try await body(world, agent)
        } catch {
            Issue.record("\(error)\n\(world.logText("agent").suffix(4000))")
        }
        for claim in try await world.claims() { try? await world.delete(claim) }
        try await world.waitGone()
        _ = try? await agent.stop()
        _ = try await controller.stop()
    }
}
