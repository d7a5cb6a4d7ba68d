import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Bindings that others want, too", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct RaceTests {
    private static let claims = 24

    @Test("Claims that are edited all the time while their volumes are made are bound all the same")
    func edited() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await eventually("it leads") { try await world.holder() == "a" }
            try await withThrowingTaskGroup { group in
                for number in 0..<Self.claims {
                    group.addTask {
                        try await world.claim("c\(number)")
                        for edit in 0..<25 {
                            let note: JSONValue = ["metadata": ["annotations": ["note": "\(edit)"]]]
                            _ = try await world.client.call(
                                .patch(APIPath.claim(world.name, "c\(number)"), .merge, note)
                            )
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await world.waitBound(Self.claims)
            #expect(try await world.volumes().count == Self.claims)
            #expect(try await world.images().count == Self.claims)
            for claim in try await world.claims() {
                #expect(claim.details?.annotations["note"] == "24" || claim.details == nil)
                try await world.delete(claim)
            }
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A claim that somebody gives another volume while ours is made keeps that one, and ours is taken back")
    func boundElsewhere() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await eventually("it leads") { try await world.holder() == "a" }
            for number in 0..<Self.claims { try await makeStatic(world, number) }
            try await withThrowingTaskGroup { group in
                for number in 0..<Self.claims {
                    group.addTask {
                        // The size keeps the binder from giving it a static volume by itself.
                        let claim = try await world.claim("c\(number)", size: "2Gi")
                        try await Task.sleep(for: .milliseconds(number * 6))
                        let name: JSONValue = ["spec": ["volumeName": .string("\(world.name)-s\(number)")]]
                        // Too late when ours was there first: then the server refuses it.
                        _ = try? await world.client.call(
                            .patch(APIPath.claim(world.name, claim.metadata.name), .merge, name)
                        )
                    }
                }
                try await group.waitForAll()
            }
            try await eventually("ours are there for those claims alone that have them") {
                let claims = try await world.claims()
                let ours = Set(claims.map(\.volumeName).filter { $0.hasPrefix("pvc-") })
                let volumes = try await world.volumes().filter { $0.provisionedBy == world.driver }
                let images = try await world.images()
                return claims.allSatisfy { !$0.volumeName.isEmpty } && Set(volumes.map(\.metadata.name)) == ours
                    && images.count == ours.count
            }
            for claim in try await world.claims() { try await world.delete(claim) }
            for number in 0..<Self.claims {
                _ = try await world.client.call(APICall(.delete, APIPath.persistentVolume("\(world.name)-s\(number)")))
            }
            try await eventually("all is gone") { try await world.images().isEmpty }
            try await controller.stop()
        }
    }

    /// A volume that a person made for a claim, too small for the binder to choose it by itself.
    private func makeStatic(_ world: World, _ number: Int) async throws {
        _ = try await world.client.call(
            .create(
                APIPath.persistentVolumes,
                [
                    "apiVersion": "v1", "kind": "PersistentVolume",
                    "metadata": ["name": .string("\(world.name)-s\(number)")],
                    "spec": [
                        "capacity": ["storage": "1Gi"], "accessModes": ["ReadWriteOnce"],
                        "storageClassName": .string(world.name), "persistentVolumeReclaimPolicy": "Retain",
                        "hostPath": ["path": "/tmp"],
                    ],
                ]
            )
        )
    }

    @Test("A deleted claim that a pod names stays with its volume until the pod is gone")
    func used() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            let pods = APIPath.pods(world.name)
            _ = try await world.client.call(
                .create(
                    pods,
                    [
                        "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "user"],
                        "spec": [
                            "nodeName": "no-such-node", "terminationGracePeriodSeconds": 0,
                            "automountServiceAccountToken": false,
                            "containers": [["name": "c", "image": "none"]],
                            "volumes": [["name": "d", "persistentVolumeClaim": ["claimName": "data"]]],
                        ],
                    ]
                )
            )
            try await world.delete(claim)
            try await Task.sleep(for: .seconds(3))
            #expect(try await world.claim(named: "data")?.metadata.isBeingDeleted == true)
            #expect(try await world.images().count == 1)
            _ = try await world.client.call(
                APICall(
                    .delete,
                    "\(pods)/user",
                    body: ["apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0]
                )
            )
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
