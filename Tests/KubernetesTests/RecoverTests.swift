import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite(
    "A Kubernetes that comes back from what is on the images",
    .serialized,
    .enabled(if: KubeLab.isThere, KubeLab.lack)
)
struct RecoverTests {
    @Test(
        "Claims and PersistentVolumes come back as they were, twice is once, and nothing on the images changes",
        arguments: [("Filesystem", Delivery.local), ("Filesystem", .flexVolume), ("Block", .byDefault)]
    )
    func comesBack(mode: String, delivery: Delivery) async throws {
        try await inWorld { world in
            try await world.makeClass(
                parameters: ["nodeDelivery": delivery.rawValue, "mkfsOptions": "-i 8192"],
                fields: ["mountOptions": ["noatime"]]
            )
            let controller = try await world.controller()
            for name in ["data", "logs"] { try await world.claim(name, spec: ["volumeMode": .string(mode)]) }
            try await world.waitBound(2)
            var before: [String: JSONValue] = [:]
            for volume in try await world.volumes() {
                let path = APIPath.persistentVolume(volume.metadata.name)
                before[volume.metadata.name] = try await world.client.call(.get(path))
            }
            try await controller.stop()
            let images = try await world.images()
            let image = try #require(images.first)
            try await world.ceph(
                "rbd bench --io-type write --io-size 4K --io-total 64K \(World.pool)/\(image) > /dev/null"
            )
            try await world.loseObjects()
            let untouched = try await world.everything(of: images)
            #expect(untouched.contains("rbd_header."), "\(untouched)")

            let plan = try await world.recover()
            #expect(plan.end == .exited(0) && plan.text.contains("\(world.name)/data"), "\(plan.text)")
            #expect(plan.text.contains("nothing was made"), "\(plan.text)")
            #expect(try await world.volumes().isEmpty)
            let yaml = try await world.recover("--output", "yaml", "--quiet")
            #expect(yaml.text.contains("kind: PersistentVolumeClaim"), "\(yaml.text)")

            let done = try await world.recover("--apply")
            #expect(done.end == .exited(0), "\(done.text)")
            try await world.waitBound(2)
            // The controllers of Kubernetes may have something to write still.
            var made = try await world.volumes().map(\.metadata.resourceVersion)
            try await eventually("nothing is written any more") {
                try await Task.sleep(for: .seconds(3))
                let before = made
                made = try await world.volumes().map(\.metadata.resourceVersion)
                return made == before
            }
            let again = try await world.recover("--apply", "--output", "json", "--quiet")
            #expect(again.end == .exited(0) && again.text.contains(#""state" : "present""#), "\(again.text)")
            #expect(!again.text.contains(#""state" : "made""#), "\(again.text)")
            #expect(try await world.volumes().map(\.metadata.resourceVersion) == made)
            #expect(try await world.everything(of: images) == untouched)

            for (name, old) in before {
                let new = try await world.client.call(.get(APIPath.persistentVolume(name)))
                for part in [
                    "capacity", "accessModes", "local", "nodeAffinity", "storageClassName",
                    "persistentVolumeReclaimPolicy", "volumeMode",
                ] {
                    #expect(new["spec", part] == old["spec", part], "\(part)")
                }
                #expect(new["spec", "flexVolume", "driver"] == old["spec", "flexVolume", "driver"])
                #expect(new["metadata", "finalizers"] == old["metadata", "finalizers"])
                let (was, now) = (Self.attributes(old), Self.attributes(new))
                for key in ["volumeHandle", "schema", "mkfsOptions", "mountOptions", "expandSecretName"] {
                    #expect(now[key] == was[key], "\(key)")
                }
                #expect(new["spec", "claimRef", "name"] == old["spec", "claimRef", "name"])
            }
            // They are what they were: nothing is an orphan, they grow, and they go with their claims.
            let next = try await world.controller()
            try await world.grow("data", to: "128Mi")
            try await eventually("the image has grown") {
                for image in images where try await world.imageBytes(image) == 128 << 20 { return true }
                return false
            }
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await next.stop()
        }
    }

    /// What the agent reads, of either source.
    private static func attributes(_ volume: JSONValue) -> [String: String] {
        if let options = volume["spec", "flexVolume", "options"] { return options.stringMembers }
        let text = volume["metadata", "annotations", "nacre.io/volume-attributes"]?.string ?? ""
        return (try? JSONValue(parsing: Array(text.utf8)))?.stringMembers ?? [:]
    }

    @Test("A plan from Ceph alone names the lost Kubernetes, and its YAML is what kubectl makes the objects of")
    func alone() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await world.claim("data")
            try await world.waitBound(1)
            try await controller.stop()
            try await world.loseObjects()
            let namespace = try await world.client.call(.get("/api/v1/namespaces/kube-system"))
            let uid = try #require(namespace["metadata", "uid"]?.string)

            let plan = try await world.recover(isAlone: true)
            #expect(plan.end == .exited(0) && plan.text.contains("--of-cluster \(uid)"), "\(plan.text)")
            let unasked = try await world.recover("--apply", isAlone: true)
            #expect(unasked.end == .exited(64) && unasked.text.contains("--kubeconfig"), "\(unasked.text)")
            let yaml = try await world.recover("--of-cluster", uid, "--output", "yaml", "--quiet", isAlone: true)
            #expect(yaml.end == .exited(0), "\(yaml.text)")
            let file = "\(world.directory)/objects.yaml"
            // Refusals of other tests' images go to standard error, which the log has too.
            let lines = yaml.text.split(separator: "\n").filter { !$0.hasPrefix("nacre: ") }
            try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
            let applied = try await KubeLab.kubectl("apply", "-f", file)
            #expect(applied.end == .exited(0), "\(applied.text)")
            try await world.waitBound(1)
            let next = try await world.controller()
            try await world.delete(try #require(try await world.claim(named: "data")))
            try await world.waitGone()
            try await next.stop()
        }
    }

    @Test("A recovery that is killed again and again comes to the same end")
    func killed() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let count = 24
            for index in 0..<count { try await world.claim("data-\(index)") }
            try await world.waitBound(count)
            let names = Set(try await world.volumes().map(\.metadata.name))
            try await controller.stop()
            try await world.loseObjects()
            var kills = 0
            for attempt in 0..<18 where attempt < 6 || kills == 0 {
                // On a busy machine all of it may be there before anybody has seen a part: then once more from the beginning.
                if attempt.isMultiple(of: 6), attempt > 0 { try await world.loseObjects() }
                let before = try await world.volumes().count + world.claims().count
                let process = try world.recovery(["--apply"]).process
                while process.isRunning {
                    if try await world.volumes().count + world.claims().count > before {
                        process.send(SIGKILL)
                        kills += 1
                        break
                    }
                }
                _ = try await process.end()
            }
            #expect(kills > 0)
            let done = try await world.recover("--apply")
            #expect(done.end == .exited(0), "\(done.text)")
            try await world.waitBound(count)
            #expect(Set(try await world.volumes().map(\.metadata.name)) == names)
            #expect(try await world.images().count == count)
            let next = try await world.controller()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await next.stop()
        }
    }
}
