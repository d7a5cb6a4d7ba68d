import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// deploy/cleanup as it is, but for what a lab lacks: an image (its programs are the node's own), a pod network, and disks.
@Suite(
    "The Job of deploy/cleanup under a real kubelet",
    .serialized,
    .enabled(if: KubeLab.isThere, KubeLab.lack),
    .enabled(if: getenv("NACRE_KUSTOMIZE") != nil, "needs kustomize: tools/test kubernetes")
)
struct CleanupJobTests {
    private static let job = "nacre-cleanup-worker-1"

    /// The disk of a test: a loop device with a real OSD of a cluster that is nowhere else.
    private struct Disk {
        let loop: String
        let file: String
        let cluster: String
    }

    private static let kustomize = getenv("NACRE_KUSTOMIZE").map { String(cString: $0) }

    private func manifests(_ world: World) -> String { "\(world.directory)/cleanup.yaml" }

    private func shell(_ line: String) async throws -> String {
        let output = try await KubeLab.run(["exec", "--node", "n1", "bash", "-c", line], within: .seconds(180))
        try #require(output.end == .exited(0), "\(line): \(output.text)")
        return output.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func makeDisk(_ world: World) async throws -> Disk {
        let (cluster, file) = (UUID().uuidString.lowercased(), "\(world.directory)/disk.img")
        let osd = "\(world.directory)/osd"
        let loop = try await shell("truncate -s 512M \(file) && losetup -f --show \(file)")
        _ = try await shell(
            """
            set -e; mkdir \(osd); ln -s \(loop) \(osd)/block
            monmaptool --create --fsid \(cluster) --add a 127.0.0.1:6789 \(osd)/monmap > /dev/null
            ceph-authtool --gen-print-key > \(osd)/key
            ceph-osd -i 7 --osd-data \(osd) --osd-uuid \(UUID().uuidString.lowercased()) --mkfs --fsid \(cluster) \
            --monmap \(osd)/monmap --no-mon-config --keyfile \(osd)/key -c /dev/null --admin-socket \(osd)/asok 2> /dev/null
            blockdev --flushbufs \(loop)
            """
        )
        return Disk(loop: loop, file: file, cluster: cluster)
    }

    /// Applies deploy/cleanup with a configuration, after what an earlier test or step left is gone.
    private func apply(_ world: World, _ disk: Disk, _ literals: [String: String]) async throws {
        let folder = "\(world.directory)/cleanup"
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.copyItem(atPath: KubeLab.file("deploy/cleanup"), toPath: folder)
        func edit(_ file: String, _ change: (String) -> String) throws {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            try change(text).write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
        }
        try edit("kustomization.yaml") { text in
            var text = text.replacing("namespace: nacre-cleanup", with: "namespace: \(world.name)")
                .replacing("- namespace.yaml\n", with: "")
                .replacing("newName: IMAGE", with: "newName: docker.io/local/busybox\n  newTag: \"1\"")
            for (name, value) in literals.merging(["FSID": disk.cluster], uniquingKeysWith: { first, _ in first }) {
                text = text.split(separator: "\n", omittingEmptySubsequences: false)
                    .map { $0.hasPrefix("  - \(name)=") ? "  - \(name)=\(value)" : String($0) }.joined(separator: "\n")
            }
            // After the patch that puts the template in: patches are made in order.
            let template = "- path: job.yaml\n  target: {kind: Job}\n"
            return text.replacing(template, with: "\(template)- path: lab.json\n  target: {kind: Job}\n")
        }
        // One node of the lab.
        try edit("nodes.yaml") { text in
            text.components(separatedBy: "---\n")[0].replacing("nodeName: worker-1", with: "nodeName: n1")
        }
        try Data(try await patch(disk).bytes).write(to: URL(filePath: "\(folder)/lab.json"))
        // kubectl 1.20 has a kustomize that is too old for it, as deploy/README.md says.
        let all = manifests(world)
        _ = try await shell("\(try #require(Self.kustomize)) build \(folder) > \(all)")
        let output = try await KubeLab.kubectl("apply", "-f", all)
        try #require(output.end == .exited(0), "\(output.text)")
    }

    private func delete(_ world: World) async throws {
        let gone = try await KubeLab.kubectl("delete", "-f", manifests(world), within: .seconds(240))
        #expect(gone.end == .exited(0), "\(gone.text)")
        try await eventually("its pods are gone", within: .seconds(240)) { try await pods(world).isEmpty }
    }

    /// What a lab needs: the node's own programs and libraries, its network, and the loop device named.
    private func patch(_ disk: Disk) async throws -> JSONValue {
        func add(_ path: String, _ value: JSONValue) -> JSONValue {
            ["op": "add", "path": .string("/spec/template/spec/\(path)"), "value": value]
        }
        let programs = URL(filePath: NacreProcess.program).deletingLastPathComponent().path
        let places = ["/usr", "/lib", "/lib64", programs] + (try await AgentPodTests.swiftLibraries())
        var operations = places.enumerated().flatMap { number, path -> [JSONValue] in
            [
                add("volumes/-", ["name": "v\(number)", "hostPath": ["path": .string(path)]]),
                add(
                    "containers/0/volumeMounts/-",
                    ["name": "v\(number)", "mountPath": .string(path), "readOnly": true]
                ),
            ]
        }
        let text = try String(contentsOfFile: KubeLab.administrator, encoding: .utf8)
        let server = try #require(text.firstMatch(of: /server: "?https:\/\/([^:"]+):(\d+)/))
        for (name, value) in [("HOST", server.1), ("PORT", server.2)] {
            let variable: JSONValue = ["name": "KUBERNETES_SERVICE_\(name)", "value": .string(String(value))]
            operations.append(add("containers/0/env/-", variable))
        }
        operations += [
            add("hostNetwork", true), add("containers/0/command", [.string(NacreProcess.program)]),
            add("containers/0/args/-", "--include"), add("containers/0/args/-", .string(disk.loop)),
        ]
        return .array(operations)
    }

    /// Whether every disk of this host can be read: else nobody knows whether the cluster is still on it, and that is told.
    private func isClear() async throws -> Bool {
        let program = URL(filePath: NacreProcess.program).deletingLastPathComponent().appending(path: "nacre-disk").path
        return try await KubeLab.onNode(program, "list").end == .exited(0)
    }

    private func pods(_ world: World) async throws -> [JSONValue] {
        try await world.client.call(.get(APIPath.pods(world.name)))["items"]?.elements ?? []
    }

    /// What each pod that has ended left as its summary.
    private func summaries(_ world: World) async throws -> [String] {
        try await pods(world).compactMap {
            $0["status", "containerStatuses"]?.elements.first?["state", "terminated", "message"]?.string
        }
    }

    private func events(_ world: World) async throws -> [(type: String, reason: String, message: String)] {
        let list = try await world.client.call(.get("/api/v1/namespaces/\(world.name)/events"))["items"]?.elements ?? []
        return list.map {
            ($0["type"]?.string ?? "", $0["reason"]?.string ?? "", $0["message"]?.string ?? "")
        }
    }

    /// `Complete` or `Failed`, when the Job has ended.
    private func end(_ world: World) async throws -> String? {
        let path = "/apis/batch/v1/namespaces/\(world.name)/jobs/\(Self.job)"
        let job = try await world.client.call(.get(path))
        return job["status", "conditions"]?.elements.first { $0["status"]?.string == "True" }?["type"]?.string
    }

    private func inDiskWorld(_ body: (World, Disk) async throws -> Void) async throws {
        try await inWorld { world in
            let disk = try await makeDisk(world)
            do {
                try await body(world, disk)
            } catch {
                let logs = try? await KubeLab.kubectl("logs", "-n", world.name, "job/\(Self.job)")
                Issue.record("\(error)\n\(logs?.text ?? "")\n\(try await events(world))")
            }
            try? await delete(world)
            _ = try? await shell("losetup -d \(disk.loop)")
        }
    }

    @Test("Unconfirmed it shows its plan and writes nothing; confirmed it erases the disk, with Events and one summary")
    func job() async throws {
        try await inDiskWorld { world, disk in
            let sum = "sha256sum < \(disk.file)"
            let before = try await shell(sum)
            try await apply(world, disk, [:])
            try await eventually("a pod has ended with its plan", within: .seconds(240)) {
                try await summaries(world).contains { $0.contains("no fsid is confirmed; nothing was written") }
            }
            let planned = try await events(world).first { $0.reason == "CleanupPlanned" }
            #expect(
                planned?.message.contains("node n1: 1 disk of the cluster") ?? false,
                "\(String(describing: planned))"
            )
            #expect(planned?.message.contains(disk.loop) ?? false, "\(String(describing: planned))")
            #expect(try await shell(sum) == before)
            try await delete(world)

            try await apply(world, disk, ["CONFIRM": disk.cluster])
            try await eventually("the Job has ended", within: .seconds(300)) { try await end(world) != nil }
            let found = try await summaries(world)
            #expect(
                found.contains { $0.contains("n1: cluster \(disk.cluster): 1 disk freed, none of the cluster's left") },
                "\(found)"
            )
            let isClear = try await isClear()
            #expect(try await end(world) == (isClear ? "Complete" : "Failed"), "\(found)")
            let told = try await events(world)
            for reason in ["CleanupPlanned", "CleanupProgress", "DisksErased"] + (isClear ? ["CleanupDone"] : []) {
                #expect(told.contains { $0.type == "Normal" && $0.reason == reason }, "\(reason): \(told)")
            }
            let label = "blockdev --flushbufs \(disk.loop); grep -c 'bluestore block device' \(disk.file) || true"
            #expect(try await shell(label) == "0")
        }
    }

    @Test("A pod that is deleted in the middle is followed by one that goes on, and the Job is complete")
    func goesOn() async throws {
        try await inDiskWorld { world, disk in
            let complete = ["CONFIRM": disk.cluster, "METHOD": "complete", "DATA_SOURCE": "random", "ITERATION": "8"]
            try await apply(world, disk, complete)
            try await eventually("it has begun to erase", within: .seconds(240)) {
                try await events(world).contains { $0.reason == "CleanupProgress" }
            }
            let first = try #require(try await pods(world).first?["metadata", "name"]?.string)
            let summaries = try await summaries(world)
            let early = try await events(world)
            try #require(summaries.isEmpty && !early.contains { $0.reason == "DisksErased" }, "too late: \(early)")
            let deleted = try await KubeLab.kubectl(
                "delete",
                "pod",
                "-n",
                world.name,
                first,
                "--grace-period=0",
                "--force"
            )
            #expect(deleted.end == .exited(0), "\(deleted.text)")
            // Else it was over, and nothing had to go on.
            #expect(try await !events(world).contains { $0.reason == "DisksErased" })
            try await eventually("the Job has ended", within: .seconds(300)) { try await end(world) != nil }
            let (told, isClear) = (try await events(world), try await isClear())
            #expect(try await end(world) == (isClear ? "Complete" : "Failed"), "\(told)")
            #expect(told.contains { $0.reason == "DisksErased" && $0.message.contains(disk.loop) }, "\(told)")
            let others = try await pods(world).compactMap { $0["metadata", "name"]?.string }
            #expect(!others.isEmpty && !others.contains(first), "\(others)")
            var logs: [String] = []
            for pod in others { logs.append(try await KubeLab.kubectl("logs", "-n", world.name, pod).text) }
            #expect(logs.contains { $0.contains("resumes an unfinished zap") }, "\(logs)")
            let zeros = "blockdev --flushbufs \(disk.loop); cmp -n $((512 << 20)) \(disk.file) /dev/zero && echo zeros"
            #expect(try await shell(zeros) == "zeros")
        }
    }
}
