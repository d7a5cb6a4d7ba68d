internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Volumes

/// Lets deleted VolumeSnapshots go: their content first, so that the object exists as long as the snapshot does.
extension SnapshotReconciler {
    /// How long a snapshot that a claim is filled from is left alone; the claim's binding is an event before that.
    private static let restoreWait = Duration.seconds(60)
    /// A content's end is an event; this is for one that was missed.
    private static let contentWait = Duration.seconds(120)

    /// Goes on with a deletion, by live reads alone.
    func letGo(_ snapshot: VolumeSnapshot) async throws -> WorkQueue.Outcome {
        guard snapshot.finalizers.contains(where: Self.finalizers.contains) else { return .done }
        let name = snapshot.boundContentName ?? snapshot.contentName ?? snapshot.madeContentName
        if let content = try await shop.liveContent(name), content.isBound(to: snapshot) {
            guard content.driver == shop.settings.driverName else { return .done }
            let claims = try await claimsBeingFilled(from: snapshot)
            guard claims.isEmpty else {
                shop.events.record(
                    .warning,
                    "SnapshotDeletePending",
                    "the snapshot stays until these claims are filled from it, or are deleted: "
                        + claims.prefix(5).joined(separator: ", "),
                    on: ObjectReference(snapshot)
                )
                return .after(Self.restoreWait)
            }
            let marked = try await mark(content)
            if marked.deletionPolicy == .delete {
                if !marked.metadata.isBeingDeleted {
                    shop.enter(.removingContent)
                    let path = APIPath.volumeSnapshotContent(name)
                    _ = try await shop.client.call(.delete(path, uid: marked.metadata.uid))
                }
                return .after(Self.contentWait)
            }
        }
        if let claimName = snapshot.claimName {
            try await protection.release(snapshot.metadata.namespace, claimName, after: snapshot.metadata.uid)
        }
        shop.enter(.releasingSnapshot)
        let rest = snapshot.finalizers.filter { !Self.finalizers.contains($0) }
        let path = APIPath.volumeSnapshot(snapshot.metadata.namespace, snapshot.metadata.name)
        do throws(KubernetesError) {
            _ = try await shop.change(path, snapshot.metadata, Workshop.finalizersPatch(rest))
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
        }
        return .done
    }

    /// Says on a content that its VolumeSnapshot is being deleted.
    private func mark(_ content: VolumeSnapshotContent) async throws(KubernetesError) -> VolumeSnapshotContent {
        guard content.annotations[SnapshotAPI.beingDeletedKey] == nil else { return content }
        shop.enter(.markingContent)
        let path = APIPath.volumeSnapshotContent(content.metadata.name)
        let patch: JSONValue = ["metadata": ["annotations": [SnapshotAPI.beingDeletedKey: "yes"]]]
        guard let marked = VolumeSnapshotContent(try await shop.change(path, content.metadata, patch)) else {
            throw .malformed(call: "patch \(path)", reason: "it is no VolumeSnapshotContent")
        }
        return marked
    }

    /// The names of the claims that wait for a volume from this snapshot.
    private func claimsBeingFilled(from snapshot: VolumeSnapshot) async throws(KubernetesError) -> [String] {
        let path = APIPath.claims(snapshot.metadata.namespace)
        return try await shop.liveList(path) { PersistentVolumeClaim($0) }
            .filter { claim in
                guard claim.phase == .pending, !claim.metadata.isBeingDeleted, let source = claim.details?.dataSource
                else {
                    return false
                }
                return source.isSnapshot && source.name == snapshot.metadata.name
                    && source.namespace ?? snapshot.metadata.namespace == snapshot.metadata.namespace
            }
            .map(\.metadata.name).sorted()
    }
}
