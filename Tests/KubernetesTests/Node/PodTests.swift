import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// One agent serves the node, so one test at a time has it.
@Suite("Pods with volumes, under a real kubelet", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct PodTests {
    @Test("Data and its owner group outlive the pod, and the volume grows under it", arguments: Delivery.both)
    func life(delivery: Delivery) async throws {
        let fileSystem = "xfs"
        try await inNodeWorld(fileSystem, delivery: delivery) { world, _ in
            try await world.claim("data", size: "512Mi")
            try await world.pod("first", claim: "data")
            try await world.waitReady("first")
            // kubelet's first try has it, also where that is a new volume.
            let told = try await KubeLab.kubectl("describe", "pod", "-n", world.name, "first").text
            #expect(!told.contains("/run/nacre/node-agent/"), "\(told)")
            #expect(try await world.shell("first", "stat -c %g /data") == "2000")
            #expect(try await world.shell("first", "grep ' /data ' /proc/mounts | cut -d' ' -f3") == fileSystem)
            _ = try await world.shell("first", "echo kept | dd of=/data/file conv=fsync")

            try await world.grow("data", to: "1Gi")
            try await eventually("the pod sees the new size") {
                let size = try await world.shell("first", "df -k /data | tail -n 1 | awk '{ print $2 }'")
                return (Int(size) ?? 0) > 900 << 10
            }
            try await eventually("the claim says so") {
                try await world.claim(named: "data")?.capacityBytes == 1 << 30
            }

            try await world.deletePod("first")
            try await world.waitUnmapped()
            try await world.pod("second", claim: "data")
            try await world.waitReady("second")
            #expect(try await world.shell("second", "cat /data/file") == "kept")
            try await world.deletePod("second")
        }
    }

    @Test("A pod does not notice that kubelet, or the agent, is killed and comes again", arguments: Delivery.both)
    func restarts(delivery: Delivery) async throws {
        try await inNodeWorld(delivery: delivery) { world, agent in
            try await world.claim("data", size: "512Mi")
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            _ = try await world.shell("one", "echo before > /data/file")

            try await KubeLab.lab("restart", "kubelet.n1", "--wait")
            #expect(try await world.shell("one", "cat /data/file") == "before")

            agent.send(SIGKILL)
            _ = try await agent.end()
            _ = try await world.shell("one", "echo without | dd of=/data/file oflag=append conv=notrunc,fsync")
            let next = try await world.agent("second")
            #expect(try await world.shell("one", "tail -n 1 /data/file") == "without")
            try await world.deletePod("one")
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await next.stop()
        }
    }

    @Test("Two pods of one node share a volume, which stays until the second has gone", arguments: Delivery.both)
    func shared(delivery: Delivery) async throws {
        try await inNodeWorld(delivery: delivery) { world, _ in
            try await world.claim("data", size: "512Mi")
            try await world.pod("one", claim: "data")
            try await world.pod("two", claim: "data")
            try await world.waitReady("one")
            try await world.waitReady("two")
            _ = try await world.shell("one", "echo shared > /data/file")
            try await world.deletePod("one")
            #expect(try await world.shell("two", "cat /data/file") == "shared")
            try await world.deletePod("two")
            try await world.waitUnmapped()
        }
    }

    @Test("A raw block volume is a device in the pod, grows under it, and goes after it")
    func block() async throws {
        try await inNodeWorld { world, _ in
            try await world.claim("raw", size: "256Mi", spec: ["volumeMode": "Block"])
            try await world.pod("raw", claim: "raw", asDevice: true)
            try await world.waitReady("raw")
            #expect(try await world.shell("raw", "blockdev --getsize64 /dev/data") == "\(256 << 20)")
            _ = try await world.shell("raw", "printf kept | dd of=/dev/data bs=512 conv=sync,fsync")
            try await world.grow("raw", to: "512Mi")
            try await eventually("the pod sees the larger device", within: .seconds(240)) {
                try await world.shell("raw", "blockdev --getsize64 /dev/data") == "\(512 << 20)"
            }
            try await world.deletePod("raw")
            try await world.waitUnmapped()
            try await world.pod("again", claim: "raw", asDevice: true)
            try await world.waitReady("again")
            #expect(try await world.shell("again", "dd if=/dev/data bs=4 count=1 2> /dev/null") == "kept")
            try await world.deletePod("again")
            try await world.waitUnmapped()
        }
    }

    @Test("A pod whose node has no agent is told so, and starts when there is one", arguments: Delivery.both)
    func absentAgent(delivery: Delivery) async throws {
        try await inNodeWorld(delivery: delivery) { world, agent in
            _ = try await agent.stop()
            try await world.claim("data", size: "512Mi")
            try await world.pod("waiting", claim: "data")
            try await eventually("the pod's events name the cause") {
                // Of a local volume kubelet says only that its path does not exist, so the path speaks.
                try await KubeLab.kubectl("describe", "pod", "-n", world.name, "waiting").text
                    .contains(
                        delivery == .local ? "/run/nacre/node-agent/" : "the node agent does not run on this node"
                    )
            }
            let next = try await world.agent("second")
            try await world.waitReady("waiting")
            try await world.deletePod("waiting")
            try await world.waitUnmapped()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            _ = try await next.stop()
        }
    }

    @Test("A PersistentVolume written by hand with nonsense in it is refused in words, and the node stays clean")
    func nonsense() async throws {
        try await inNodeWorld { world, _ in
            let claim = try await world.claim("bad", spec: ["volumeName": .string(world.name)])
            let options: JSONValue = ["schema": "1", "volumeHandle": "../../etc/passwd"]
            _ = try await world.client.call(
                .create(
                    APIPath.persistentVolumes,
                    [
                        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": ["name": .string(world.name)],
                        "spec": [
                            "capacity": ["storage": "64Mi"], "accessModes": ["ReadWriteOnce"],
                            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": .string(world.name),
                            "claimRef": [
                                "namespace": .string(world.name), "name": "bad", "uid": .string(claim.metadata.uid),
                            ],
                            "flexVolume": ["driver": "nacre.io/rbd", "options": options],
                        ],
                    ]
                )
            )
            try await world.pod("bad", claim: "bad")
            try await eventually("the pod's events name the cause") {
                try await KubeLab.kubectl("describe", "pod", "-n", world.name, "bad").text
                    .contains("clusterID of a volume handle is '..', which is not a name")
            }
            try await world.deletePod("bad")
            _ = try await world.client.call(APICall(.delete, APIPath.persistentVolume(world.name)))
            try await world.waitUnmapped()
        }
    }
}
