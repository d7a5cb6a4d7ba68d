internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Volumes

/// Lets deleted contents go, and deletes their snapshots.
extension ContentReconciler {
    /// Goes on with a deletion.
    func remove(_ content: VolumeSnapshotContent, _ caches: SnapshotCaches) async throws -> WorkQueue.Outcome {
        guard content.finalizers.contains(SnapshotAPI.contentFinalizer) else { return .done }
        guard try await mayGo(content) else { return .done }
        if content.deletionPolicy == .delete {
            // The class may be gone by now; what is needed of it stands on the content.
            let parameters = try? classParameters(of: content, caches)
            try await deleteSnapshot(content, parameters)
        } else {
            shop.logger.notice(
                "a snapshot stays, for its policy is Retain",
                metadata: [LogKey.snapshot: "\(content.reference.key)", LogKey.image: "\(content.handle ?? "")"]
            )
        }
        shop.enter(.releasingContent)
        let rest = content.finalizers.filter { $0 != SnapshotAPI.contentFinalizer }
        let path = APIPath.volumeSnapshotContent(content.metadata.name)
        do throws(KubernetesError) {
            _ = try await shop.change(path, content.metadata, Workshop.finalizersPatch(rest))
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
        }
        return .done
    }

    /// Whether a content that is being deleted may go; who waits for it is told why not.
    ///
    /// Its VolumeSnapshot may have been removed by force, and then nobody marks the content any more: that is read live.
    private func mayGo(_ content: VolumeSnapshotContent) async throws(KubernetesError) -> Bool {
        guard !content.mayGo else { return true }
        guard !content.reference.uid.isEmpty else {
            tell(
                "the content stays: it has no uid in spec.volumeSnapshotRef, so no snapshot was taken for it here, and nothing says "
                    + "whose it is; take the finalizer \(SnapshotAPI.contentFinalizer) off by hand",
                on: ObjectReference(content)
            )
            return false
        }
        let (namespace, name) = (content.reference.namespace, content.reference.name)
        guard let snapshot = try await shop.liveSnapshot(namespace, name),
            snapshot.metadata.uid == content.reference.uid
        else { return true }
        let what = "VolumeSnapshot '\(content.reference.key.printable)'"
        if snapshot.metadata.isBeingDeleted {
            tell(
                "the snapshot stays until \(what), which is being deleted, is no longer needed; its Events say for what it is",
                on: ObjectReference(content)
            )
        } else {
            tell(
                "the snapshot stays as long as \(what), which it is bound to; delete that",
                on: ObjectReference(content)
            )
            tell(
                "VolumeSnapshotContent '\(content.metadata.name)' of this VolumeSnapshot was deleted, so no claim can be filled "
                    + "from it any more; content and snapshot go with this VolumeSnapshot: delete it",
                on: ObjectReference(snapshot)
            )
        }
        return false
    }

    private func tell(_ message: String, on object: ObjectReference) {
        shop.events.record(.warning, "SnapshotDeletePending", message, on: object)
    }

    private func deleteSnapshot(
        _ content: VolumeSnapshotContent,
        _ parameters: SnapshotClassParameters?
    ) async throws {
        var handle = content.handle
        if handle == nil, content.annotations[SnapshotAPI.beingCreatedKey] != nil, content.volumeHandle != nil {
            handle = try await takeToDelete(content, parameters)
        }
        guard let handle else { return }
        if let other = try await otherContent(of: handle, than: content) {
            shop.events.record(
                .normal,
                "SnapshotKept",
                "the snapshot stays: VolumeSnapshotContent '\(other)' names it, too, and removes it in its turn",
                on: ObjectReference(content)
            )
            return
        }
        let secret = try secret(of: content, parameters)
        var credentials: Credentials?
        if let secret { credentials = try await shop.secrets.credentials(secret) }
        shop.enter(.deletingSnapshot)
        try await shop.service.deleteSnapshot(handle, credentials: credentials, deadline: shop.deadline)
        shop.logger.info(
            "deleted a snapshot",
            metadata: [LogKey.snapshot: "\(content.reference.key)", LogKey.image: "\(handle)"]
        )
    }

    /// The name of another content that has the same snapshot and stays, by a live list: one that was made a moment ago need not
    /// be in the cache.
    private func otherContent(
        of handle: String,
        than content: VolumeSnapshotContent
    ) async throws(KubernetesError) -> String? {
        try await shop.liveList(APIPath.volumeSnapshotContents) { VolumeSnapshotContent($0) }
            .filter {
                $0.metadata.uid != content.metadata.uid && !$0.metadata.isBeingDeleted
                    && $0.driver.isExactly(content.driver) && $0.handle?.isExactly(handle) ?? false
            }
            .map(\.metadata.name).min()
    }

    /// The handle of a snapshot that was begun and never written down; `nil` if there is none.
    ///
    /// A repetition of the create is the way to it, and to the end of one that may still be under way. It does not find what was
    /// taken of a volume that was deleted since; the pool's index of names does.
    private func takeToDelete(
        _ content: VolumeSnapshotContent,
        _ parameters: SnapshotClassParameters?
    ) async throws(VolumeError) -> String? {
        let reference = try secret(of: content, parameters)
        let credentials: Credentials
        do throws(VolumeError) {
            credentials = try await shop.secrets.credentials(reference)
        } catch {
            // A Secret that does not exist says nothing of the snapshot.
            guard error.code == .notFound else { throw error }
            throw VolumeError(.failedPrecondition, error.message)
        }
        shop.enter(.requestingSnapshot)
        let request = CreateSnapshotRequest(
            name: Self.requestName(of: content),
            source: content.volumeHandle ?? "",
            parameters: parameters?.driver ?? [:],
            credentials: credentials
        )
        do throws(VolumeError) {
            return try await shop.service.createSnapshot(request, deadline: shop.deadline).id.description
        } catch {
            // Nothing is taken now of what does not exist, or under a name that is another's.
            guard [.notFound, .invalidArgument, .alreadyExists].contains(error.code) else { throw error }
        }
        do throws(VolumeError) {
            return try await begun(request)
        } catch {
            // The handle of a volume that none has names no snapshot either.
            guard [.notFound, .invalidArgument].contains(error.code) else { throw error }
            return nil
        }
    }
}
