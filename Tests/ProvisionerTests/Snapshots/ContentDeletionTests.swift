import JSON
import TestSupport
import Testing
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

@Suite("Contents whose volume, VolumeSnapshot or neighbour is not as they say")
struct ContentDeletionTests {
    private static let path = "\(SnapshotStage.snapshots)/s"

    /// A stage whose snapshot was taken, and was never written down.
    private func begun() async throws -> SnapshotStage {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let content = try #require(stage.allContents.first)
        stage.server.patch(
            "\(SnapshotStage.contents)/\(content.metadata.name)",
            ["status": .null, "metadata": ["annotations": [SnapshotAPI.beingCreatedKey: "yes"]]]
        )
        stage.server.patch(Self.path, ["status": .null])
        return stage
    }

    private func expectNothing(_ stage: SnapshotStage) {
        #expect(stage.snapshot() == nil && stage.allContents.isEmpty)
        #expect(stage.store.allSnapshots.isEmpty, "the snapshot is left, which no object tells of")
        let isKept = stage.store.images.keys.contains { $0.image.hasPrefix(KeptMark.namePrefix) }
        #expect(!isKept, "its image is kept for good")
    }

    @Test("A begun snapshot is deleted also when its volume is gone by then")
    func begunOfGone() async throws {
        let stage = try await begun()
        try await stage.deleteVolume()
        #expect(stage.store.allSnapshots.count == 1)
        stage.server.delete(Self.path)
        try await stage.settle()
        expectNothing(stage)
    }

    @Test("A begun snapshot is deleted also when its volume was deleted and made again")
    func begunOfAnother() async throws {
        let stage = try await begun()
        try await stage.deleteVolume()
        try await stage.makeVolume()
        stage.server.delete(Self.path)
        try await stage.settle()
        expectNothing(stage)
    }

    @Test("A begun snapshot is found also when its volume is gone by then")
    func foundOfGone() async throws {
        let stage = try await begun()
        let handle = try #require(stage.store.allSnapshots.first?.id.description)
        try await stage.deleteVolume()
        try await stage.settle()
        #expect(stage.snapshot()?.isReady == true && stage.allContents.first?.handle == handle)
        stage.server.delete(Self.path)
        try await stage.settle()
        expectNothing(stage)
    }

    @Test("A content of the same snapshot that the watch has not told of yet keeps it")
    func unseen() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        stage.putContent("given", try #require(stage.allContents.first?.handle))
        stage.hide("given")
        stage.server.delete(Self.path)
        try await stage.settle()
        #expect(stage.snapshot() == nil && stage.allContents.map(\.metadata.name) == ["given"])
        #expect(stage.store.allSnapshots.count == 1)
    }

    @Test("A content that is deleted by hand tells why it stays, and goes when its VolumeSnapshot was removed by force")
    func byHand() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let events = Task { await stage.shop.events.run() }
        let content = try #require(stage.allContents.first?.metadata.name)
        stage.server.delete("\(SnapshotStage.contents)/\(content)")
        try await stage.settle()
        #expect(stage.allContents.count == 1 && stage.store.allSnapshots.count == 1)
        try await eventually("both owners are told", within: .seconds(30)) {
            stage.server.told.contains("VolumeSnapshot SnapshotDeletePending")
                && stage.server.told.contains("VolumeSnapshotContent SnapshotDeletePending")
        }
        stage.server.patch(Self.path, ["metadata": ["finalizers": .null]])
        stage.server.delete(Self.path)
        try await stage.settle()
        expectNothing(stage)
        events.cancel()
    }

    @Test("Who deletes a VolumeSnapshot is told on it why its snapshot does not go")
    func failure() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let events = Task { await stage.shop.events.run() }
        let content = try #require(stage.allContents.first?.metadata.name)
        let secret: JSONValue = [
            SnapshotAPI.deletionSecretNameKey: "none", SnapshotAPI.deletionSecretNamespaceKey: "db",
        ]
        stage.server.patch("\(SnapshotStage.contents)/\(content)", ["metadata": ["annotations": secret]])
        stage.server.delete(Self.path)
        try await stage.settle()
        #expect(stage.snapshot() != nil && stage.store.allSnapshots.count == 1)
        try await eventually("its owner is told", within: .seconds(30)) {
            stage.server.told.contains("VolumeSnapshot SnapshotDeleteError")
        }
        events.cancel()
    }
}
