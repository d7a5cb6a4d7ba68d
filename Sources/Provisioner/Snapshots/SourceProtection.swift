internal import JSON
internal import KubernetesAPI
internal import Volumes

/// The finalizers that keep a claim while snapshots of it are taken, and while its copies are made.
struct SourceProtection: Sendable {
    let shop: Workshop

    /// external-provisioner's, on the source of a copy.
    static let copyFinalizer = "provisioner.storage.kubernetes.io/cloning-protection"
    private static let mostTries = 4

    /// Puts one on a claim.
    ///
    /// - Throws: `VolumeError` with `.failedPrecondition` when the claim is going, or `KubernetesError`.
    func hold(_ claim: PersistentVolumeClaim, by finalizer: String) async throws {
        var claim = claim
        for attempt in 1...Self.mostTries {
            guard let finalizers = claim.details?.finalizers, !finalizers.contains(finalizer) else { return }
            shop.enter(.holdingClaim)
            do throws(KubernetesError) {
                let path = APIPath.claim(claim.metadata.namespace, claim.metadata.name)
                _ = try await shop.change(path, claim.metadata, Workshop.finalizersPatch(finalizers + [finalizer]))
                return
            } catch {
                guard error.status?.isConflict ?? false, attempt < Self.mostTries else { throw error }
            }
            guard let now = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
                now.metadata.uid == claim.metadata.uid, !now.metadata.isBeingDeleted
            else {
                throw VolumeError(.failedPrecondition, "claim '\(claim.metadata.name)' is being deleted")
            }
            claim = now
        }
    }

    /// Takes the one for snapshots off a claim, unless another snapshot of it is being taken.
    ///
    /// Of several that get ready together, or are deleted together, the last one finds none that needs the claim: each has
    /// written what `isAwaited` reads before it comes here.
    ///
    /// Who asks for a snapshot between the list and the write may find its claim without: then the claim can be deleted while
    /// the snapshot is taken, which fails or succeeds as a whole.
    func release(_ namespace: String, _ name: String, after uid: String) async throws(KubernetesError) {
        try await release(namespace, name, SnapshotAPI.claimFinalizer) { () async throws(KubernetesError) in
            let others = try await shop.liveList(APIPath.snapshots(in: namespace)) { VolumeSnapshot($0) }
                .filter { $0.claimName == name && $0.metadata.uid != uid && !$0.isReady }
            for other in others {
                if try await isAwaited(other) { return true }
            }
            return false
        }
    }

    /// Whether a VolumeSnapshot that is not ready is still to be taken.
    ///
    /// It says that it is ready only after its claim was let go, so the content is asked, which says so before. One that is being
    /// deleted is not waited for once its content is marked or gone, and one whose content was lost is never taken anew.
    private func isAwaited(_ snapshot: VolumeSnapshot) async throws(KubernetesError) -> Bool {
        let isBeingDeleted = snapshot.metadata.isBeingDeleted
        guard let content = try await shop.liveContent(snapshot.boundContentName ?? snapshot.madeContentName),
            content.isBound(to: snapshot)
        else {
            return !isBeingDeleted && snapshot.boundContentName == nil
        }
        if isBeingDeleted, content.annotations[SnapshotAPI.beingDeletedKey] != nil { return false }
        return !content.isReady || content.handle == nil
    }

    /// Takes the one for copies off a claim, unless another copy of it is being made.
    func releaseCopied(_ namespace: String, _ name: String, after uid: String) async throws(KubernetesError) {
        try await release(namespace, name, Self.copyFinalizer) { () async throws(KubernetesError) in
            try await shop.liveList(APIPath.claims(namespace)) { PersistentVolumeClaim($0) }
                .contains { claim in
                    guard let source = claim.details?.dataSource, source.isClaim, source.name == name else {
                        return false
                    }
                    return claim.metadata.uid != uid && claim.phase == .pending && !claim.metadata.isBeingDeleted
                }
        }
    }

    /// Whether a claim that is being deleted is held by one of them.
    static func isHeld(_ claim: PersistentVolumeClaim) -> Bool {
        guard claim.metadata.isBeingDeleted, let finalizers = claim.details?.finalizers else { return false }
        return finalizers.contains(copyFinalizer) || finalizers.contains(SnapshotAPI.claimFinalizer)
    }

    /// Takes both off a claim that is being deleted, unless they are needed: who put them there may have died, or its
    /// VolumeSnapshot was removed by force.
    func releaseDeleted(_ claim: PersistentVolumeClaim) async throws(KubernetesError) {
        let (namespace, name) = (claim.metadata.namespace, claim.metadata.name)
        try await releaseCopied(namespace, name, after: "")
        do throws(KubernetesError) {
            try await release(namespace, name, after: "")
        } catch {
            // A cluster without the kind has no VolumeSnapshots; nobody takes it back then.
            guard error.status?.isNotFound ?? false, let now = try await shop.liveClaim(namespace, name),
                let finalizers = now.details?.finalizers, now.metadata.isBeingDeleted
            else { throw error }
            let rest = finalizers.filter { $0 != SnapshotAPI.claimFinalizer }
            let path = APIPath.claim(namespace, name)
            _ = try await shop.change(path, now.metadata, Workshop.finalizersPatch(rest))
        }
    }

    /// Whether a claim that has its volume is held while snapshots of it are taken, or was forgotten so.
    static func isHeldForSnapshots(_ claim: PersistentVolumeClaim) -> Bool {
        claim.phase == .bound && claim.details?.finalizers.contains(SnapshotAPI.claimFinalizer) ?? false
    }

    /// Takes the one for snapshots off a claim that no snapshot needs: whoever put it there may have died, or be of a release that
    /// left it.
    func releaseForgotten(_ claim: PersistentVolumeClaim) async throws(KubernetesError) {
        do throws(KubernetesError) {
            try await release(claim.metadata.namespace, claim.metadata.name, after: "")
        } catch {
            // Without the kind nothing is known of snapshots; a deletion of the claim takes it off then.
            guard error.status?.isNotFound ?? false else { throw error }
        }
    }

    private func release(
        _ namespace: String,
        _ name: String,
        _ finalizer: String,
        isNeeded: () async throws(KubernetesError) -> Bool
    ) async throws(KubernetesError) {
        for attempt in 1...Self.mostTries {
            guard let claim = try await shop.liveClaim(namespace, name), let finalizers = claim.details?.finalizers,
                finalizers.contains(finalizer)
            else { return }
            guard try await !isNeeded() else { return }
            shop.enter(.releasingSource)
            do throws(KubernetesError) {
                let rest = finalizers.filter { $0 != finalizer }
                let path = APIPath.claim(namespace, name)
                _ = try await shop.change(path, claim.metadata, Workshop.finalizersPatch(rest))
                return
            } catch {
                if error.status?.isNotFound ?? false { return }
                guard error.status?.isConflict ?? false, attempt < Self.mostTries else { throw error }
            }
        }
    }
}
