import Glibc
import JSON
import Synchronization
import TestSupport
import Testing

@testable import KubernetesAPI
@testable import Provisioner

/// Lets nobody through before several have come.
private final class Gate: Sendable {
    private let arrived = Mutex(0)
    private let wanted: Int

    init(_ wanted: Int) {
        self.wanted = wanted
    }

    /// How many have come.
    var count: Int { arrived.withLock(\.self) }

    func pass() {
        arrived.withLock { $0 += 1 }
        let end = ContinuousClock.now + .seconds(10)
        while count < wanted, .now < end { usleep(1000) }
    }
}

@Suite("The claim that snapshots are taken of")
struct SourceReleaseTests {
    private static let held = [SnapshotAPI.claimFinalizer]

    @Test("Of two snapshots that get ready together one lets the claim go")
    func readyTogether() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot("a")
        stage.putSnapshot("b")
        try await stage.workOnSnapshots()
        await stage.workOnContents()
        #expect(stage.allContents.count == 2 && stage.allContents.allSatisfy(\.isReady))
        #expect(stage.claim?.details?.finalizers == Self.held)
        // Each has looked at the other before either says that it is ready.
        let gate = Gate(2)
        stage.server.beforeWrite = { _, path in
            if path.contains("/volumesnapshots/"), path.hasSuffix("/status") { gate.pass() }
        }
        try await stage.workOnSnapshots(atOnce: true)
        stage.server.beforeWrite = nil
        #expect(gate.count >= 2)
        #expect(stage.snapshot("a")?.isReady == true && stage.snapshot("b")?.isReady == true)
        #expect(stage.claim?.details?.finalizers == [])
    }

    @Test("Of two snapshots that were never taken and are deleted together one lets the claim go")
    func deletedTogether() async throws {
        let stage = try await SnapshotStage()
        for name in ["a", "b"] { stage.putSnapshot(name) }
        try await stage.workOnSnapshots()
        for name in ["a", "b"] { stage.server.delete("\(SnapshotStage.snapshots)/\(name)") }
        try await stage.workOnSnapshots()
        await stage.workOnContents()
        #expect(stage.allContents.isEmpty && stage.claim?.details?.finalizers == Self.held)
        let gate = Gate(2)
        stage.server.beforeWrite = { method, path in
            if method == "PATCH", path.contains("/volumesnapshots/") { gate.pass() }
        }
        try await stage.workOnSnapshots(atOnce: true)
        stage.server.beforeWrite = nil
        #expect(gate.count >= 2)
        #expect(stage.snapshot("a") == nil && stage.snapshot("b") == nil)
        #expect(stage.claim?.details?.finalizers == [])
    }

    @Test("A snapshot that is still to be taken holds the claim; one whose content was lost does not")
    func needed() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot("a")
        stage.putSnapshot("b")
        try await stage.workOnSnapshots()
        let protection = SourceProtection(shop: stage.shop)
        try await protection.release("db", "data", after: try #require(stage.snapshot("a")).metadata.uid)
        #expect(stage.claim?.details?.finalizers == Self.held, "the snapshot of b is not taken yet")
        let lost = try #require(stage.snapshot("b")?.madeContentName)
        let path = "\(SnapshotStage.contents)/\(lost)"
        stage.server.patch(path, ["metadata": ["finalizers": .null]])
        stage.server.delete(path)
        try await protection.release("db", "data", after: try #require(stage.snapshot("a")).metadata.uid)
        #expect(stage.claim?.details?.finalizers == [], "it is never taken anew")
    }

    @Test(
        "A claim that was forgotten so is found in the cache, and let go when no snapshot needs it",
        arguments: [true, false]
    )
    func forgotten(hasSnapshot: Bool) async throws {
        let stage = try await SnapshotStage()
        stage.server.patch(SnapshotStage.claimPath, ["metadata": ["finalizers": JSONValue(Self.held + ["other"])]])
        if hasSnapshot { stage.putSnapshot() }
        let claim = try #require(stage.claim)
        stage.shop.claims.put(claim)
        let kept = try #require(stage.shop.claims.object("db/data"))
        #expect(SourceProtection.isHeldForSnapshots(kept))
        let reconciler = ClaimReconciler(stage.shop, CapacityReport(stage.shop) { () throws(KubernetesError) in nil })
        _ = await reconciler.reconcile("db/data")
        #expect(stage.claim?.details?.finalizers == (hasSnapshot ? Self.held : []) + ["other"])
        stage.server.hasSnapshots = false
        if hasSnapshot {
            guard case .done = await reconciler.reconcile("db/data") else {
                Issue.record("a cluster without the kinds is asked again and again")
                return
            }
        }
    }
}
