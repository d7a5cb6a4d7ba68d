import Foundation
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Volumes that go from claim to claim", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct RebindTests {
    private func patchVolume(_ name: String, _ patch: JSONValue, _ world: World) async throws {
        _ = try await world.client.call(.patch(APIPath.persistentVolume(name), .merge, patch))
    }

    /// What an image's metadata says, by Ceph's own program.
    private func metadata(_ image: String, _ key: String, _ world: World) async throws -> String {
        let log = "\(world.directory)/meta-\(UInt32.random(in: 0...UInt32.max))"
        let process = try ChildProcess(
            "/usr/bin/rbd",
            ["-c", "\(world.cluster.directory)/ceph.conf", "image-meta", "get", "\(World.pool)/\(image)", key],
            log: log
        )
        _ = try await process.end()
        return (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").first.map(String.init) ?? ""
    }

    @Test(
        "A Retain volume that is given to another claim grows, is noted as that claim's, and goes with it",
        arguments: [false, true]
    )
    func rebound(isBlock: Bool) async throws {
        try await inWorld { world in
            try await world.makeClass(fields: ["reclaimPolicy": "Retain"])
            let controller = try await world.controller()
            let mode: [String: JSONValue] = isBlock ? ["volumeMode": "Block"] : [:]
            let first = try await world.claim("first", spec: mode)
            try await world.waitBound(1)
            let name = try #require(try await world.volumes().first?.metadata.name)
            let image = try #require(try await world.images().first)
            try await world.delete(first)
            try await eventually("it is released") { try await world.volumes().first?.phase == .released }

            let second: JSONValue = [
                "namespace": .string(world.name), "name": "second", "uid": .null, "resourceVersion": .null,
            ]
            try await patchVolume(name, ["spec": ["claimRef": second]], world)
            let claim = try await world.claim("second", spec: mode.merging(["volumeName": .string(name)]) { $1 })
            try await world.waitBound(1)
            try await eventually("the image says whose it is") {
                try await metadata(image, "csi.storage.k8s.io/pvc/name", world) == "second"
            }
            _ = try await world.client.call(
                .patch(
                    APIPath.claim(world.name, "second"),
                    .merge,
                    ["spec": ["resources": ["requests": ["storage": "128Mi"]]]]
                )
            )
            try await eventually("the image grows") { try await world.imageBytes(image) == 128 << 20 }
            try await patchVolume(name, ["spec": ["persistentVolumeReclaimPolicy": "Delete"]], world)
            try await eventually("it is held") { try await world.volumes().first?.hasProvisionerFinalizer == true }
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A claim that a backup brought back under another uid, and that names its volume, loses nothing")
    func restoredClaim() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            let name = try #require(try await world.volumes().first?.metadata.name)
            try await controller.stop()
            try await world.delete(claim)
            try await eventually("it is released") { try await world.volumes().first?.phase == .released }
            let restored = try await world.claim("data", spec: ["volumeName": .string(name)])
            let volume = try #require(try await world.volumes().first)

            let next = try await world.controller("b")
            try await eventually("the administrator is told what to do") {
                try await world.events(about: volume.metadata.uid).contains {
                    $0.hasPrefix("VolumeFailedDelete") && $0.contains("remove spec.claimRef.uid")
                }
            }
            #expect(try await world.images().count == 1)
            let freed: JSONValue = ["spec": ["claimRef": ["uid": .null, "resourceVersion": .null]]]
            try await patchVolume(name, freed, world)
            try await world.waitBound(1)
            #expect(try await world.claim(named: "data")?.volumeName == name)
            #expect(try await world.images().count == 1)
            try await world.delete(restored)
            try await world.waitGone()
            try await next.stop()
        }
    }

    @Test("A class with one parameter in two spellings is read as it is: its claim is told, the others bind")
    func twoSpellings() async throws {
        try await inWorld { world in
            // To Go's map two keys, to Swift's strings one.
            let odd: JSONValue = [
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": ["name": .string("\(world.name)-odd")], "provisioner": .string(world.driver),
                "parameters": ["caf\u{e9}": "1", "cafe\u{301}": "2"],
            ]
            let log = "\(world.directory)/odd.json"
            try Data(odd.bytes).write(to: URL(filePath: log))
            let made = try await KubeLab.kubectl("create", "-f", log)
            #expect(made.end == .exited(0), "\(made.text)")
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            let told = try await world.claim("told", spec: ["storageClassName": .string("\(world.name)-odd")])
            // It has no Secrets either, which is found first.
            try await eventually("the claim is told") {
                try await world.events(about: told.metadata.uid).contains { $0.contains("ProvisioningFailed") }
            }
            #expect(!world.logText().contains("passed over"))
            // And one that comes while it is watched.
            let again = try await KubeLab.kubectl("label", "storageclass", "\(world.name)-odd", "a=b")
            #expect(again.end == .exited(0), "\(again.text)")
            let second = try await world.claim("second")
            try await world.waitBound(2)
            _ = try await KubeLab.kubectl("delete", "storageclass", "\(world.name)-odd")
            for claim in [claim, second, told] { try await world.delete(claim) }
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
