import Foundation
import Glibc
import JSON
import KubernetesAPI
import Logging
import Provisioner
import Secrets
import TestSupport
import Testing
import Volumes

/// One after the other: they take away the kinds that they all use.
@Suite("Snapshots and copies", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct SnapshotTests {
    private static let block: [String: JSONValue] = ["volumeMode": "Block"]

    private static func wish(_ source: [String: JSONValue]) -> [String: JSONValue] { block.merging(source) { $1 } }

    /// A controller in this process, whose images are in memory.
    private func memoryController(_ world: World, _ store: InMemoryImageStore) throws -> Task<Void, Never> {
        let client = try KubernetesClient(
            ClusterIdentity.kubeconfig(at: KubeLab.administrator),
            userAgent: "nacre-tests"
        )
        var settings = DriverSettings()
        settings.driverName = world.driver
        settings.snapshotInterval = .seconds(1)
        let events = EventRecorder(client, component: world.driver, instance: "test")
        let controller = ProvisioningController(
            settings: settings,
            client: client,
            service: VolumeService(store: store),
            ownCredentials: { () throws(VolumeError) in Credentials(userID: "u", userKey: Secret("k")) },
            events: events,
            logger: Logger(label: "nacre-tests") { _ in SwiftLogNoOpLogHandler() }
        )
        return Task {
            await withTaskGroup { group in
                group.addTask { await controller.watch() }
                group.addTask { await controller.work() }
                group.addTask { await events.run() }
            }
        }
    }

    @Test("The kinds come, go and come back while the controller runs; claims wait for them and go on")
    func kinds() async throws {
        try await World.removeSnapshots()
        try await inWorld { world in
            let none = [
                "csi.storage.k8s.io/provisioner-secret-name", "csi.storage.k8s.io/provisioner-secret-namespace",
            ]
            let parameters = Dictionary(uniqueKeysWithValues: none.map { ($0, "") })
            try await world.makeClass(parameters: parameters.merging(["clusterID": "lab", "pool": "rbd"]) { $1 })
            let store = InMemoryImageStore()
            let controller = try memoryController(world, store)
            try await world.claim("data", spec: Self.block)
            try await world.waitBound(1)
            let waiting = try await world.claim("restored", spec: Self.wish(World.source(snapshot: "s")))
            try await eventually("its owner is told") {
                try await world.events(about: waiting.metadata.uid).contains {
                    $0.contains("this cluster has no VolumeSnapshots")
                }
            }

            try await World.installSnapshots()
            try await world.makeSnapshotClass()
            let taken = try await world.snapshot("s", of: "data")
            try await world.waitTaken("s")
            try await world.waitBound(2)
            try await world.claim("copy", spec: Self.wish(World.source(claim: "data")))
            try await world.waitBound(3)
            #expect(store.images.count == 3 && store.allSnapshots.count >= 1)
            try await eventually("its owner is told") {
                let told = try await world.events(about: taken.metadata.uid)
                return told.contains { $0.hasPrefix("CreatingSnapshot") }
                    && told.contains { $0.hasPrefix("SnapshotReady") }
            }
            try await eventually("the claim is let go") {
                let finalizers = try await world.claim(named: "data")?.details?.finalizers ?? []
                return !finalizers.contains(SnapshotAPI.claimFinalizer)
            }
            let told = try await KubeLab.kubectl("get", "volumesnapshot", "-n", world.name, "s")
            #expect(told.text.contains("true") && told.text.contains("64Mi"), "\(told.text)")
            try await world.deleteSnapshot("s")
            try await world.waitNoSnapshots()
            #expect(store.allSnapshots.allSatisfy { $0.notes["csi.storage.k8s.io/volumesnapshot/name"] == nil })

            try await World.removeSnapshots()
            try await world.claim("later", spec: Self.block)
            try await world.waitBound(4)
            try await World.installSnapshots()
            try await world.makeSnapshotClass()
            try await world.snapshot("back", of: "data")
            try await world.waitTaken("back")
            try await world.deleteSnapshot("back")
            try await world.waitNoSnapshots()
            await world.endSnapshotClass()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await eventually("no volume is left") { try await world.volumes().isEmpty }
            #expect(store.images.isEmpty)
            controller.cancel()
            await controller.value
        }
    }

    @Test("A restored claim and a copy have the bytes of their source, also when that is deleted before them")
    func bytes() async throws {
        try await World.installSnapshots()
        try await inWorld { world in
            try await world.makeClass()
            try await world.makeSnapshotClass()
            let controller = try await world.controller()
            try await world.claim("data", spec: Self.block)
            try await world.waitBound(1)
            let image = try await world.image(of: "data")
            try await world.scribble(image)
            let before = try await world.bytes(image)
            try await world.snapshot("s", of: "data")
            try await world.waitTaken("s")
            try await world.scribble(image)
            let after = try await world.bytes(image)
            #expect(before != after)
            try await world.claim("copy", spec: Self.wish(World.source(claim: "data")))
            try await world.claim("restored", size: "128Mi", spec: Self.wish(World.source(snapshot: "s")))
            try await world.waitBound(3)
            #expect(try await world.bytes(try await world.image(of: "copy")) == after)
            let restored = try await world.bytes(try await world.image(of: "restored"))
            #expect(restored.count == 128 << 20 && restored.prefix(before.count) == before)
            #expect(restored.dropFirst(before.count).allSatisfy { $0 == 0 })

            // The source goes; the snapshot stays good.
            try await world.delete(try #require(try await world.claim(named: "data")))
            try await eventually("the source is gone") { try await !world.images().contains(image) }
            try await world.claim("late", spec: Self.wish(World.source(snapshot: "s")))
            try await world.waitBound(3)
            #expect(try await world.bytes(try await world.image(of: "late")) == before)
            // The snapshot goes before what was made from it.
            try await world.deleteSnapshot("s")
            try await world.waitNoSnapshots()
            #expect(try await world.bytes(try await world.image(of: "late")) == before)
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            await world.endSnapshotClass()
            try await controller.stop()
        }
    }

    @Test("With Retain a snapshot outlives its VolumeSnapshot, and comes back by a content made by hand")
    func retain() async throws {
        try await World.installSnapshots()
        try await inWorld { world in
            try await world.makeClass()
            try await world.makeSnapshotClass(policy: "Retain")
            let controller = try await world.controller()
            try await world.claim("data", spec: Self.block)
            try await world.waitBound(1)
            let image = try await world.image(of: "data")
            try await world.scribble(image)
            let before = try await world.bytes(image)
            try await world.snapshot("s", of: "data")
            try await world.waitTaken("s")
            let content = try #require(try await world.contents().first)
            let handle = try #require(content.handle)
            try await world.deleteSnapshot("s")
            try await eventually("the VolumeSnapshot is gone") { try await world.snapshots().isEmpty }
            _ = try await world.client.call(APICall(.delete, APIPath.volumeSnapshotContent(content.metadata.name)))
            try await world.waitNoSnapshots()
            #expect(try await world.rbd("snap", "ls", image).contains("csi-snap-"))

            let given: JSONValue = [
                "apiVersion": .string(SnapshotAPI.version), "kind": "VolumeSnapshotContent",
                "metadata": [
                    "name": .string(world.name),
                    "annotations": [
                        SnapshotAPI.deletionSecretNameKey: "ceph",
                        SnapshotAPI.deletionSecretNamespaceKey: .string(world.name),
                    ],
                ],
                "spec": [
                    "deletionPolicy": "Delete", "driver": .string(world.driver),
                    "source": ["snapshotHandle": .string(handle)],
                    "volumeSnapshotRef": ["namespace": .string(world.name), "name": "again"],
                ],
            ]
            _ = try await world.client.call(.create(APIPath.volumeSnapshotContents, given))
            try await world.snapshot("again", for: world.name)
            try await world.waitTaken("again")
            try await world.claim("restored", spec: Self.wish(World.source(snapshot: "again")))
            try await world.waitBound(2)
            #expect(try await world.bytes(try await world.image(of: "restored")) == before)
            try await world.deleteSnapshot("again")
            try await world.waitNoSnapshots()
            #expect(try await !world.rbd("snap", "ls", image).contains("csi-snap-"))
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            await world.endSnapshotClass()
            try await controller.stop()
        }
    }

    @Test(
        "Killed at a step, a controller leaves what the next one completes: one snapshot, and then none",
        arguments: [
            ("holdingSnapshot", "markingContent"), ("holdingClaim", "removingContent"),
            ("savingContent", "deletingSnapshot"), ("requestingSnapshot", "removingSnapshot"),
            ("takingSnapshot", "forgettingSnapshot"), ("recordingSnapshot", "releasingContent"),
            ("clearingBegun", "releasingSnapshot"), ("releasingSource", "markingContent"),
            ("mirroringStatus", "removingContent"),
        ]
    )
    func killed(taking: String, deleting: String) async throws {
        try await World.installSnapshots()
        try await inWorld { world in
            try await world.makeClass()
            try await world.makeSnapshotClass()
            let maker = try await world.controller("m")
            try await world.claim("data", spec: Self.block)
            try await world.waitBound(1)
            #expect(try await maker.stop() == .exited(0))
            let image = try await world.image(of: "data")
            for number in 0..<3 { try await world.snapshot("s\(number)", of: "data") }
            let first = try await world.controller("a", environment: ["NACRE_CRASH_AT": taking])
            #expect(try await first.end() == .killed(SIGKILL))
            let second = try await world.controller("b", environment: ["NACRE_CRASH_AT": deleting])
            for number in 0..<3 { try await world.waitTaken("s\(number)") }
            let listed = try JSONValue(
                parsing: Array(try await world.rbd("snap", "ls", "--format", "json", image).utf8)
            )
            #expect(listed.elements.count == 3, "\(String(decoding: listed.bytes, as: UTF8.self))")
            #expect(try await world.contents().count == 3)
            for number in 0..<3 { try await world.deleteSnapshot("s\(number)") }
            #expect(try await second.end() == .killed(SIGKILL))
            let third = try await world.controller("c")
            try await world.waitNoSnapshots(within: .seconds(240))
            let left = try JSONValue(parsing: Array(try await world.rbd("snap", "ls", "--format", "json", image).utf8))
            #expect(left.elements.isEmpty)
            try await eventually("the claim is let go") {
                try await world.claim(named: "data")?.details?.finalizers == ["kubernetes.io/pvc-protection"]
            }
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone(within: .seconds(240))
            await world.endSnapshotClass()
            try await third.stop()
        }
    }

    @Test(
        "Killed while it fills a claim, a controller leaves what the next one completes",
        arguments: ["cloningImage", "endingClone", "savingVolume", "bindingClaim"]
    )
    func killedFilling(step: String) async throws {
        try await World.installSnapshots()
        try await inWorld { world in
            try await world.makeClass()
            try await world.makeSnapshotClass()
            let maker = try await world.controller("m")
            try await world.claim("data", spec: Self.block)
            try await world.waitBound(1)
            let image = try await world.image(of: "data")
            try await world.scribble(image)
            let before = try await world.bytes(image)
            try await world.snapshot("s", of: "data")
            try await world.waitTaken("s")
            #expect(try await maker.stop() == .exited(0))
            try await world.claim("restored", spec: Self.wish(World.source(snapshot: "s")))
            try await world.claim("copy", spec: Self.wish(World.source(claim: "data")))
            let first = try await world.controller("a", environment: ["NACRE_CRASH_AT": step])
            #expect(try await first.end() == .killed(SIGKILL))
            let second = try await world.controller("b")
            try await world.waitBound(3, within: .seconds(240))
            for name in ["restored", "copy"] {
                #expect(try await world.bytes(try await world.image(of: name)) == before)
            }
            #expect(try await world.images().count == 3)
            try await world.deleteSnapshot("s")
            try await world.waitNoSnapshots()
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone(within: .seconds(240))
            await world.endSnapshotClass()
            try await second.stop()
        }
    }
}
