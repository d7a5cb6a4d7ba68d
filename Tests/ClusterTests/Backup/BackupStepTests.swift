import CephVolumes
import Foundation
import RBD
import TestSupport
import Testing
import Volumes

@testable import Backups

/// Backups that somebody gets in the way of between two of their steps, and snapshots that came late.
@Suite("nacre backup, step by step", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupStepTests {
    private static let stray = "csi-backup-4c1d5f4e-0000-4000-8000-000000000002"

    private func access(_ lab: BackupLab) async throws -> ImageAccess {
        let id = try VolumeID(parsing: lab.handle)
        return try await lab.cluster.lab().store.access.image(id, as: lab.cluster.provisioner)
    }

    @Test("A backup whose snapshot goes while it is read is none", arguments: ["forget", "delete"])
    func snapshotGone(deed: String) async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        var random = SeededRandom(seed: 41)
        try await lab.write([0..<(8 << 20)], &random)
        let imageID = try #require(try await lab.pool.imageID(named: lab.image))
        let store = try await BackupStore(.directory(lab.place), account: nil)
        let (image, progress) = (try await access(lab), BackupProgress())
        let creation = BackupCreation(store, of: image, for: "test", progress)
        let snapshots = ChainSnapshots(
            image: image,
            imageID: imageID,
            chain: try await store.chain(of: image.id, after: nil).id,
            destination: lab.place,
            owner: "test"
        )
        let lock = try await store.destination.lock(creation.keys.lock, for: "test") { _ in }
        let plan = try await creation.makePlan(snapshots, nil, true)
        let reader = PackReader(store: store, image: image, keys: creation.keys, plan: plan, progress: progress)
        let stored = try await reader.run(checking: lock).stored
        #expect(stored.count == 2)
        let gone =
            deed == "forget"
            ? try await lab.nacre("backup forget \(lab.handle) --yes")
            : try await lab.nacre("volume delete \(lab.handle) --direct --yes")
        #expect(gone.status == 0, "\(gone)")
        await #expect {
            let map = BlockMap(sizeBytes: plan.sizeBytes)
            _ = try await creation.finish(plan, map, stored, snapshots, [:], lock)
        } throws: {
            ($0 as? VolumeError)?.code == .aborted && "\($0)".contains("was removed while it was read")
        }
        await lock.release()
        #expect(try await store.backups().backups.isEmpty)
        #expect(lab.files("/partial/").isEmpty)
        guard deed == "forget" else { return }
        #expect(try await lab.create().kind == "full")
        #expect(try await lab.backup("verify").status == 0)
    }

    @Test("Each run of a backup that is interrupted again and again comes further")
    func windows() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "64MiB")
        var random = SeededRandom(seed: 42)
        try await lab.write(stride(from: 0, to: 64 << 20, by: 4 << 20).map { $0..<$0 + (4 << 20) }, &random)
        let sum = try await lab.sum(lab.image)
        let image = try await access(lab)
        func run(_ most: [WatchedPlace.Deed: Int]) async throws -> (deeds: [WatchedPlace.Deed], backup: Manifest?) {
            let place = WatchedPlace(try await DirectoryDestination(lab.place), most: most)
            let creation = BackupCreation(BackupStore(place), of: image, for: "test", BackupProgress())
            var backup: Manifest?
            do {
                backup = try await creation.run().manifest
            } catch {
                #expect(error.code == .resourceExhausted, "\(error)")
            }
            return (place.deeds, backup)
        }
        // Nothing is read before all is stored.
        for done in [6, 12] {
            let window = try await run([.written: 6])
            #expect(window.backup == nil && window.deeds == Array(repeating: .written, count: 6))
            #expect(lab.chunks == done)
        }
        let third = try await run([.read: 5])
        let expected = Array(repeating: WatchedPlace.Deed.written, count: 4) + Array(repeating: .read, count: 5)
        #expect(third.backup == nil && third.deeds == expected, "\(third)")
        // Four of the third window, and what it did not come to.
        let last = try await run([:])
        #expect(last.deeds == Array(repeating: .read, count: 11), "\(last.deeds)")
        let backup = try #require(last.backup)
        #expect(try await lab.backup("verify").status == 0)
        let restored = try await lab.restore(backup.id, as: "\(lab.name)-r")
        #expect(try await lab.sum(restored) == sum)
    }

    @Test("A volume goes although a snapshot of a backup came late, without a record")
    func lateBeforeDelete() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        let imageID = try #require(try await lab.pool.imageID(named: lab.image))
        let image = try await access(lab)
        try await image.takeSnapshot(Self.stray, ofImageID: imageID)
        try await lab.remove(lab.name)
        // It is not kept for that, under another name.
        #expect(try await lab.pool.imageName(ofID: imageID) == nil)
    }

    @Test("An image leaves the trash although a snapshot of a backup came when it lay there")
    func lateInTrash() async throws {
        // On a cluster of its own: when its time is over, the purgers of other tests would remove the image.
        try await FaultyCluster.with { faulty in
            let lab = try await BackupLab(faulty.cluster, size: "16MiB", parameters: "--parameter trashRetention=3s")
            let imageID = try #require(try await lab.pool.imageID(named: lab.image))
            let image = try await access(lab)
            try await lab.remove(lab.name)
            try await image.takeSnapshot(Self.stray, ofImageID: imageID)
            #expect(try await lab.pool.snapshots(ofImageID: imageID)?.map(\.name) == [Self.stray])
            try await Task.sleep(for: .seconds(5))
            let trashed = TrashedImage(
                id: try VolumeID(parsing: lab.handle),
                imageID: imageID,
                credentials: try lab.cluster.provisioner
            )
            let outcome = await ImageRemover(connections: lab.cluster.lab().connections).remove(trashed) { _, _ in }
            #expect(outcome == .removed)
            #expect(try await lab.pool.imageHeader(id: imageID) == nil)
        }
    }

    @Test("A deleted volume's image that was kept for a snapshot goes with it, although one of a backup came late")
    func lateWhileKept() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        let imageID = try #require(try await lab.pool.imageID(named: lab.image))
        let image = try await access(lab)
        let made = try await lab.nacre("snapshot create \(lab.name)-s --volume \(lab.handle) --direct")
        #expect(made.status == 0, "\(made)")
        try await lab.remove(lab.name)
        #expect(try await lab.pool.imageName(ofID: imageID) != nil)
        try await image.takeSnapshot(Self.stray, ofImageID: imageID)
        let deleted = try await lab.nacre("snapshot delete \(lab.name)-s --yes --direct")
        #expect(deleted.status == 0, "\(deleted)")
        #expect(try await lab.pool.imageName(ofID: imageID) == nil)
    }
}
