import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// File systems that kubelet gets as directories: when these may be seen, and what kubelet makes of them.
extension PodTests {
    /// Looks at the places of all volumes without a pause, and binds them as kubelet does, by the gate as well; says when it
    /// gets the host's disk.
    private static let observer = """
        import ctypes, os, sys, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        root, gate, target = sys.argv[1:4]
        os.makedirs(root, exist_ok=True)
        host = os.stat(root).st_dev
        names = set()
        def said(word): print(word, flush=True)
        def bind(place, at):
            if libc.mount(place.encode(), at.encode(), None, 4096, None) != 0: return False
            if os.stat(at).st_dev == host: said("bound the host: " + place)
            libc.umount2(at.encode(), 2)
            return True
        def wait_at_gate():
            at, bound = target + "-gate", False
            os.makedirs(at, exist_ok=True)
            while True:
                time.sleep(0.02)
                for name in list(names):
                    if bind(f"{gate}/{name}/volume", at) and not bound:
                        bound = True
                        said("the gate led to a volume")
        threading.Thread(target=wait_at_gate, daemon=True).start()
        os.makedirs(target, exist_ok=True)
        said("ready")
        last, bound = 0, False
        while True:
            for name in os.listdir(root):
                if name.startswith("."): continue
                names.add(name)
                place = f"{root}/{name}/volume"
                try:
                    if os.stat(place).st_dev == host: said("saw the host: " + place)
                except OSError: pass
                if time.monotonic() - last < 0.02: continue
                last = time.monotonic()
                if bind(place, target) and not bound:
                    bound = True
                    said("bound a volume")
            time.sleep(0.0005)
        """

    private func observe(_ world: World) async throws -> ChildProcess {
        let process = try ChildProcess(
            KubeLab.file("tools/kube-lab"),
            [
                "exec", "--dir", try #require(KubeLab.directory), "--node", "n1", "python3", "-c", Self.observer,
                "/run/nacre/node-volumes", "/run/nacre/node-agent", "/tmp/nacre-observer-\(world.name)",
            ],
            log: world.log("observer")
        )
        try await eventually("the observer looks", within: .seconds(240)) {
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
            #expect(said.contains("the gate led to a volume"), "\(said)")
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
        #expect(try await first.end() != .exited(0), "\(before)")
        let second = try await world.agent("second-\(round)", crashAt: after)
        try await world.waitReady("pod-\(round)")
        #expect(try await world.shell("pod-\(round)", "grep -c ' /data xfs ' /proc/mounts") == "1")
        let line =
            "echo \(round) | dd of=/data/rounds oflag=append conv=notrunc,fsync 2> /dev/null; wc -l < /data/rounds"
        #expect(try await world.shell("pod-\(round)", line) == "\(round + 1)")
        try await world.deletePod("pod-\(round)")
        #expect(try await second.end() != .exited(0), "\(after)")
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
            try await eventually("the ephemeral claim is gone") {
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
            #expect(mounts.contains("/run/nacre/node-volumes/\(name)/volume"))
            try await KubeLab.lab("start", "kubelet.n1", "--wait")
            try await world.waitUnmapped(within: .seconds(240))
        }
    }

    /// How many wait for volumes on the node, as the kernel counts them.
    private func waiting() async throws -> Int {
        let line = "cat /sys/fs/fuse/connections/$(mountpoint --fs-devno /run/nacre/node-agent | cut -d: -f2)/waiting"
        let control = "mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections"
        let output = try await KubeLab.onNode("sh", "-c", "\(control); \(line)")
        return Int(output.text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    @Test("A pod that comes while the agent is away, or its gate has been killed too, costs kubelet no failed try")
    func lateAgent() async throws {
        try await inNodeWorld(delivery: .local) { world, agent in
            try await world.claim("data", size: "320Mi")
            try await world.waitBound(1)
            var agent = agent
            for round in ["away", "killed"] {
                agent.send(SIGKILL)
                _ = try await agent.end()
                if round == "killed" {
                    // The next agent clears up what this leaves, before any pod comes.
                    _ = try await KubeLab.onNode("sh", "-c", "kill -KILL $(cut -d' ' -f2 /run/nacre/node-agent.lock)")
                    agent = try await world.agent("between")
                    try await eventually("there is another gate") {
                        try await KubeLab.onNode("stat", "-f", "/run/nacre/node-agent").end == .exited(0)
                    }
                    agent.send(SIGKILL)
                    _ = try await agent.end()
                }
                try await world.pod(round, claim: "data")
                try await eventually("kubelet waits for the volume") {
                    try await waiting() > 0
                }
                agent = try await world.agent(round)
                try await world.waitReady(round)
                let told = try await KubeLab.kubectl("describe", "pod", "-n", world.name, round).text
                #expect(!told.contains("/run/nacre/node-agent/"), "\(told)")
                #expect(try await world.shell(round, "grep -c ' /data xfs ' /proc/mounts") == "1")
                try await world.deletePod(round)
                try await world.waitUnmapped()
            }
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await agent.stop()
        }
    }

    @Test("One volume that cannot be released holds up no other, and goes when it can be")
    func heldUp() async throws {
        try await inNodeWorld(delivery: .local) { world, _ in
            // The names of volumes are in no order that a test could choose; both of these come before or after some other.
            let claims = ["one", "two", "three"]
            var names: [String: String] = [:]
            for claim in claims {
                try await world.claim(claim, size: "320Mi")
                try await world.pod(claim, claim: claim)
            }
            for claim in claims {
                try await world.waitReady(claim)
                names[claim] = try await world.claim(named: claim)?.volumeName
            }
            // The one that comes first where it is gone through by name.
            let held = try #require(names.values.min())
            let path = "/run/nacre/node-volumes/\(held)/volume"
            let holder = try ChildProcess(
                KubeLab.file("tools/kube-lab"),
                [
                    "exec", "--dir", try #require(KubeLab.directory), "--node", "n1", "sh", "-c",
                    "cd \(path) && echo there && exec sleep 100000",
                ],
                log: world.log("holder")
            )
            try await eventually("somebody is in it") { world.logText("holder").contains("there") }
            for claim in claims { try await world.deletePod(claim) }
            func mounted() async throws -> Set<String> {
                let mounts = try await KubeLab.onNode("cat", "/proc/self/mountinfo").text
                return Set(names.values.filter { mounts.contains($0) })
            }
            try await eventually("only that one is left") { try await mounted() == [held] }
            // And a new pod gets its volume beside it.
            let other = try #require(claims.first { names[$0] != held })
            try await world.pod("again", claim: other)
            try await world.waitReady("again")
            try await world.deletePod("again")
            holder.send(SIGKILL)
            _ = try await holder.end()
            try await world.waitUnmapped()
        }
    }

    /// What a node's shutdown does; the first argument is the uid of the only pod.
    private static let shutdown = """
        processes() { grep -ls "pod$1" /proc/[0-9]*/cgroup | cut -d/ -f3; }
        mounts() { awk -v f="$1" '$0 ~ f { print $5 }' /proc/self/mountinfo | tac; }
        for p in $(processes $1); do kill -KILL $p; done
        while [ -n "$(processes $1)" ]; do sleep 0.1; done
        umount /run/nacre/node-agent
        for m in $(mounts "pods/$1/volumes/kubernetes.io~local-volume"; mounts "node-(volumes|agent)/"); do umount $m; done
        losetup --list --noheadings --output NAME,BACK-FILE | while read device file; do
            case $file in /var/lib/nacre/*) losetup --detach $device;; esac
        done
        # The kernel ends the use of a loop device a moment after it is detached.
        for m in $(mounts " fuse.nacre "); do
            for i in $(seq 300); do umount $m 2> /dev/null && continue 2; sleep 0.1; done
            umount $m || exit 1
        done
        rm -rf --one-file-system /run/nacre/*
        """

    @Test("After a boot the pod has its volume and its data again, though kubelet was there before the agent")
    func boot() async throws {
        try await inNodeWorld(delivery: .local) { world, agent in
            try await world.claim("data", size: "320Mi")
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            _ = try await world.shell("one", "echo kept | dd of=/data/file conv=fsync")
            let pod = try await world.client.call(.get("\(APIPath.pods(world.name))/one"))
            let uid = try #require(pod["metadata", "uid"]?.string)
            try await KubeLab.lab("stop", "kubelet.n1")
            agent.send(SIGKILL)
            _ = try await agent.end()
            let output = try await KubeLab.onNode("sh", "-c", Self.shutdown, "sh", uid)
            #expect(output.end == .exited(0), "\(output.text)")
            try await KubeLab.lab("start", "kubelet.n1", "--wait")
            try await eventually("kubelet has looked for the volume") {
                try await KubeLab.kubectl("describe", "pod", "-n", world.name, "one").text
                    .contains("/run/nacre/node-agent/")
            }
            let next = try await world.agent("second")
            #expect(try await world.shell("one", "grep -c ' /data xfs ' /proc/mounts; cat /data/file") == "1\nkept")
            try await world.deletePod("one")
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await next.stop()
        }
    }

    @Test("A volume goes from FlexVolume to a directory and back by other PersistentVolumes of its name, with its data")
    func change() async throws {
        try await inNodeWorld(delivery: .flexVolume) { world, _ in
            let claim = try await world.claim("data", size: "320Mi")
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            _ = try await world.shell("one", "echo kept | dd of=/data/file conv=fsync")
            try await world.deletePod("one")
            let name = try #require(try await world.volumes().first?.metadata.name)
            try await world.exchange(name) { old in
                let options = try #require(old["spec", "flexVolume", "options"])
                let local: JSONValue = [
                    "path": .string("/run/nacre/node-agent/\(name)/volume"),
                    "fsType": try #require(old["spec", "flexVolume", "fsType"]),
                ]
                let attributes = JSONValue.string(String(decoding: options.bytes, as: UTF8.self))
                return ("local", local, attributes)
            }
            try await world.pod("two", claim: "data")
            try await world.waitReady("two")
            #expect(try await world.shell("two", "cat /data/file") == "kept")
            _ = try await world.shell("two", "echo more | dd of=/data/more conv=fsync")
            try await world.deletePod("two")
            try await world.waitUnmapped()
            try await world.exchange(name) { old in
                let text = try #require(old["metadata", "annotations", "nacre.io/volume-attributes"]?.string)
                let flex: JSONValue = [
                    "driver": "nacre.io/rbd", "fsType": try #require(old["spec", "local", "fsType"]),
                    "options": try JSONValue(parsing: Array(text.utf8)),
                ]
                return ("flexVolume", flex, nil)
            }
            #expect(try await world.claim(named: "data")?.metadata.uid == claim.metadata.uid)
            try await world.pod("three", claim: "data")
            try await world.waitReady("three")
            #expect(try await world.shell("three", "cat /data/file /data/more") == "kept\nmore")
            try await world.deletePod("three")
            try await world.waitUnmapped()
        }
    }
}
