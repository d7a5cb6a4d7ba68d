internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Volumes

/// Takes and deletes the snapshots of this driver's contents, as external-snapshotter's sidecar does for CSI drivers.
///
/// A snapshot's request name is `snapshot-UID` with the VolumeSnapshot's uid, so that a repeat finds what was taken.
final class ContentReconciler: Sendable {
    let shop: Workshop
    private let holder: SnapshotCacheHolder

    /// Between two looks at a snapshot that is not ready.
    private static let readyWait = Duration.seconds(2)

    init(_ shop: Workshop, _ holder: SnapshotCacheHolder) {
        self.shop = shop
        self.holder = holder
    }

    /// Whether there may be something to do with a content; for most there is nothing.
    func isDue(_ content: VolumeSnapshotContent) -> Bool {
        guard content.driver == shop.settings.driverName else { return false }
        if content.metadata.isBeingDeleted { return content.finalizers.contains(SnapshotAPI.contentFinalizer) }
        return !content.isReady || content.handle == nil || content.annotations[SnapshotAPI.beingCreatedKey] != nil
    }

    /// Works on the content of that name.
    func reconcile(_ name: String) async -> WorkQueue.Outcome {
        guard let caches = holder.current, let known = caches.contents.object(name), isDue(known) else { return .done }
        guard caches.isSynced else { return .after(.milliseconds(500)) }
        do {
            guard let content = try await shop.liveContent(name), content.metadata.uid == known.metadata.uid,
                content.driver == shop.settings.driverName
            else { return .done }
            return try await content.metadata.isBeingDeleted ? remove(content, caches) : serve(content, caches)
        } catch {
            if case KubernetesError.canceled = error { return .retry }
            if case KubernetesError.notLeading = error { return .retry }
            if let status = (error as? KubernetesError)?.status, status.isConflict || status.isNotFound {
                return .after(.milliseconds(Int.random(in: 20...200)))
            }
            return await failed(known, error)
        }
    }

    private func serve(_ content: VolumeSnapshotContent, _ caches: SnapshotCaches) async throws -> WorkQueue.Outcome {
        if content.isReady, content.handle != nil {
            try await clearBegun(content)
            return .done
        }
        if let handle = content.givenHandle {
            let credentials = try await credentials(toLookAt: content, caches)
            let found = try await shop.service.snapshot(handle, credentials: credentials, deadline: shop.deadline)
            return try await record(found, on: content)
        }
        guard content.volumeHandle != nil, !content.reference.uid.isEmpty else {
            throw VolumeError.invalid(
                "cannot take a snapshot for VolumeSnapshotContent '\(content.metadata.name)': it names no volume in "
                    + "spec.source.volumeHandle, or no uid of its VolumeSnapshot; make it by a VolumeSnapshot"
            )
        }
        let begun = try await noteBegun(content)
        let made = try await take(begun, caches)
        return try await record(made, on: begun)
    }

    /// Takes the snapshot, or finds it.
    private func take(_ content: VolumeSnapshotContent, _ caches: SnapshotCaches) async throws -> Snapshot {
        let parameters = try classParameters(of: content, caches)
        let credentials = try await shop.secrets.credentials(try secret(of: content, parameters))
        var notes = [
            "csi.storage.k8s.io/volumesnapshot/namespace": content.reference.namespace,
            "csi.storage.k8s.io/volumesnapshot/name": content.reference.name,
            "csi.storage.k8s.io/volumesnapshotcontent/name": content.metadata.name,
        ]
        notes[ImageMetadataKey.kubernetesCluster] = shop.cluster.text
        shop.enter(.requestingSnapshot)
        return try await shop.service.createSnapshot(
            CreateSnapshotRequest(
                name: "snapshot-\(content.reference.uid)",
                source: content.volumeHandle ?? "",
                parameters: parameters?.driver ?? [:],
                credentials: credentials,
                notes: notes
            ),
            deadline: shop.deadline
        )
    }

    private func record(_ snapshot: Snapshot, on content: VolumeSnapshotContent) async throws -> WorkQueue.Outcome {
        shop.enter(.recordingSnapshot)
        let (seconds, attoseconds) = snapshot.created.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        let status: JSONValue = [
            "snapshotHandle": .string(content.givenHandle ?? snapshot.id.description),
            "readyToUse": .bool(snapshot.isReady), "error": .null,
            "restoreSize": .number(JSONNumber(Int64(clamping: snapshot.sizeBytes))),
            "creationTime": .number(JSONNumber(nanoseconds)),
        ]
        let path = APIPath.volumeSnapshotContent(content.metadata.name)
        let answer = try await shop.change("\(path)/status", content.metadata, ["status": status])
        guard let written = VolumeSnapshotContent(answer) else {
            throw KubernetesError.malformed(call: "patch \(path)/status", reason: "it is no VolumeSnapshotContent")
        }
        guard snapshot.isReady else { return .after(Self.readyWait) }
        try await clearBegun(written)
        shop.logger.info(
            "took a snapshot",
            metadata: [LogKey.snapshot: "\(content.reference.key)", LogKey.image: "\(snapshot.id)"]
        )
        return .done
    }

    /// Says on a content that its snapshot may be begun, and holds it.
    private func noteBegun(_ content: VolumeSnapshotContent) async throws(KubernetesError) -> VolumeSnapshotContent {
        let isHeld = content.finalizers.contains(SnapshotAPI.contentFinalizer)
        guard content.annotations[SnapshotAPI.beingCreatedKey] == nil || !isHeld else { return content }
        let path = APIPath.volumeSnapshotContent(content.metadata.name)
        let finalizers = isHeld ? content.finalizers : content.finalizers + [SnapshotAPI.contentFinalizer]
        let patch: JSONValue = [
            "metadata": [
                "annotations": [SnapshotAPI.beingCreatedKey: "yes"], "finalizers": JSONValue(finalizers),
            ]
        ]
        guard let begun = VolumeSnapshotContent(try await shop.change(path, content.metadata, patch)) else {
            throw .malformed(call: "patch \(path)", reason: "it is no VolumeSnapshotContent")
        }
        return begun
    }

    private func clearBegun(_ content: VolumeSnapshotContent) async throws(KubernetesError) {
        guard content.annotations[SnapshotAPI.beingCreatedKey] != nil else { return }
        shop.enter(.clearingBegun)
        let patch: JSONValue = ["metadata": ["annotations": [SnapshotAPI.beingCreatedKey: .null]]]
        _ = try await shop.change(APIPath.volumeSnapshotContent(content.metadata.name), content.metadata, patch)
    }

    // MARK: Users

    /// The parameters of the class that a content was made by; `nil` if it names none.
    private func classParameters(
        of content: VolumeSnapshotContent,
        _ caches: SnapshotCaches
    ) throws(VolumeError) -> SnapshotClassParameters? {
        guard let name = content.className else { return nil }
        guard let named = caches.classes.object(name) else {
            throw VolumeError(
                .failedPrecondition,
                "there is no VolumeSnapshotClass '\(name.printable)', by which VolumeSnapshotContent '\(content.metadata.name)' "
                    + "was made; make it again"
            )
        }
        return try SnapshotClassParameters(named.parameters)
    }

    /// The Secret of who takes and deletes the snapshot; `nil` for the controller's own user.
    private func secret(
        of content: VolumeSnapshotContent,
        _ parameters: SnapshotClassParameters?
    ) throws(VolumeError) -> SecretReference? {
        if let name = content.annotations[SnapshotAPI.deletionSecretNameKey], !name.isEmpty,
            let namespace = content.annotations[SnapshotAPI.deletionSecretNamespaceKey], !namespace.isEmpty
        {
            return SecretReference(name: name, namespace: namespace)
        }
        return try parameters?.takingSecret(content: content.metadata.name, snapshot: content.reference)
    }

    private func credentials(
        toLookAt content: VolumeSnapshotContent,
        _ caches: SnapshotCaches
    ) async throws(VolumeError) -> Credentials? {
        let parameters = try classParameters(of: content, caches)
        var reference = try parameters?.listingSecret(content: content.metadata.name)
        if reference == nil { reference = try secret(of: content, parameters) }
        guard let reference else { return nil }
        return try await shop.secrets.credentials(reference)
    }

    // MARK: Deletion

    private func remove(_ content: VolumeSnapshotContent, _ caches: SnapshotCaches) async throws -> WorkQueue.Outcome {
        guard content.finalizers.contains(SnapshotAPI.contentFinalizer) else { return .done }
        guard content.mayGo else {
            shop.events.record(
                .normal,
                "SnapshotDeletePending",
                "the snapshot stays as long as VolumeSnapshot '\(content.reference.key.printable)', which it is bound to; delete "
                    + "that",
                on: ObjectReference(content)
            )
            return .done
        }
        if content.deletionPolicy == .delete {
            // The class may be gone by now; what is needed of it stands on the content.
            let parameters = try? classParameters(of: content, caches)
            try await deleteSnapshot(content, parameters, caches)
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

    private func deleteSnapshot(
        _ content: VolumeSnapshotContent,
        _ parameters: SnapshotClassParameters?,
        _ caches: SnapshotCaches
    ) async throws {
        var handle = content.handle
        if handle == nil, content.annotations[SnapshotAPI.beingCreatedKey] != nil, content.volumeHandle != nil {
            // The only way to its handle, and to the end of a create that may still be under way.
            do throws(VolumeError) {
                handle = try await takeToDelete(content, parameters)
            } catch {
                // Nothing was taken of what does not exist, or under a name that is another's.
                guard [.notFound, .invalidArgument, .alreadyExists].contains(error.code) else { throw error }
            }
        }
        guard let handle else { return }
        let others = caches.contents.objects(in: SnapshotCaches.byHandle, handle)
            .filter {
                $0.metadata.uid != content.metadata.uid && !$0.metadata.isBeingDeleted && $0.driver == content.driver
            }
        if let other = others.map(\.metadata.name).min() {
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

    private func takeToDelete(
        _ content: VolumeSnapshotContent,
        _ parameters: SnapshotClassParameters?
    ) async throws(VolumeError) -> String {
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
            name: "snapshot-\(content.reference.uid)",
            source: content.volumeHandle ?? "",
            parameters: parameters?.driver ?? [:],
            credentials: credentials
        )
        return try await shop.service.createSnapshot(request, deadline: shop.deadline).id.description
    }

    // MARK: Failures

    /// Says in status and event what is wrong; it is tried again.
    private func failed(_ content: VolumeSnapshotContent, _ error: any Error) async -> WorkQueue.Outcome {
        let message = CephKey.masked((error as? VolumeError)?.message ?? "\(error)")
        let isDeletion = content.metadata.isBeingDeleted
        let reason = isDeletion ? "SnapshotDeleteError" : "SnapshotCreationFailed"
        shop.events.record(.warning, reason, message, on: ObjectReference(content))
        shop.log(
            error,
            isDeletion ? "cannot delete a snapshot" : "cannot take a snapshot",
            [LogKey.snapshot: "\(content.reference.key)"]
        )
        if !isDeletion {
            do throws(KubernetesError) {
                let path = APIPath.volumeSnapshotContent(content.metadata.name)
                if let now = try await shop.liveContent(content.metadata.name),
                    now.metadata.uid == content.metadata.uid, now.errorMessage != message,
                    // A write behind the deed may fail; what is taken stays ready, though its source may be gone by now.
                    !now.isReady || now.handle == nil
                {
                    let status: JSONValue = ["readyToUse": false, "error": Workshop.errorStatus(message)]
                    _ = try await shop.change("\(path)/status", now.metadata, ["status": status])
                }
            } catch {
                // The next try says it.
            }
        }
        guard let error = error as? VolumeError, error.code == .invalidArgument else { return .retry }
        return .after(shop.settings.longestRetry)
    }
}
