import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Branches of claims' volumes", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct BranchTests {
    private func branch(_ world: World, _ words: String...) async throws -> Output {
        let log = "\(world.directory)/branch-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            NacreProcess.program,
            ["volume", "branch"] + words + [
                "--kubeconfig", try KubeLab.administrator, "--config", world.cluster.configurationPath, "--secret-dir",
                world.cluster.provisionerSecret,
            ],
            log: log
        )
        let end = try await process.end()
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
    }

    /// Runs `body` with another namespace.
    private func withNamespace(_ world: World, _ body: (String) async throws -> Void) async throws {
        let other = "\(world.name)-b"
        let object: JSONValue = ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(other)]]
        _ = try await world.client.call(.create("/api/v1/namespaces", object))
        do {
            try await body(other)
        } catch {
            _ = try? await world.client.call(APICall(.delete, "/api/v1/namespaces/\(other)"))
            throw error
        }
        _ = try await world.client.call(APICall(.delete, "/api/v1/namespaces/\(other)"))
    }

    private func sum(_ image: String, _ world: World) async throws -> String {
        try await world.ceph("rbd export --no-progress \(World.pool)/\(image) - | md5sum")
    }

    private func expire(_ volume: String, _ world: World) async throws {
        let patch: JSONValue = ["metadata": ["annotations": ["nacre.io/branch-expires": "2020-01-01T00:00:00Z"]]]
        _ = try await world.client.call(.patch(APIPath.persistentVolume(volume), .merge, patch))
    }

    @Test(
        "A branch has the data of its moment, is apart from its source, and nothing of it is left when its time is over"
    )
    func life() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await world.claim("data", spec: ["volumeMode": "Block"])
            try await world.waitBound(1)
            let image = try #require(try await world.images().first)
            try await world.ceph(
                "rbd bench --io-type write --io-size 4K --io-total 64K \(World.pool)/\(image) > /dev/null"
            )
            let before = try await sum(image, world)
            try await withNamespace(world) { other in
                let words = ["--into-namespace", other, "--ttl", "1h"]
                let made = try await branch(world, "\(world.name)/data", words[0], words[1], words[2], words[3])
                #expect(made.end == .exited(0) && made.text.contains("\(other)/data"), "\(made.text)")
                let again = try await branch(world, "\(world.name)/data", words[0], words[1], words[2], words[3])
                #expect(again.end == .exited(0) && again.text.contains("is there already"), "\(again.text)")
                let volumes = try await world.volumes()
                let volume = try #require(volumes.first { $0.claim?.namespace == other })
                #expect(volumes.count == 2)
                let copy = "\(world.name)-\(volume.metadata.name.dropFirst(4))"
                try await eventually("the branch's claim is bound") {
                    let claim = try await world.client.call(.get(APIPath.claim(other, "data")))
                    return claim["status", "phase"]?.string == "Bound"
                }
                #expect(try await sum(copy, world) == before)
                try await world.ceph(
                    "rbd bench --io-type write --io-size 4K --io-total 256K --io-pattern rand \(World.pool)/\(copy) > /dev/null"
                )
                #expect(try await sum(image, world) == before)

                // The controller is away while the time passes, and comes back.
                try await controller.stop()
                try await expire(volume.metadata.name, world)
                let next = try await world.controller("b")
                try await eventually("nothing of the branch is left") {
                    let (volumes, images) = (try await world.volumes(), try await world.images())
                    return volumes.count == 1 && images == [image]
                }
                let claims = try await world.client.call(.get("/api/v1/namespaces/\(other)/persistentvolumeclaims"))
                #expect(claims["items"]?.elements.isEmpty == true)
                #expect(try await sum(image, world) == before)
                try await eventually("the trash is empty") { try await world.trash().isEmpty }
                // The branch's image needs the snapshot until it has left the trash.
                try await eventually("no snapshot is left") {
                    try await world.ceph("rbd snap ls --all \(World.pool)/\(image)") == ""
                }
                try await next.stop()
            }
            let last = try await world.controller("c")
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await last.stop()
        }
    }

    @Test("What only its PersistentVolume calls a branch is not deleted, and is told")
    func forged() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await world.claim("data")
            try await world.waitBound(1)
            let volume = try #require(try await world.volumes().first)
            let patch: JSONValue = [
                "metadata": [
                    "labels": ["nacre.io/branch": "branch"],
                    "annotations": [
                        "nacre.io/branch-expires": "2020-01-01T00:00:00Z", "nacre.io/branch-of": "lab/rbd//x",
                    ],
                ]
            ]
            _ = try await world.client.call(.patch(APIPath.persistentVolume(volume.metadata.name), .merge, patch))
            try await eventually("it is told") {
                try await world.events(about: volume.metadata.uid).contains { $0.contains("nothing is deleted") }
            }
            #expect(try await world.volumes().first?.metadata.isBeingDeleted == false)
            #expect(try await world.images().count == 1)
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("Several volumes are refused unless one says that their moments may differ")
    func several() async throws {
        try await inWorld { world in
            let refused = try await branch(world, "a/b", "a/c", "--into-namespace", "d", "--ttl", "1h")
            #expect(refused.end == .exited(64) && refused.text.contains("--not-at-one-instant"), "\(refused.text)")
        }
    }
}
