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
        let request = CreateSnapshotRequest(
            name: Self.requestName(of: content),
            source: content.volumeHandle ?? "",
            parameters: parameters?.driver ?? [:],
            credentials: credentials,
            notes: notes
        )
        shop.enter(.requestingSnapshot)
        do throws(VolumeError) {
            return try await shop.service.createSnapshot(request, deadline: shop.deadline)
        } catch {
            // The volume is gone, or its name is another's by now; what was taken of it before is there all the same.
            guard [.notFound, .alreadyExists].contains(error.code), let handle = try await begun(request) else {
                throw error
            }
            do throws(VolumeError) {
                return try await shop.service.snapshot(handle, credentials: credentials, deadline: shop.deadline)
            } catch let part {
                // It came no further than its name or its record.
                throw part.code == .notFound ? error : part
            }
        }
    }

    /// The name that a content's snapshot is requested by.
    static func requestName(of content: VolumeSnapshotContent) -> String { "snapshot-\(content.reference.uid)" }

    /// The handle of what a request has begun, also of a volume that is gone.
    func begun(_ request: CreateSnapshotRequest) async throws(VolumeError) -> String? {
        try await shop.service.begunSnapshot(
            named: request.name,
            of: request.source,
            credentials: request.credentials,
            deadline: shop.deadline
        )?.description
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
    func classParameters(
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
    func secret(
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

    // MARK: Failures

    /// Says in status and event what is wrong; it is tried again.
    private func failed(_ content: VolumeSnapshotContent, _ error: any Error) async -> WorkQueue.Outcome {
        let message = CephKey.masked((error as? VolumeError)?.message ?? "\(error)")
        let isDeletion = content.metadata.isBeingDeleted
        let reason = isDeletion ? "SnapshotDeleteError" : "SnapshotCreationFailed"
        shop.events.record(.warning, reason, message, on: ObjectReference(content))
        // Who deleted the VolumeSnapshot waits for it, and need not see contents.
        if isDeletion, let snapshot = ObjectReference(snapshotOf: content) {
            shop.events.record(.warning, reason, message, on: snapshot)
        }
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
