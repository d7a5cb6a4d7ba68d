import JSON
import TestSupport
import Testing
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

@Suite("VolumeSnapshots and their contents")
struct SnapshotLifeTests {
    /// A pass that the reconcilers end in spite of a failed write in it.
    private func settleTwice(_ stage: SnapshotStage) async throws {
        try await stage.settle()
        stage.server.fail(nil)
        try await stage.settle()
    }

    private func expectTaken(_ stage: SnapshotStage, _ what: String = "") {
        let snapshot = stage.snapshot()
        let content = stage.allContents.first
        #expect(snapshot?.isReady == true && snapshot?.errorMessage == nil, "\(what)")
        #expect(snapshot?.restoreBytes == 1 << 30 && snapshot?.creationTime != nil, "\(what)")
        #expect(snapshot?.boundContentName == content?.metadata.name, "\(what)")
        #expect(content?.metadata.name == "snapcontent-\(snapshot?.metadata.uid ?? "")", "\(what)")
        #expect(content?.isReady == true && content?.annotations[SnapshotAPI.beingCreatedKey] == nil, "\(what)")
        #expect(content?.finalizers == [SnapshotAPI.contentFinalizer] && content?.sourceMode == "Block", "\(what)")
        #expect(stage.allContents.count == 1 && stage.store.allSnapshots.count == 1, "\(what)")
        #expect(content?.handle == stage.store.allSnapshots.first?.id.description, "\(what)")
        #expect(stage.claim?.details?.finalizers == [], "\(what): the claim is still held")
        #expect(
            Set(snapshot?.finalizers ?? []) == [SnapshotAPI.sourceFinalizer, SnapshotAPI.boundFinalizer],
            "\(what)"
        )
    }

    private func expectGone(_ stage: SnapshotStage, _ what: String = "") {
        #expect(stage.snapshot() == nil && stage.allContents.isEmpty, "\(what): objects are left")
        #expect(stage.store.allSnapshots.isEmpty, "\(what): the snapshot is left")
        #expect(stage.claim?.details?.finalizers == [], "\(what): the claim is still held")
    }

    @Test("A VolumeSnapshot is taken, says so, and goes with its content and its snapshot")
    func life() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        expectTaken(stage)
        #expect(stage.snapshot()?.className == "snap")
        #expect(stage.store.allSnapshots.first?.notes["csi.storage.k8s.io/volumesnapshot/name"] == "s")
        let calm = stage.server.writes
        try await stage.settle()
        #expect(stage.server.writes == calm, "what is ready is written again")
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        expectGone(stage)
    }

    @Test("A controller that dies at any write, done or not, leaves what the next one completes")
    func deaths() async throws {
        let whole = try await SnapshotStage()
        whole.server.fail(nil)
        whole.putSnapshot()
        try await whole.settle()
        let making = whole.server.writes
        whole.server.delete("\(SnapshotStage.snapshots)/s")
        whole.server.fail(nil)
        try await whole.settle()
        let deleting = whole.server.writes
        #expect(making >= 6 && deleting >= 4, "\(making), \(deleting)")
        for write in 0..<making {
            for isDone in [false, true] {
                let stage = try await SnapshotStage()
                stage.putSnapshot()
                stage.server.fail(ObjectServer.Fault(write: write, isDone: isDone))
                try await settleTwice(stage)
                expectTaken(stage, "write \(write), done: \(isDone)")
                stage.server.delete("\(SnapshotStage.snapshots)/s")
                try await stage.settle()
                expectGone(stage, "write \(write), done: \(isDone)")
            }
        }
        for write in 0..<deleting {
            for isDone in [false, true] {
                let stage = try await SnapshotStage()
                stage.putSnapshot()
                try await stage.settle()
                stage.server.delete("\(SnapshotStage.snapshots)/s")
                stage.server.fail(ObjectServer.Fault(write: write, isDone: isDone))
                try await settleTwice(stage)
                expectGone(stage, "delete, write \(write), done: \(isDone)")
            }
        }
    }

    @Test("Deleted while it is taken, at any write, a VolumeSnapshot leaves nothing")
    func deletedMeanwhile() async throws {
        for write in 0..<8 {
            let stage = try await SnapshotStage()
            stage.putSnapshot()
            // The controller stands still at that write, and the owner deletes before it goes on.
            stage.server.fail(ObjectServer.Fault(write: write, isDone: true))
            try await stage.settle()
            stage.server.delete("\(SnapshotStage.snapshots)/s")
            stage.server.fail(nil)
            try await stage.settle()
            expectGone(stage, "write \(write)")
        }
    }

    @Test("A content whose create was begun and never written down deletes what was taken")
    func begun() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        // VolumeSnapshot, claim, content; the status of the content is the write that never comes.
        try await stage.settle()
        let content = try #require(stage.allContents.first)
        stage.server.patch(
            "\(SnapshotStage.contents)/\(content.metadata.name)",
            ["status": .null, "metadata": ["annotations": [SnapshotAPI.beingCreatedKey: "yes"]]]
        )
        stage.server.patch("\(SnapshotStage.snapshots)/s", ["status": .null])
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        expectGone(stage)
    }

    @Test("With Retain snapshot and content stay, and the content made again by hand finds the snapshot")
    func retain() async throws {
        let stage = try await SnapshotStage(policy: "Retain")
        stage.putSnapshot()
        try await stage.settle()
        let handle = try #require(stage.allContents.first?.handle)
        #expect(stage.snapshot()?.finalizers == [SnapshotAPI.sourceFinalizer])
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        #expect(stage.snapshot() == nil && stage.allContents.count == 1 && stage.store.allSnapshots.count == 1)
        let kept = try #require(stage.allContents.first?.metadata.name)
        stage.server.delete("\(SnapshotStage.contents)/\(kept)")
        try await stage.settle()
        #expect(stage.allContents.isEmpty && stage.store.allSnapshots.count == 1)

        stage.putContent("given", handle)
        stage.putSnapshot("again", claim: nil, content: "given")
        try await stage.settle()
        let again = try #require(stage.snapshot("again"))
        #expect(again.isReady && again.boundContentName == "given" && again.restoreBytes == 1 << 30)
        #expect(stage.allContents.first?.reference.uid == again.metadata.uid)
        #expect(stage.allContents.first?.finalizers == [SnapshotAPI.contentFinalizer])
        stage.server.delete("\(SnapshotStage.snapshots)/again")
        try await stage.settle()
        #expect(stage.snapshot("again") == nil && stage.allContents.isEmpty && stage.store.allSnapshots.isEmpty)
    }

    @Test("A content that is for another VolumeSnapshot, or missing, is refused by name")
    func misbound() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let handle = try #require(stage.allContents.first?.handle)
        stage.putSnapshot("thief", claim: nil, content: "given", class: "snap")
        try await stage.settle()
        #expect(
            stage.snapshot("thief")?.errorMessage?.contains("'given' of this VolumeSnapshot does not exist") ?? false
        )
        stage.putContent("given", handle, for: "owner")
        try await stage.settle()
        let message = stage.snapshot("thief")?.errorMessage ?? ""
        #expect(message.contains("is for VolumeSnapshot 'db/owner'"), "\(message)")
        #expect(stage.snapshot("thief")?.isReady == false)
        stage.server.delete("\(SnapshotStage.snapshots)/thief")
        try await stage.settle()
        #expect(stage.snapshot("thief") == nil && stage.store.allSnapshots.count == 1)
        #expect(stage.server.object("\(SnapshotStage.contents)/given") != nil)
    }

    @Test("Of two contents of one snapshot the last one deletes it")
    func shared() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        stage.putContent("given", try #require(stage.allContents.first?.handle))
        stage.putSnapshot("again", claim: nil, content: "given")
        try await stage.settle()
        #expect(stage.snapshot("again")?.isReady == true)
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        #expect(stage.snapshot() == nil && stage.store.allSnapshots.count == 1)
        stage.server.delete("\(SnapshotStage.snapshots)/again")
        try await stage.settle()
        #expect(stage.allContents.isEmpty && stage.store.allSnapshots.isEmpty)
    }

    @Test("A content that is deleted by hand stays as long as its VolumeSnapshot, and then goes")
    func contentFirst() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let name = try #require(stage.allContents.first?.metadata.name)
        stage.server.delete("\(SnapshotStage.contents)/\(name)")
        try await stage.settle()
        #expect(stage.allContents.count == 1 && stage.store.allSnapshots.count == 1)
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        expectGone(stage)
    }

    @Test("A snapshot whose content is lost is not taken anew, at another moment")
    func lostContent() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let name = try #require(stage.allContents.first?.metadata.name)
        let path = "\(SnapshotStage.contents)/\(name)"
        stage.server.patch(path, ["metadata": ["finalizers": .null]])
        stage.server.delete(path)
        try await stage.settle()
        #expect(stage.snapshot()?.isReady == false && stage.allContents.isEmpty)
        #expect(stage.snapshot()?.errorMessage?.contains("does not exist") ?? false)
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        #expect(stage.snapshot() == nil)
    }

    @Test("A snapshot that a claim is being filled from is not deleted before that")
    func restoring() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let source: JSONValue = ["apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"]
        let wish = try stage.putWish("copy", from: source)
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        try await stage.settle()
        #expect(stage.snapshot() != nil && stage.store.allSnapshots.count == 1)
        // Who asked before goes on.
        let found = try await ClaimSource(shop: stage.shop, claim: wish).found()
        #expect(found == .snapshot(stage.store.allSnapshots.first?.id.description ?? ""))
        stage.server.patch(
            "/api/v1/namespaces/db/persistentvolumeclaims/copy",
            ["spec": ["volumeName": "pvc-copy"], "status": ["phase": "Bound"]]
        )
        try await stage.settle()
        expectGone(stage)
    }

    @Test("Beside a snapshot-controller that renews its Lease only contents and snapshots are ours")
    func besideCommon() async throws {
        let stage = try await SnapshotStage()
        stage.server.put(
            "\(SnapshotStage.leases)/snapshot-controller-leader",
            [
                "metadata": ["name": "snapshot-controller-leader", "namespace": "kube-system"],
                "spec": ["holderIdentity": "other", "leaseDurationSeconds": 15],
            ]
        )
        try await stage.look()
        stage.putSnapshot()
        try await stage.settle()
        let snapshot = try #require(stage.snapshot())
        #expect(!snapshot.isReady && snapshot.boundContentName == nil && snapshot.finalizers.isEmpty)
        // It finds no default class for a volume that is not a CSI one.
        #expect(snapshot.className == "snap")
        #expect(stage.allContents.first?.isReady == true && stage.store.allSnapshots.count == 1)
        // Its way to delete: the VolumeSnapshot, which it holds, the mark, and then the content.
        stage.server.patch("\(SnapshotStage.snapshots)/s", ["metadata": ["finalizers": ["theirs"]]])
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        let path = "\(SnapshotStage.contents)/\(snapshot.madeContentName)"
        stage.server.patch(path, ["metadata": ["annotations": [SnapshotAPI.beingDeletedKey: "yes"]]])
        stage.server.delete(path)
        try await stage.settle()
        #expect(stage.allContents.isEmpty && stage.store.allSnapshots.isEmpty)
    }

    @Test("Others' VolumeSnapshots are not touched")
    func others() async throws {
        let stage = try await SnapshotStage()
        stage.putClass("theirs", driver: "other.example.com")
        stage.putSnapshot("theirs", claim: "missing", class: "theirs")
        let version = stage.server.version
        try await stage.settle()
        #expect(stage.server.version == version)
    }
}
