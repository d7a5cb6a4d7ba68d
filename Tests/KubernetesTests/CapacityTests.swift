import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("Room, and where there is none", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct CapacityTests {
    /// A pool that no other test of Kubernetes uses.
    private static let fullPool = "rbd"
    private static let versions = ["v1", "v1beta1", "v1alpha1"]

    /// The objects that tell the scheduler of a world's classes.
    private func capacities(_ world: World) async throws -> [JSONValue]? {
        for version in Self.versions {
            let path = APIPath.storageCapacities(world.name, version: version)
            guard let list = try? await world.client.call(.get(path)) else { continue }
            return list["items"]?.elements ?? []
        }
        return nil
    }

    private func setQuota(_ world: World, bytes: Int) async throws {
        let configuration = "\(world.cluster.directory)/ceph.conf"
        let process = try ChildProcess(
            "/usr/bin/ceph",
            ["-c", configuration, "osd", "pool", "set-quota", Self.fullPool, "max_bytes", "\(bytes)"],
            log: "/dev/null"
        )
        #expect(try await process.end() == .exited(0))
    }

    @Test("Classes that wait for a consumer have an object for each topology, others none; it goes with the class")
    func published() async throws {
        try await inWorld { world in
            let topologies: JSONValue = [
                ["matchLabelExpressions": [["key": "zone", "values": ["a"]]]],
                ["matchLabelExpressions": [["key": "zone", "values": ["b", "c"]]]],
            ]
            let waits: JSONValue = "WaitForFirstConsumer"
            try await world.makeClass("\(world.name)-now")
            try await world.makeClass("\(world.name)-later", fields: ["volumeBindingMode": waits])
            try await world.makeClass(
                "\(world.name)-zones",
                fields: ["volumeBindingMode": waits, "allowedTopologies": topologies]
            )
            let controller = try await world.controller()
            try await eventually("three objects") { try await capacities(world)?.count == 3 }
            let objects = try #require(try await capacities(world))
            let plain = try #require(objects.first { $0["storageClassName"]?.string == "\(world.name)-later" })
            #expect(plain["nodeTopology"] != nil && plain["nodeTopology", "matchExpressions"] == nil)
            #expect((plain["capacity"]?.string.flatMap(Quantity.bytes) ?? 0) > 1 << 30)
            #expect(plain["metadata", "labels", "csi.storage.k8s.io/drivername"]?.string == world.driver)
            let zones = objects.filter { $0["storageClassName"]?.string == "\(world.name)-zones" }
                .map { $0["nodeTopology", "matchExpressions"]?.elements.first?["values"]?.strings ?? [] }
            #expect(Set(zones) == [["a"], ["b", "c"]])
            #expect(try await controller.stop() == .exited(0))
            _ = try await world.client.call(APICall(.delete, "\(APIPath.storageClasses)/\(world.name)-zones"))
            let next = try await world.controller("b")
            try await eventually("the class' objects are gone") {
                try await capacities(world)?.count == 1
            }
            try await next.stop()
            for name in ["now", "later"] {
                _ = try await world.client.call(APICall(.delete, "\(APIPath.storageClasses)/\(world.name)-\(name)"))
            }
        }
    }

    @Test("A claim of a full pool is told so, the scheduler is asked again, and it is bound when there is room")
    func full() async throws {
        try await inWorld { world in
            try await world.makeClass(
                parameters: ["pool": Self.fullPool],
                fields: ["volumeBindingMode": "WaitForFirstConsumer"]
            )
            try await setQuota(world, bytes: 1)
            let controller = try await world.controller()
            do {
                try await eventually("the quota is felt") {
                    try await capacities(world)?.first?["capacity"]?.string == "0"
                }
                let claim = try await world.claim("data")
                let chosen: JSONValue = ["metadata": ["annotations": ["volume.kubernetes.io/selected-node": "n1"]]]
                _ = try await world.client.call(.patch(APIPath.claim(world.name, "data"), .merge, chosen))
                try await eventually("its owner is told") {
                    try await world.events(about: claim.metadata.uid)
                        .contains { $0.hasPrefix("ProvisioningFailed: ") && $0.contains("pool 'rbd' has no room left") }
                }
                try await eventually("the scheduler's choice is taken back") {
                    let details = try await world.claim(named: "data")?.details
                    return details?.annotations["volume.kubernetes.io/selected-node"] == nil
                }
                #expect(try await world.volumes().isEmpty)
                try await setQuota(world, bytes: 0)
                // The scheduler chooses as often as its choice is taken back; the room is felt only some seconds later.
                try await eventually("the claim is bound") {
                    guard let claim = try await world.claim(named: "data") else { return false }
                    if claim.details?.annotations["volume.kubernetes.io/selected-node"] == nil, claim.phase != .bound {
                        _ = try await world.client.call(.patch(APIPath.claim(world.name, "data"), .merge, chosen))
                    }
                    return claim.phase == .bound && !claim.volumeName.isEmpty
                }
                try await world.delete(claim)
                try await eventually("the volume is gone") { try await world.volumes().isEmpty }
            } catch {
                try await setQuota(world, bytes: 0)
                throw error
            }
            try await controller.stop()
        }
    }

    @Test("A class' topologies become the volume's node affinity, of a device too", arguments: [true, false])
    func topologies(isBlock: Bool) async throws {
        try await inWorld { world in
            let topologies: JSONValue = [
                [
                    "matchLabelExpressions": [
                        ["key": "zone", "values": ["a"]], ["key": "kubernetes.io/hostname", "values": ["n1", "n2"]],
                    ]
                ], ["matchLabelExpressions": [["key": "zone", "values": ["b"]]]],
            ]
            try await world.makeClass(fields: ["allowedTopologies": topologies])
            let controller = try await world.controller()
            let claim = try await world.claim("data", spec: isBlock ? ["volumeMode": "Block"] : [:])
            try await world.waitBound(1)
            let volume = try #require(try await world.volumes().first)
            let object = try await world.client.call(.get(APIPath.persistentVolume(volume.metadata.name)))
            let terms = object["spec", "nodeAffinity", "required", "nodeSelectorTerms"]?.elements ?? []
            let labels = terms.map { term -> [String: [String]] in
                var labels: [String: [String]] = [:]
                for expression in term["matchExpressions"]?.elements ?? [] {
                    #expect(expression["operator"]?.string == "In")
                    labels[expression["key"]?.string ?? ""] = expression["values"]?.strings ?? []
                }
                return labels
            }
            #expect(labels == [["zone": ["a"], "kubernetes.io/hostname": ["n1", "n2"]], ["zone": ["b"]]])
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
