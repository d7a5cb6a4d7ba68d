import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

extension RecoverTests {
    private static let stranger = "11111111-2222-4333-8444-555555555555"

    /// The state and the reason that a plan in JSON gives an image.
    private func told(_ output: Output, _ image: String) throws -> (state: String, reason: String, notes: String) {
        let text = output.text.drop { $0 != "{" }
        let end = text.firstRange(of: "\n}\n")?.upperBound ?? text.endIndex
        let report = try JSONValue(parsing: Array(text[..<end].utf8))
        let found = report["volumes"]?.elements.first { $0["volumeId"]?.string?.hasSuffix("/\(image)") ?? false }
        let volume = try #require(found, "\(image): \(output.text)")
        let notes = volume["notes"]?.strings.joined(separator: "; ") ?? ""
        return (volume["state"]?.string ?? "", volume["reason"]?.string ?? "", notes)
    }

    @Test("Each image that does not come back is told with its reason, and the others come back")
    func refusals() async throws {
        try await inWorld { world in
            try await world.makeClass(parameters: ["trashRetention": "1h"])
            let controller = try await world.controller()
            let words = ["lost", "stranger", "nobody", "nowhere", "taken", "older", "double", "gone", "blank"]
            for word in words { try await world.claim(word) }
            try await world.waitBound(words.count)
            var image: [String: String] = [:]
            for claim in try await world.claims() {
                image[claim.metadata.name] = "\(world.name)-\(claim.volumeName.dropFirst(4))"
            }
            try await world.delete(try #require(try await world.claim(named: "gone")))
            try await eventually("one is deleted") { try await world.trash().count == 1 }
            try await controller.stop()
            try await world.loseObjects()
            let pool = World.pool
            func name(_ word: String) throws -> String { try #require(image[word]) }
            func meta(_ word: String, _ line: String) async throws {
                try await world.ceph("rbd image-meta \(line.replacing("IMAGE", with: "\(pool)/\(try name(word))"))")
            }
            try await meta("stranger", "set IMAGE nacre.io/kubernetes-cluster \(Self.stranger)")
            try await meta("nobody", "remove IMAGE nacre.io/kubernetes-cluster")
            try await meta("nowhere", "set IMAGE csi.storage.k8s.io/pvc/namespace no-such")
            try await meta("older", "remove IMAGE nacre.io/kubernetes-volume")
            try await meta("double", "set IMAGE csi.storage.k8s.io/pvc/name lost")
            let id = try await world.ceph(
                "rbd info \(pool)/\(try name("blank")) --format json | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/'"
            )
            let blankID = id.trimmingCharacters(in: .whitespacesAndNewlines)
            try await world.ceph("rados -p \(pool) rm rbd_header.\(blankID)")
            do {
                try await judge(world, image)
            } catch {
                try await cleanUp(world, blankID, try name("blank"))
                throw error
            }
            try await cleanUp(world, blankID, try name("blank"))
        }
    }

    private func judge(_ world: World, _ image: [String: String]) async throws {
        func name(_ word: String) throws -> String { try #require(image[word]) }
        let pool = World.pool
        // Another driver's volume has the claim by now.
        try await takeClaim("taken", world)

        let foreign = "\(world.name)-\(UUID().uuidString.lowercased())"
        try await world.ceph("rbd create --size 8M \(pool)/\(foreign)")
        let plan = try await world.recover("--output", "json", "--quiet")
        #expect(plan.end == .exited(0), "\(plan.text)")
        for (word, state, reason) in [
            ("stranger", "passedOver", "--of-cluster \(Self.stranger)"),
            ("nobody", "passedOver", "--image \(try name("nobody"))"),
            ("nowhere", "blocked", "kubectl create namespace no-such"), ("taken", "blocked", "has volume 'other'"),
            ("older", "blocked", "--class"), ("lost", "blocked", "'\(try name("double"))'"),
            ("double", "blocked", "'\(try name("lost"))'"), ("gone", "passedOver", "nacre volume undelete"),
            ("blank", "blocked", "no header"),
        ] {
            let said = try told(plan, try name(word))
            #expect(said.state == state && said.reason.contains(reason), "\(word): \(said)")
        }
        #expect(try told(plan, foreign).reason.contains("unknown origin"))
        #expect(try await world.claims().map(\.metadata.name) == ["taken"])

        // What a person says of them brings them back; what is in the way of others stays so.
        let chosen = try await world.recover("--image", try name("lost"), "--image", try name("nobody"), "--apply")
        #expect(chosen.end == .exited(0), "\(chosen.text)")
        let older = try await world.recover(
            "--image",
            try name("older"),
            "--class",
            world.name,
            "--access-mode",
            "ReadOnlyMany",
            "--volume-mode",
            "Filesystem",
            "--reclaim-policy",
            "Retain",
            "--apply"
        )
        #expect(older.end == .exited(0) && older.text.contains("are assumed"), "\(older.text)")
        try await world.waitBound(4)
        let claims = Set(try await world.claims().map(\.metadata.name))
        #expect(claims == ["lost", "nobody", "older", "taken"])
        let volume = try await world.volumes().first { $0.claim?.name == "older" }
        #expect(volume?.reclaimPolicy == .retain && volume?.className == world.name)
        let rest = try await world.recover("--apply", "--output", "json", "--quiet")
        #expect(rest.end == .exited(1), "\(rest.text)")
        #expect(try told(rest, try name("lost")).state == "present")
        #expect(try told(rest, try name("double")).state == "blocked")
        #expect(Set(try await world.claims().map(\.metadata.name)) == claims)
    }

    /// Makes a claim that a volume of another kind has.
    private func takeClaim(_ claim: String, _ world: World) async throws {
        let object: JSONValue = [
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": ["name": "other"],
            "spec": [
                "capacity": ["storage": "64Mi"], "accessModes": ["ReadWriteOnce"],
                "storageClassName": .string(world.name), "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": ["path": "/tmp/nacre-\(world.name)"],
                "claimRef": ["namespace": .string(world.name), "name": .string(claim)],
            ],
        ]
        _ = try await world.client.call(.create(APIPath.persistentVolumes, object))
        try await world.claim(claim, spec: ["volumeName": "other"])
    }

    private func cleanUp(_ world: World, _ blankID: String, _ blank: String) async throws {
        try await world.loseObjects()
        let pool = World.pool
        try await world.ceph(
            """
            rados -p \(pool) rm rbd_id.\(blank)
            rados -p \(pool) rmomapkey rbd_directory name_\(blank)
            rados -p \(pool) rmomapkey rbd_directory id_\(blankID)
            for image in $(rbd ls \(pool) | grep '^\(world.name)-'); do rbd rm --no-progress \(pool)/$image; done
            for id in $(rbd trash ls \(pool) | awk '/ \(world.name)-/ { print $1 }'); do
              rbd trash rm --force --no-progress \(pool)/$id
            done
            """
        )
    }
}
