import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Deleted volumes that come back", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct UndeleteTests {
    private func undelete(_ world: World, _ words: String...) async throws -> Output {
        let log = "\(world.directory)/undelete-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            NacreProcess.program,
            ["volume", "undelete", "--pool", World.pool] + words + [
                "--config", world.cluster.configurationPath, "--secret-dir", world.cluster.provisionerSecret,
            ],
            environment: ["KUBECONFIG": ""],
            log: log
        )
        let end = try await process.end()
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
    }

    /// Runs a line of Ceph's programs as the administrator and returns what it printed.
    @discardableResult
    private func shell(_ line: String, _ world: World) async throws -> String {
        try await world.cluster.execute("sh", "-ec", line)
    }

    /// A claim that was bound and is gone, in a class that keeps its volumes, with data on its image.
    private func deleted(
        _ world: World,
        spec: [String: JSONValue] = [:]
    ) async throws -> (image: String, volume: JSONValue, sum: String) {
        try await world.claim("data", spec: spec)
        try await world.waitBound(1)
        let image = "\(World.pool)/\(try #require(try await world.images().first))"
        try await shell("rbd bench --io-type write --io-size 4K --io-total 64K \(image) > /dev/null", world)
        let sum = try await shell("rbd export --no-progress \(image) - | md5sum", world)
        let name = try #require(try await world.volumes().first?.metadata.name)
        let volume = try await world.client.call(.get(APIPath.persistentVolume(name)))
        try await world.delete(try #require(try await world.claim(named: "data")))
        try await world.waitGone()
        // The class says how long, the controller as it is shipped does not.
        try await Task.sleep(for: .seconds(1))
        #expect(try await world.trash().count == 1)
        return (image, volume, sum)
    }

    @Test(
        "A deleted claim comes back with its PersistentVolume and its data",
        arguments: [("Filesystem", Delivery.local), ("Filesystem", .flexVolume), ("Block", .byDefault)]
    )
    func comesBack(mode: String, delivery: Delivery) async throws {
        try await inWorld { world in
            try await world.makeClass(parameters: ["trashRetention": "1h", "nodeDelivery": delivery.rawValue])
            let controller = try await world.controller()
            let (image, before, sum) = try await deleted(world, spec: ["volumeMode": .string(mode)])
            let name = try #require(before["metadata", "name"]?.string)
            let admin = try KubeLab.administrator
            let listed = try await undelete(world)
            #expect(listed.text.contains("\(world.name)/data"), "\(listed.text)")

            let refused = try await undelete(world, name)
            #expect(refused.end == .exited(64) && refused.text.contains("--image-only"), "\(refused.text)")
            let plan = try await undelete(world, name, "--kubeconfig", admin, "--plan")
            #expect(plan.end == .exited(0), "\(plan.text)")
            #expect(plan.text.contains("kind: PersistentVolumeClaim") && plan.text.contains(name), "\(plan.text)")
            #expect(try await world.trash().count == 1)
            #expect(try await world.volumes().isEmpty)
            #expect(try await world.claims().isEmpty)

            // The second and the third find all of it there.
            for _ in 0..<3 {
                let done = try await undelete(world, name, "--kubeconfig", admin)
                #expect(done.end == .exited(0), "\(done.text)")
            }
            try await world.waitBound(1)
            let claim = try #require(try await world.claim(named: "data"))
            #expect(claim.volumeName == name)
            #expect(try await shell("rbd export --no-progress \(image) - | md5sum", world) == sum)
            let after = try await world.client.call(.get(APIPath.persistentVolume(name)))
            for part in ["capacity", "accessModes", "flexVolume", "local", "nodeAffinity", "storageClassName"] {
                #expect(after["spec", part] == before["spec", part], "\(part)")
            }
            // It is what it was before: it goes with its claim, and can come back once more.
            try await world.delete(claim)
            try await world.waitGone()
            #expect(try await world.trash().count == 1)
            let image2 = try await undelete(world, name, "--image-only")
            #expect(image2.end == .exited(0), "\(image2.text)")
            #expect(try await shell("rbd export --no-progress \(image) - | md5sum", world) == sum)
            try await shell("rbd rm --no-progress \(image)", world)
            try await controller.stop()
        }
    }

    @Test(
        "What is in the way is told, and nothing is changed: another volume of the claim, another object, another cluster"
    )
    func inTheWay() async throws {
        try await inWorld { world in
            try await world.makeClass(parameters: ["trashRetention": "1h"])
            let controller = try await world.controller()
            let (image, before, _) = try await deleted(world)
            let name = try #require(before["metadata", "name"]?.string)
            let admin = try KubeLab.administrator

            let new = try await world.claim("data")
            try await world.waitBound(1)
            let taken = try await undelete(world, name, "--kubeconfig", admin)
            #expect(
                taken.end != .exited(0) && taken.text.contains("claim \(world.name)/data has volume"),
                "\(taken.text)"
            )
            let nowhere = try await undelete(world, name, "--kubeconfig", admin, "--claim", "no-such/data")
            #expect(nowhere.text.contains("kubectl create namespace no-such"), "\(nowhere.text)")

            // A volume that somebody made for the same image by hand.
            let spec = try #require(before["spec"])
            let hand: JSONValue = [
                "apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": [
                    "name": .string("\(name)-hand"),
                    "annotations": [
                        "nacre.io/volume-attributes":
                            before["metadata", "annotations", "nacre.io/volume-attributes"] ?? ""
                    ],
                ],
                "spec": spec.with("claimRef", ["namespace": "default", "name": "nobody"])
                    .with("persistentVolumeReclaimPolicy", "Retain"),
            ]
            _ = try await world.client.call(.create(APIPath.persistentVolumes, hand))
            let double = try await undelete(world, name, "--kubeconfig", admin, "--claim", "\(world.name)/other")
            #expect(double.end != .exited(0) && double.text.contains("\(name)-hand"), "\(double.text)")
            _ = try await world.client.call(APICall(.delete, APIPath.persistentVolume("\(name)-hand")))
            #expect(try await world.trash().count == 1)
            // kube-controller-manager takes its finalizer off first.
            try await eventually("the volume by hand is gone") { try await world.volumes().count == 1 }

            let other = try await undelete(world, name, "--kubeconfig", admin, "--claim", "\(world.name)/other")
            #expect(other.end == .exited(0), "\(other.text)")
            try await world.waitBound(2)
            #expect(try await world.claim(named: "other")?.volumeName == name)

            // The image says that it is another cluster's.
            try await world.delete(try #require(try await world.claim(named: "other")))
            try await eventually("it is deleted") { try await world.trash().count == 1 }
            try await shell(
                """
                id=$(rbd trash ls \(World.pool) --format json | sed 's/.*"id":"\\([^"]*\\)","name":"\(world.name).*/\\1/')
                rbd trash restore \(World.pool)/$id
                note=$(rbd image-meta get \(image) nacre.io/persistent-volume)
                rbd image-meta set \(image) nacre.io/persistent-volume "$(echo "$note" | sed 's/"cluster":"[^"]*"/"cluster":"1"/')"
                """,
                world
            )
            let stranger = try await undelete(world, name, "--kubeconfig", admin, "--claim", "\(world.name)/other")
            #expect(
                stranger.end != .exited(0) && stranger.text.contains("another Kubernetes cluster"),
                "\(stranger.text)"
            )
            try await shell("rbd rm --no-progress \(image)", world)
            try await world.delete(new)
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
