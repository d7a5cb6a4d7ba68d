import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Controllers that die, freeze and compete", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct CrashTests {
    private static let claims = 20

    @Test(
        "Killed at a step with twenty claims in flight: no claim is lost, no image leaks, no volume is double",
        arguments: [
            ("lookingUp", "releasingClaim"), ("creatingImage", "deletingImage"), ("writingHeader", "movingToTrash"),
            ("readingSecret", "recheckingUse"), ("savingVolume", "removingVolume"),
            ("bindingClaim", "removingFinalizer"), ("settingPhases", "removingVolume"),
        ]
    )
    func killed(making: String, deleting: String) async throws {
        try await inWorld { world in
            try await world.makeClass()
            for number in 0..<Self.claims { try await world.claim("c\(number)") }
            let first = try await world.controller("a", environment: ["NACRE_CRASH_AT": making])
            #expect(try await first.end() == .killed(SIGKILL))
            let second = try await world.controller("b", environment: ["NACRE_CRASH_AT": deleting])
            try await world.waitBound(Self.claims)
            let bound = try await world.claims()
            let volumes = try await world.volumes()
            #expect(volumes.count == Self.claims)
            #expect(Set(volumes.compactMap(\.claim?.uid)) == Set(bound.map(\.metadata.uid)))
            #expect(Set(bound.map(\.volumeName)) == Set(volumes.map(\.metadata.name)))
            try await eventually("every volume is bound") {
                try await world.volumes().allSatisfy { $0.phase == .bound }
            }
            #expect(try await world.images().count == Self.claims)
            for claim in bound { try await world.delete(claim) }
            #expect(try await second.end() == .killed(SIGKILL))
            let third = try await world.controller("c")
            // Ceph believes for half a minute that who was killed still has an image open.
            try await world.waitGone(within: .seconds(240))
            // Without a user of its own, as shipped, it also empties what the killed ones left in the trash.
            try await eventually("the trash is empty", within: .seconds(240)) { try await world.trash().isEmpty }
            #expect(try await third.stop() == .exited(0))
        }
    }

    @Test(
        "Killed at a step of an expansion: the next controller brings every claim to its new size",
        arguments: ["growingImage", "recordingCapacity", "recordingResize"]
    )
    func killedGrowing(step: String) async throws {
        try await inWorld { world in
            try await world.makeClass()
            let first = try await world.controller("a")
            for number in 0..<Self.claims / 2 {
                try await world.claim("c\(number)", spec: ["volumeMode": "Block"])
            }
            try await world.waitBound(Self.claims / 2)
            try await first.stop()
            let second = try await world.controller("b", environment: ["NACRE_CRASH_AT": step])
            for number in 0..<Self.claims / 2 {
                let larger: JSONValue = ["spec": ["resources": ["requests": ["storage": "128Mi"]]]]
                _ = try await world.client.call(.patch(APIPath.claim(world.name, "c\(number)"), .merge, larger))
            }
            #expect(try await second.end() == .killed(SIGKILL))
            let third = try await world.controller("c")
            try await eventually("every claim has its size, and nothing more to wait for", within: .seconds(240)) {
                try await world.claims().allSatisfy {
                    $0.capacityBytes == 128 << 20 && $0.details?.conditions.isEmpty ?? true
                }
            }
            #expect(try await world.volumes().allSatisfy { $0.capacityBytes == 128 << 20 })
            for image in try await world.images() { #expect(try await world.imageBytes(image) == 128 << 20) }
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone(within: .seconds(240))
            try await third.stop()
        }
    }

    @Test(
        "Whatever time a holder's clock shows, its lease is taken when it was not renewed for as long as it says",
        arguments: ["2001-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"]
    )
    func clocks(renewTime: String) async throws {
        try await inWorld { world in
            let lease: JSONValue = [
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": ["name": .string(LeaderElection.leaseName(for: world.driver))],
                "spec": [
                    "holderIdentity": "another", "leaseDurationSeconds": 8, "leaseTransitions": 3,
                    "acquireTime": .string(renewTime), "renewTime": .string(renewTime),
                ],
            ]
            _ = try await world.client.call(.create(APIPath.leases(world.name), lease))
            let start = ContinuousClock.now
            let controller = try await world.controller("a")
            try await eventually("it leads") { try await world.holder() == "a" }
            #expect(.now - start >= .seconds(8))
            try await controller.stop()
        }
    }

    @Test("A claim that is deleted while its volume is made leaves nothing")
    func deletedMeanwhile() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await eventually("it leads") { try await world.holder() == "a" }
            for number in 0..<Self.claims {
                let claim = try await world.claim("c\(number)")
                // From at once to well after it is bound.
                try await Task.sleep(for: .milliseconds(number * 8))
                try await world.delete(claim)
            }
            try await eventually("the claims are gone") { try await world.claims().isEmpty }
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A leader that was frozen writes nothing more when it thaws; the other has taken over")
    func frozen() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let first = try await world.controller("a")
            try await eventually("the first leads") { try await world.holder() == "a" }
            let second = try await world.controller("b")
            for number in 0..<Self.claims { try await world.claim("c\(number)") }
            first.send(SIGSTOP)
            try await eventually("the second takes over") { try await world.holder() == "b" }
            try await world.waitBound(Self.claims)
            let before = try await calmVersions(world)
            first.send(SIGCONT)
            #expect(try await first.end() == .exited(75))
            try await Task.sleep(for: .seconds(1))
            #expect(try await versions(world) == before)
            #expect(try await world.holder() == "b")
            #expect(try await world.images().count == Self.claims)
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await second.stop()
        }
    }

    /// The versions when the controllers of Kubernetes have written all that they had to.
    private func calmVersions(_ world: World) async throws -> [String: String] {
        var last = try await versions(world)
        try await eventually("nothing is written any more") {
            try await Task.sleep(for: .seconds(5))
            let before = last
            last = try await versions(world)
            return last == before
        }
        return last
    }

    private func versions(_ world: World) async throws -> [String: String] {
        var versions: [String: String] = [:]
        for claim in try await world.claims() { versions[claim.metadata.name] = claim.metadata.resourceVersion }
        for volume in try await world.volumes() { versions[volume.metadata.name] = volume.metadata.resourceVersion }
        return versions
    }

    @Test("A controller that stops gives its lease back, and the next one works at once")
    func handOver() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let first = try await world.controller("a")
            try await eventually("the first leads") { try await world.holder() == "a" }
            let second = try await world.controller("b")
            try await eventually("the second stands by") { world.logText("b").contains("serving") }
            #expect(try await first.stop() == .exited(0))
            try await eventually("the second leads") { try await world.holder() == "b" }
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            try await world.delete(claim)
            try await world.waitGone()
            try await second.stop()
        }
    }

    @Test("An API server that is restarted, and an etcd that pauses, are waited for", arguments: ["api", "etcd"])
    func outages(of part: String) async throws {
        try await inWorld { world in
            try await world.makeClass()
            // The lease must outlast the outage, for else the controller ends, as it should.
            let controller = try await world.controller("a", ["--lease-duration", "120"])
            try await eventually("it leads") { try await world.holder() == "a" }
            for number in 0..<Self.claims { try await world.claim("c\(number)") }
            if part == "api" {
                try await KubeLab.lab("restart", "kube-apiserver", "--wait")
            } else {
                try await KubeLab.lab("freeze", "etcd")
                try await Task.sleep(for: .seconds(8))
                try await KubeLab.lab("thaw", "etcd", "--wait")
            }
            try await world.waitBound(Self.claims, within: .seconds(240))
            let late = try await world.claim("late")
            try await world.waitBound(Self.claims + 1)
            #expect(try await world.volumes().count == Self.claims + 1)
            #expect(try await world.images().count == Self.claims + 1)
            for claim in try await world.claims() { try await world.delete(claim) }
            _ = late
            try await world.waitGone(within: .seconds(240))
            try await controller.stop()
        }
    }
}
