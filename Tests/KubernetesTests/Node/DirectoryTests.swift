import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// File systems that kubelet gets as directories: when these may be seen, and what kubelet makes of them.
extension PodTests {
    /// Looks at the places of all volumes without a pause, and binds them as kubelet does; says when it gets the host's disk.
    private static let observer = """
        import ctypes, os, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        root, target = sys.argv[1:3]
        os.makedirs(root, exist_ok=True)
        os.makedirs(target, exist_ok=True)
        host = os.stat(root).st_dev
        def said(word): print(word, flush=True)
        said("ready")
        last, bound = 0, False
        while True:
            for name in os.listdir(root):
                if name.startswith("."): continue
                place = f"{root}/{name}/volume"
                try:
                    if os.stat(place).st_dev == host: said("saw the host: " + place)
                except OSError: pass
                if time.monotonic() - last < 0.02: continue
                last = time.monotonic()
                if libc.mount(place.encode(), target.encode(), None, 4096, None) == 0:
                    if os.stat(target).st_dev == host: said("bound the host: " + place)
                    elif not bound:
                        bound = True
                        said("bound a volume")
                    libc.umount2(target.encode(), 2)
            time.sleep(0.0005)
        """

    private func observe(_ world: World) async throws -> ChildProcess {
        let process = try ChildProcess(
            KubeLab.file("tools/kube-lab"),
            [
                "exec", "--dir", try #require(KubeLab.directory), "--node", "n1", "python3", "-c", Self.observer,
                "/run/nacre/node-agent", "/tmp/nacre-observer-\(world.name)",
            ],
            log: world.log("observer")
        )
        try await eventually("the observer looks", within: .seconds(60)) {
            world.logText("observer").contains("ready")
        }
        return process
    }

    @Test("However the agent is killed, the place shows the volume or is not there, and the next agent goes on")
    func killedAgents() async throws {
        try await inWorld { world in
            try await world.makePodClass(delivery: .local)
            let controller = try await world.controller()
            let observer = try await observe(world)
            try await world.claim("data", size: "320Mi")
            try await world.waitBound(1)
            // At the first step of each pair no pod has the volume yet, at the second none has it any more. What the first kill
            // leaves must not bring the next agent to its own step before the pod has the volume.
            for (round, steps) in [
                ("makingPlace", "removingPlace"), ("bindingPlace", "unmountingPlace"),
                ("showingPlace", "hidingPlace"), ("mounting", "unstaging"),
            ]
            .enumerated() {
                do {
                    try await kill(steps.0, steps.1, round, world)
                } catch {
                    Issue.record("\(steps): \(error)\n\(world.logText("next-\(round)").suffix(3000))")
                    break
                }
            }
            for round in 0..<4 { try? await world.deletePod("pod-\(round)") }
            observer.send(SIGKILL)
            _ = try await observer.end()
            _ = try await KubeLab.onNode("pkill", "-KILL", "-f", "nacre-observer-\(world.name)")
            let said = world.logText("observer")
            #expect(said.contains("bound a volume"), "\(said)")
            #expect(!said.contains("the host"), "\(said)")
            let last = try await world.agent("last")
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await last.stop()
            _ = try await controller.stop()
        }
    }

    private func kill(_ before: String, _ after: String, _ round: Int, _ world: World) async throws {
        let first = try await world.agent("first-\(round)", crashAt: before)
        try await world.pod("pod-\(round)", claim: "data")
        #expect(try await first.end(within: .seconds(120)) != .exited(0), "\(before)")
        let second = try await world.agent("second-\(round)", crashAt: after)
        try await world.waitReady("pod-\(round)")
        #expect(try await world.shell("pod-\(round)", "grep -c ' /data xfs ' /proc/mounts") == "1")
        let line =
            "echo \(round) | dd of=/data/rounds oflag=append conv=notrunc,fsync 2> /dev/null; wc -l < /data/rounds"
        #expect(try await world.shell("pod-\(round)", line) == "\(round + 1)")
        try await world.deletePod("pod-\(round)")
        #expect(try await second.end(within: .seconds(120)) != .exited(0), "\(after)")
        let next = try await world.agent("next-\(round)")
        try await world.waitUnmapped()
        _ = try await next.stop()
    }

    @Test("Ephemeral claims, subPath, read-only mounts and a group that is changed on a mismatch alone")
    func uses() async throws {
        try await inNodeWorld(delivery: .local) { world, _ in
            try await world.claim("data", size: "320Mi")
            func container(_ mounts: JSONValue) -> JSONValue {
                [
                    "name": "shell", "image": "docker.io/local/busybox:1", "command": ["sleep", "100000"],
                    "volumeMounts": mounts,
                ]
            }
            let template: JSONValue = [
                "spec": [
                    "accessModes": ["ReadWriteOnce"], "storageClassName": .string(world.name),
                    "resources": ["requests": ["storage": "320Mi"]],
                ]
            ]
            try await world.pod(
                "writer",
                claim: "data",
                fields: [
                    "securityContext": ["fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch"],
                    "containers": [
                        container([
                            ["name": "data", "mountPath": "/data"],
                            ["name": "data", "mountPath": "/part", "subPath": "a/part"],
                            ["name": "scratch", "mountPath": "/scratch"],
                        ])
                    ],
                    "volumes": [
                        ["name": "data", "persistentVolumeClaim": ["claimName": "data"]],
                        ["name": "scratch", "ephemeral": ["volumeClaimTemplate": template]],
                    ],
                ]
            )
            try await world.waitReady("writer")
            _ = try await world.shell("writer", "echo part > /part/file; echo scratch > /scratch/file; sync -f /data/.")
            #expect(
                try await world.shell("writer", "cat /data/a/part/file; stat -c %g /data /scratch")
                    == "part\n2000\n2000"
            )

            try await world.pod(
                "reader",
                claim: "data",
                fields: [
                    "containers": [container([["name": "data", "mountPath": "/data", "subPath": "a"]])],
                    "volumes": [
                        ["name": "data", "persistentVolumeClaim": ["claimName": "data", "readOnly": true]]
                    ],
                ]
            )
            try await world.waitReady("reader")
            #expect(try await world.shell("reader", "cat /data/part/file; ! touch /data/new 2> /dev/null") == "part")
            for pod in ["writer", "reader"] { try await world.deletePod(pod) }
            try await world.waitUnmapped()
            try await eventually("the ephemeral claim is gone", within: .seconds(120)) {
                try await world.claims().map(\.metadata.name) == ["data"]
            }
        }
    }

    @Test("A pod that is deleted by force while kubelet is down keeps its volume until kubelet has let go of it")
    func forced() async throws {
        try await inNodeWorld(delivery: .local) { world, _ in
            try await world.claim("data", size: "320Mi")
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            let name = try #require(try await world.volumes().first?.metadata.name)
            try await KubeLab.lab("stop", "kubelet.n1")
            let path = "\(APIPath.pods(world.name))/one"
            _ = try await world.client.call(
                APICall(.delete, path, body: ["apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0])
            )
            // Longer than two rounds of the agent, each of which could take the volume away.
            try await Task.sleep(for: .seconds(25))
            let mounts = try await KubeLab.onNode("cat", "/proc/self/mountinfo").text
            #expect(mounts.contains("/run/nacre/node-agent/\(name)/volume"))
            try await KubeLab.lab("start", "kubelet.n1", "--wait")
            try await world.waitUnmapped(within: .seconds(180))
        }
    }

    @Test("A volume goes from FlexVolume to a directory by another PersistentVolume of its name, with its data")
    func change() async throws {
        try await inNodeWorld(delivery: .flexVolume) { world, _ in
            let claim = try await world.claim("data", size: "320Mi")
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            _ = try await world.shell("one", "echo kept | dd of=/data/file conv=fsync")
            try await world.deletePod("one")
            let name = try #require(try await world.volumes().first?.metadata.name)
            let path = APIPath.persistentVolume(name)
            let old = try await world.client.call(.get(path))
            let options = try #require(old["spec", "flexVolume", "options"])
            let annotations = try #require(old["metadata", "annotations"])
                .with("nacre.io/volume-attributes", .string(String(decoding: options.bytes, as: UTF8.self)))
            let source: JSONValue = [
                "path": .string("/run/nacre/node-agent/\(name)/volume"),
                "fsType": old["spec", "flexVolume", "fsType"] ?? "ext4",
            ]
            let anywhere: JSONValue = [
                "required": [
                    "nodeSelectorTerms": [
                        ["matchExpressions": [["key": "kubernetes.io/os", "operator": "In", "values": ["linux"]]]]
                    ]
                ]
            ]
            // All but the source.
            var spec: JSONValue = [:]
            for field in [
                "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName",
                "volumeMode",
            ] { spec = spec.with(field, old["spec", field]) }
            let new: JSONValue = [
                "apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": [
                    "name": .string(name), "annotations": annotations,
                    "finalizers": old["metadata", "finalizers"] ?? [],
                ],
                "spec": spec.with("local", source).with("nodeAffinity", anywhere),
            ]
            // Retain first: a PersistentVolume that goes would take its image along.
            for patch: JSONValue in [
                ["spec": ["persistentVolumeReclaimPolicy": "Retain"]], ["metadata": ["finalizers": .null]],
            ] {
                _ = try await world.client.call(.patch(path, .merge, patch))
                _ = try? await world.client.call(APICall(.delete, path))
            }
            try await eventually("the old object is gone") { try await world.volumes().isEmpty }
            _ = try await world.client.call(.create(APIPath.persistentVolumes, new))
            try await world.waitBound(1)
            #expect(try await world.claim(named: "data")?.metadata.uid == claim.metadata.uid)
            try await world.pod("two", claim: "data")
            try await world.waitReady("two")
            #expect(try await world.shell("two", "cat /data/file") == "kept")
            try await world.deletePod("two")
            try await world.waitUnmapped()
        }
    }
}
