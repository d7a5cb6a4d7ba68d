import JSON
import Testing

@testable import KubernetesAPI

@Suite("Objects of snapshots")
struct SnapshotObjectTests {
    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test("A VolumeSnapshot as kubectl and a controller write it")
    func snapshot() throws {
        let object = try json(
            #"""
            {"metadata":{"namespace":"db","name":"s","uid":"u1","resourceVersion":"7","finalizers":["f"]},
             "spec":{"source":{"persistentVolumeClaimName":"data"},"volumeSnapshotClassName":"nacre"},
             "status":{"boundVolumeSnapshotContentName":"snapcontent-u1","readyToUse":true,"restoreSize":"1Gi",
             "creationTime":"2026-11-30T20:00:00Z","error":{"message":"m","time":"2026-11-30T20:00:00Z"}}}
            """#
        )
        let snapshot = try #require(VolumeSnapshot(object))
        #expect(snapshot.claimName == "data" && snapshot.contentName == nil && snapshot.className == "nacre")
        #expect(snapshot.isReady && snapshot.restoreBytes == 1 << 30 && snapshot.errorMessage == "m")
        #expect(snapshot.boundContentName == snapshot.madeContentName)
    }

    @Test("A content says whom it is for, and when its snapshot may go")
    func content() throws {
        let object = try json(
            #"""
            {"metadata":{"name":"c","uid":"u2","resourceVersion":"7",
             "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","a":"b"}},
             "spec":{"driver":"rbd.nacre.io","deletionPolicy":"Delete","source":{"snapshotHandle":"h"},
             "sourceVolumeMode":"Block","volumeSnapshotRef":{"namespace":"db","name":"s"}},
             "status":{"creationTime":1764000000000000001,"restoreSize":1073741824,"readyToUse":true}}
            """#
        )
        var content = try #require(VolumeSnapshotContent(object))
        #expect(content.compact.annotations == ["a": "b"])
        #expect(content.creationNanoseconds == 1_764_000_000_000_000_001 && content.restoreBytes == 1 << 30)
        #expect(content.handle == "h" && content.deletionPolicy == .delete && content.sourceMode == "Block")
        let snapshot = try #require(
            VolumeSnapshot(["metadata": ["namespace": "db", "name": "s", "uid": "u1", "resourceVersion": "1"]])
        )
        #expect(content.isFor(snapshot) && !content.isBound(to: snapshot))
        #expect(!content.mayGo)
        content.metadata.isBeingDeleted = true
        #expect(content.mayGo, "one that never met a VolumeSnapshot")
        content.reference.uid = "u1"
        #expect(content.isBound(to: snapshot) && !content.mayGo)
        content.annotations[SnapshotAPI.beingDeletedKey] = "yes"
        #expect(content.mayGo)
        content.reference.uid = "other"
        #expect(!content.isFor(snapshot))
    }

    @Test("A policy that nobody knows keeps the snapshot")
    func policy() {
        #expect(SnapshotAPI.DeletionPolicy(nil) == .retain && SnapshotAPI.DeletionPolicy("delete") == .retain)
        #expect(SnapshotAPI.DeletionPolicy("Delete") == .delete)
    }

    @Test("A data source is told by kind and group")
    func source() throws {
        let snapshot = DataSource(["apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"])
        #expect(snapshot.isSnapshot && !snapshot.isClaim)
        #expect(snapshot.kindName == "VolumeSnapshot.snapshot.storage.k8s.io")
        let claim = DataSource(["kind": "PersistentVolumeClaim", "name": "c", "namespace": "other"])
        #expect(claim.isClaim && claim.namespace == "other")
        #expect(!DataSource(["apiGroup": "example.com", "kind": "PersistentVolumeClaim", "name": "c"]).isClaim)
    }
}
