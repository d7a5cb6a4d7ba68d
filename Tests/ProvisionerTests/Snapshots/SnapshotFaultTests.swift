import JSON
import TestSupport
import Testing
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

@Suite("VolumeSnapshots and claims that cannot be served yet, or never")
struct SnapshotFaultTests {
    private static let source: JSONValue = [
        "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s",
    ]

    @Test("A VolumeSnapshot waits for its claim, says so, and goes on when the claim is there")
    func waits() async throws {
        let stage = try await SnapshotStage()
        stage.server.delete(SnapshotStage.claimPath)
        stage.putSnapshot(class: "snap")
        let events = Task { await stage.shop.events.run() }
        try await stage.settle()
        #expect(stage.snapshot()?.errorMessage?.contains("claim 'data': there is none of that name") ?? false)
        try await eventually("its owner is told", within: .seconds(10)) {
            stage.server.events.contains { $0.contains("waiting to take a snapshot of claim 'data'") }
        }
        stage.putClaim()
        try await stage.settle()
        #expect(stage.snapshot()?.isReady == true && stage.snapshot()?.errorMessage == nil)
        events.cancel()
    }

    @Test("Without a class the default one counts; none, several and another driver's are refused by name")
    func classes() async throws {
        let none = try await SnapshotStage(isDefault: false)
        none.putSnapshot()
        try await none.settle()
        #expect(
            none.snapshot()?.errorMessage?.contains("no VolumeSnapshotClass of rbd.nacre.io is the default") ?? false
        )
        let several = try await SnapshotStage()
        several.putClass("more")
        several.putSnapshot()
        try await several.settle()
        #expect(several.snapshot()?.errorMessage?.contains("more, snap") ?? false)
        let other = try await SnapshotStage()
        other.putClass("theirs", driver: "other.example.com")
        other.putSnapshot(class: "theirs")
        try await other.settle()
        #expect(other.snapshot()?.errorMessage?.contains("driver 'other.example.com'") ?? false)
        let missing = try await SnapshotStage()
        missing.putSnapshot(class: "nonesuch")
        try await missing.settle()
        #expect(missing.snapshot()?.errorMessage?.contains("no VolumeSnapshotClass 'nonesuch'") ?? false)
        #expect([none, several, other, missing].allSatisfy { $0.store.allSnapshots.isEmpty && $0.allContents.isEmpty })
    }

    private func refusal(_ stage: SnapshotStage, _ claim: PersistentVolumeClaim) async throws -> VolumeError {
        do {
            let found = try await ClaimSource(shop: stage.shop, claim: claim).found()
            Issue.record("it is filled from \(String(describing: found))")
            return VolumeError(.internal, "")
        } catch let error as VolumeError {
            return error
        }
    }

    @Test("A claim is filled from a VolumeSnapshot that is ready, is not too large, and has its mode")
    func fromSnapshot() async throws {
        let stage = try await SnapshotStage()
        let early = try await refusal(stage, stage.putWish("early", from: Self.source))
        #expect(early.code == .failedPrecondition && early.message.contains("there is none of that name"), "\(early)")
        stage.putSnapshot()
        let untaken = try await refusal(stage, stage.putWish("early", from: Self.source))
        #expect(untaken.code == .failedPrecondition && untaken.message.contains("not taken yet"), "\(untaken)")
        try await stage.settle()
        let handle = try #require(stage.store.allSnapshots.first?.id.description)
        let wish = try stage.putWish("copy", from: Self.source)
        #expect(try await ClaimSource(shop: stage.shop, claim: wish).found() == .snapshot(handle))
        let small = try await refusal(stage, stage.putWish("small", from: Self.source, size: "512Mi"))
        #expect(small.code == .outOfRange && small.message.contains("1Gi"), "\(small)")
        let other = try await refusal(stage, stage.putWish("mode", from: Self.source, mode: "Filesystem"))
        #expect(other.code == .invalidArgument && other.message.contains("allow-volume-mode-change=true"), "\(other)")
        let content = try #require(stage.allContents.first?.metadata.name)
        stage.server.patch(
            "\(SnapshotStage.contents)/\(content)",
            ["metadata": ["annotations": [SnapshotAPI.modeChangeKey: "true"]]]
        )
        let allowed = try stage.putWish("mode", from: Self.source, mode: "Filesystem")
        #expect(try await ClaimSource(shop: stage.shop, claim: allowed).found() == .snapshot(handle))
        let elsewhere = try stage.putWish("far", from: Self.source.with("namespace", "other"))
        let far = try await refusal(stage, elsewhere)
        #expect(far.code == .invalidArgument && far.message.contains("'other/s': it is in another"), "\(far)")
    }

    @Test("A claim whose VolumeSnapshot's content points elsewhere is refused")
    func forged() async throws {
        let stage = try await SnapshotStage()
        stage.putSnapshot()
        try await stage.settle()
        let content = try #require(stage.allContents.first?.metadata.name)
        stage.putSnapshot("forged")
        stage.server.patch(
            "\(SnapshotStage.snapshots)/forged",
            ["status": ["boundVolumeSnapshotContentName": .string(content), "readyToUse": true]]
        )
        let wish = try stage.putWish("copy", from: Self.source.with("name", "forged"))
        let error = try await refusal(stage, wish)
        #expect(
            error.code == .invalidArgument && error.message.contains("which is for VolumeSnapshot 'db/s'"),
            "\(error)"
        )
    }

    @Test("A claim is filled from a bound claim of this driver in its namespace, and waits for one that is not")
    func fromClaim() async throws {
        let stage = try await SnapshotStage()
        let data: JSONValue = ["kind": "PersistentVolumeClaim", "name": "data"]
        let wish = try stage.putWish("copy", from: data)
        #expect(try await ClaimSource(shop: stage.shop, claim: wish).found() == .volume(stage.handle))
        let missing = try await refusal(stage, stage.putWish("m", from: data.with("name", "nonesuch")))
        #expect(missing.code == .failedPrecondition && missing.message.contains("claim 'nonesuch'"), "\(missing)")
        let unbound = try await refusal(stage, stage.putWish("u", from: data.with("name", "copy")))
        #expect(unbound.code == .failedPrecondition && unbound.message.contains("not bound yet"), "\(unbound)")
        let itself = try await refusal(stage, stage.putWish("i", from: data.with("name", "i")))
        #expect(itself.code == .invalidArgument, "\(itself)")
        let mode = try await refusal(stage, stage.putWish("mode", from: data, mode: "Filesystem"))
        #expect(mode.code == .invalidArgument && mode.message.contains("volumeMode"), "\(mode)")
        let small = try await refusal(stage, stage.putWish("small", from: data, size: "1Mi"))
        #expect(small.code == .outOfRange, "\(small)")
        stage.server.patch(
            APIPath.persistentVolume("pvc-\(SnapshotStage.claimUID)"),
            ["metadata": ["annotations": ["pv.kubernetes.io/provisioned-by": "other.example.com"]]]
        )
        let other = try await refusal(stage, wish)
        #expect(other.code == .invalidArgument && other.message.contains("other.example.com"), "\(other)")
    }

    @Test("In a cluster without the kinds a claim from a VolumeSnapshot waits and says what is missing")
    func noKinds() async throws {
        let stage = try await SnapshotStage()
        stage.server.hasSnapshots = false
        let error = try await refusal(stage, stage.putWish("copy", from: Self.source))
        #expect(error.code == .failedPrecondition && error.message.contains("deploy/snapshots"), "\(error)")
    }

    @Test("A class' parameters: Secrets by tokens, strange keys refused")
    func parameters() throws {
        let prefix = "csi.storage.k8s.io/"
        let named = try SnapshotClassParameters([
            prefix + "snapshotter-secret-name": "key-of-${volumesnapshot.name}",
            prefix + "snapshotter-secret-namespace": "${volumesnapshot.namespace}",
            prefix + "snapshotter-list-secret-name": "list", prefix + "snapshotter-list-secret-namespace": "ceph",
            "clusterID": "lab",
        ])
        let reference = VolumeSnapshotContent.Reference(namespace: "db", name: "s", uid: "u")
        let taking = try named.takingSecret(content: "c", snapshot: reference)
        #expect(taking == SecretReference(name: "key-of-s", namespace: "db"))
        #expect(try named.listingSecret(content: "c") == SecretReference(name: "list", namespace: "ceph"))
        #expect(named.driver == ["clusterID": "lab"])
        #expect(throws: VolumeError.self) { try SnapshotClassParameters([prefix + "provisioner-secret-name": "x"]) }
        #expect(throws: VolumeError.self) { try SnapshotClassParameters([prefix + "snapshotter-secret-name": "x"]) }
    }
}

@Suite("Claims that are copied")
struct CopyTests {
    @Test("The claim that is copied is held while a copy of it waits, and let go with the last one")
    func protection() async throws {
        let stage = try await SnapshotStage()
        let data: JSONValue = ["kind": "PersistentVolumeClaim", "name": "data"]
        let wishes = [try stage.putWish("one", from: data), try stage.putWish("two", from: data)]
        for wish in wishes {
            #expect(try await ClaimSource(shop: stage.shop, claim: wish).held() == .volume(stage.handle))
        }
        #expect(stage.claim?.details?.finalizers == [SourceProtection.copyFinalizer])
        let protection = SourceProtection(shop: stage.shop)
        try await protection.releaseCopied("db", "data", after: wishes[0].metadata.uid)
        #expect(stage.claim?.details?.finalizers == [SourceProtection.copyFinalizer])
        stage.server.patch("/api/v1/namespaces/db/persistentvolumeclaims/one", ["status": ["phase": "Bound"]])
        try await protection.releaseCopied("db", "data", after: wishes[1].metadata.uid)
        #expect(stage.claim?.details?.finalizers == [])
    }

    @Test(
        "A deleted claim is let go of what nobody needs, also without the kinds of snapshots",
        arguments: [true, false]
    )
    func forgotten(hasKinds: Bool) async throws {
        let stage = try await SnapshotStage()
        let held = [SourceProtection.copyFinalizer, SnapshotAPI.claimFinalizer, "other"]
        stage.server.patch(SnapshotStage.claimPath, ["metadata": ["finalizers": JSONValue(held)]])
        stage.server.delete(SnapshotStage.claimPath)
        stage.putSnapshot()
        let protection = SourceProtection(shop: stage.shop)
        let claim = try #require(stage.claim)
        #expect(SourceProtection.isHeld(claim))
        try await protection.releaseDeleted(claim)
        #expect(stage.claim?.details?.finalizers == [SnapshotAPI.claimFinalizer, "other"], "a snapshot is being taken")
        stage.server.delete("\(SnapshotStage.snapshots)/s")
        stage.server.hasSnapshots = hasKinds
        try await protection.releaseDeleted(claim)
        #expect(stage.claim?.details?.finalizers == ["other"])
    }
}
