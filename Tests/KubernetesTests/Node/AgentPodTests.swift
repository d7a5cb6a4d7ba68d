import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("The agent in a pod of its own", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct AgentPodTests {
    /// A DaemonSet as deploy/base has it, but for the image: what that would hold is the node's own.
    private func daemonSet(_ world: World) async throws -> JSONValue {
        let lab = try #require(KubeLab.directory)
        let words: [JSONValue] = [
            .string(NacreProcess.program), "node", "run", "--node-id", "n1", "--driver-name", .string(world.driver),
            "--config", .string(world.cluster.configurationPath), "--kubeconfig", .string("\(lab)/admin.kubeconfig"),
            "--log-level", "debug",
        ]
        let programs = URL(filePath: NacreProcess.program).deletingLastPathComponent().path
        let shared = ["/var/lib/kubelet", "/var/lib/nacre", "/run/nacre"]
        // Paths are the node's: the kernel tells what a loop device stands on by them.
        let places = ["/usr", "/lib", "/lib64", "/dev", "/sys", "/sys/fs/cgroup"]
        let own = [programs, lab, world.cluster.directory]
        let all = shared + places + own + (try await Self.swiftLibraries())
        let volumes = all.enumerated().map { number, path -> JSONValue in
            ["name": "v\(number)", "hostPath": ["path": .string(path)]]
        }
        let mounts = all.enumerated().map { number, path -> JSONValue in
            let mount: JSONValue = ["name": "v\(number)", "mountPath": .string(path)]
            return mount.with("mountPropagation", shared.contains(path) ? "Bidirectional" : JSONValue?.none)
        }
        let container: JSONValue = [
            "name": "node", "image": "docker.io/local/busybox:1", "command": .array(words),
            "env": [["name": "PATH", "value": "/usr/sbin:/usr/bin:/sbin:/bin"]],
            "securityContext": ["privileged": true], "volumeMounts": .array(mounts),
        ]
        let labels: JSONValue = ["app": "agent"]
        return [
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": ["name": "agent"],
            "spec": [
                "selector": ["matchLabels": labels],
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "hostNetwork": true, "hostPID": true, "terminationGracePeriodSeconds": 5,
                        "containers": .array([container]), "volumes": .array(volumes),
                    ],
                ],
            ],
        ]
    }

    /// Where Swift's own libraries are, for a program that is not linked with them.
    static func swiftLibraries() async throws -> [String] {
        let needed = try await KubeLab.onNode("ldd", NacreProcess.program).text
        let paths = needed.split(separator: "\n").compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("/") && $0.hasSuffix("/libswiftCore.so") }
        }
        let folders = paths.map { URL(filePath: String($0)).deletingLastPathComponent().path }
        return folders.filter { !$0.hasPrefix("/usr/") }
    }

    private func waitAnswering() async throws {
        try await eventually("the agent answers kubelet's driver", within: .seconds(240)) {
            try await KubeLab.onNode(NacreProcess.program + "-flex", "ping").end == .exited(0)
        }
    }

    /// The agent's pod of now, when it is ready.
    private func agentPod(_ world: World) async throws -> String? {
        let list = try await world.client.call(.get(APIPath.pods(world.name)))["items"]?.elements ?? []
        return list.first { pod in
            pod["metadata", "labels", "app"]?.string == "agent" && pod["metadata", "deletionTimestamp"] == nil
                && (pod["status", "conditions"]?.elements ?? [])
                    .contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
        }?["metadata", "name"]?.string
    }

    /// Which processes serve this test's images, in the agent's own words.
    private func servers(_ world: World) async throws -> String {
        try await KubeLab.onNode("sh", "-c", "cat /var/lib/nacre/mappings/*\(world.name)-*/server.json").text
    }

    @Test(
        "A pod writes on while the agent's pod is deleted and comes back, by the same server process",
        arguments: Delivery.both
    )
    func restart(delivery: Delivery) async throws {
        try await inWorld { world in
            try await world.makePodClass("xfs", delivery: delivery)
            let controller = try await world.controller()
            let sets = "/apis/apps/v1/namespaces/\(world.name)/daemonsets"
            _ = try await world.client.call(.create(sets, try await daemonSet(world)))
            try await waitAnswering()
            try await eventually("the agent's pod is ready", within: .seconds(240)) { try await agentPod(world) != nil }
            let first = try #require(try await agentPod(world))

            try await world.claim("data", size: "512Mi")
            try await world.pod("writer", claim: "data")
            try await world.waitReady("writer")
            // Not sync(1): that waits for every file system of the machine.
            let line = "echo $i | dd of=/data/lines oflag=append conv=notrunc,fsync"
            let write = "i=0; while \(line); do i=$((i + 1)); sleep 0.05; done"
            _ = try await world.shell("writer", "\(World.once) (\(write); touch /tmp/failed) > /dev/null 2>&1 & true")
            let servers = try await servers(world)
            #expect(servers.contains("\"pid\""), "\(servers)")

            _ = try await world.client.call(APICall(.delete, "\(APIPath.pods(world.name))/\(first)"))
            try await eventually("another pod has the agent", within: .seconds(240)) {
                let pod = try await agentPod(world)
                return pod != nil && pod != first
            }
            try await waitAnswering()
            #expect(try await self.servers(world) == servers)
            // A busy machine may have taken no more than some lines meanwhile.
            let lines = { Int(try await world.shell("writer", "wc -l < /data/lines")) ?? 0 }
            try await eventually("it has written") { try await lines() > 20 }
            let before = try await lines()
            try await eventually("it still writes") { try await lines() > before }
            #expect(try await world.shell("writer", "ls /tmp") == "")
            #expect(try await world.shell("writer", "awk '$1 != NR - 1' /data/lines | wc -l") == "0")

            // What the first agent's pod left serves the second's as well.
            try await world.claim("more", size: "512Mi")
            try await world.pod("reader", claim: "more")
            try await world.waitReady("reader")
            #expect(try await world.shell("reader", "grep -c ' /data xfs ' /proc/mounts") == "1")
            try await world.deletePod("reader")
            try await world.deletePod("writer")
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await world.client.call(APICall(.delete, "\(sets)/agent"))
            try await eventually("the agent is gone", within: .seconds(240)) {
                try await KubeLab.onNode(NacreProcess.program + "-flex", "ping").end != .exited(0)
            }
            // The process behind the gate stays until that is unmounted, wherever it was started.
            _ = try await KubeLab.onNode("umount", "/run/nacre/node-agent")
            try await eventually("the gate's process is gone") {
                try await KubeLab.onNode("flock", "--nonblock", "/run/nacre/node-agent.lock", "true").end == .exited(0)
            }
            try await controller.stop()
        }
    }
}
