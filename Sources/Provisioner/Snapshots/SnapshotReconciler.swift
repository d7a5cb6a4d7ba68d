internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Volumes

/// Sees to VolumeSnapshots of this driver: content, binding, status, finalizers.
///
/// The content of a claim's snapshot is always made here, for only this driver knows the handles of its volumes: they are no
/// CSI volumes to Kubernetes, and the common snapshot controller makes none for them. All else is left to that controller
/// where it runs. Every step may be repeated; `SnapshotObjectStep` lists what a crash at each leaves.
final class SnapshotReconciler: Sendable {
    /// Whose a VolumeSnapshot is.
    enum Owner: Sendable {
        case ours
        case another
        /// Nothing tells yet.
        case unknown
    }

    let shop: Workshop
    let holder: SnapshotCacheHolder
    let common: CommonController
    let protection: SourceProtection

    init(_ shop: Workshop, _ holder: SnapshotCacheHolder, _ common: CommonController) {
        self.shop = shop
        self.holder = holder
        self.common = common
        protection = SourceProtection(shop: shop)
    }

    /// Whether there may be something to do with a VolumeSnapshot; for most there is nothing.
    func isDue(_ snapshot: VolumeSnapshot) -> Bool {
        guard let caches = holder.current else { return false }
        if snapshot.metadata.isBeingDeleted {
            guard snapshot.finalizers.contains(where: Self.finalizers.contains) else { return false }
        } else if snapshot.isReady, caches.contents.isSynced, caches.content(of: snapshot) != nil {
            return false
        }
        switch owner(of: snapshot, caches) {
        case .ours: return true
        case .another: return false
        case .unknown: return !common.isThere
        }
    }

    static let finalizers = [SnapshotAPI.boundFinalizer, SnapshotAPI.sourceFinalizer]

    private func owner(of snapshot: VolumeSnapshot, _ caches: SnapshotCaches) -> Owner {
        let driver = shop.settings.driverName
        if let content = caches.content(of: snapshot) { return content.driver == driver ? .ours : .another }
        if let name = snapshot.claimName, let claim = shop.claims.object("\(snapshot.metadata.namespace)/\(name)") {
            if let volume = shop.volumes.object(claim.volumeName) {
                return volume.provisionedBy == driver ? .ours : .another
            }
            if let storageClass = claim.className.flatMap({ shop.classes.object($0) }) {
                return storageClass.provisioner == driver ? .ours : .another
            }
        }
        guard let named = snapshot.className.flatMap({ caches.classes.object($0) }) else { return .unknown }
        return named.driver == driver ? .ours : .another
    }

    /// Works on the VolumeSnapshot of that key.
    func reconcile(_ key: String) async -> WorkQueue.Outcome {
        guard holder.current != nil else { return .done }
        guard let caches = holder.synced else { return .after(.milliseconds(500)) }
        guard let known = caches.snapshots.object(key), isDue(known) else { return .done }
        do {
            let (namespace, name) = (known.metadata.namespace, known.metadata.name)
            guard let snapshot = try await shop.liveSnapshot(namespace, name),
                snapshot.metadata.uid == known.metadata.uid
            else { return .done }
            if snapshot.metadata.isBeingDeleted {
                guard !common.isThere else { return .done }
                return try await letGo(snapshot)
            }
            do {
                return try await serve(snapshot, caches)
            } catch let error as VolumeError {
                return try await failed(snapshot, "SnapshotContentCreationFailed", error.message)
            }
        } catch {
            if case KubernetesError.canceled = error { return .retry }
            if case KubernetesError.notLeading = error { return .retry }
            if let status = (error as? KubernetesError)?.status, status.isConflict || status.isNotFound {
                return .after(.milliseconds(Int.random(in: 20...200)))
            }
            shop.log(error, "cannot see to a VolumeSnapshot", [LogKey.snapshot: "\(key)"])
            let message = (error as? VolumeError)?.message ?? "\(error)"
            shop.events.record(.warning, "SnapshotFailed", message, on: ObjectReference(known))
            return .retry
        }
    }

    private func serve(_ snapshot: VolumeSnapshot, _ caches: SnapshotCaches) async throws -> WorkQueue.Outcome {
        if let name = snapshot.contentName {
            guard !common.isThere else { return .done }
            return try await bind(snapshot, toGiven: name)
        }
        guard let claimName = snapshot.claimName else {
            let message =
                "a VolumeSnapshot names a claim or a VolumeSnapshotContent in spec.source; this one names none"
            return try await failed(snapshot, "SnapshotValidationError", message)
        }
        let name = snapshot.madeContentName
        if let content = try await shop.liveContent(name) {
            guard content.isBound(to: snapshot), content.volumeHandle != nil else {
                let message =
                    "VolumeSnapshotContent '\(name)' is for VolumeSnapshot '\(content.reference.key.printable)'"
                return try await failed(snapshot, "SnapshotContentMisbound", message)
            }
            guard content.driver == shop.settings.driverName, !common.isThere else { return .done }
            return try await mirror(content, to: try await hold(snapshot, content))
        }
        // It was there, so a new one would be of another moment.
        guard snapshot.boundContentName == nil else {
            guard !common.isThere else { return .done }
            return try await missing(name, of: snapshot)
        }
        let (held, content) = try await make(of: claimName, for: snapshot, caches)
        guard !common.isThere else { return .done }
        return try await mirror(content, to: held)
    }

    private func missing(_ name: String, of snapshot: VolumeSnapshot) async throws -> WorkQueue.Outcome {
        let message =
            "VolumeSnapshotContent '\(name.printable)' of this VolumeSnapshot does not exist; make it, or delete the VolumeSnapshot"
        return try await failed(snapshot, "SnapshotContentMissing", message)
    }

    /// Binds a VolumeSnapshot to the content that was made before it.
    private func bind(_ snapshot: VolumeSnapshot, toGiven name: String) async throws -> WorkQueue.Outcome {
        guard var content = try await shop.liveContent(name) else { return try await missing(name, of: snapshot) }
        guard content.driver == shop.settings.driverName else { return .done }
        guard content.givenHandle != nil else {
            let message =
                "VolumeSnapshotContent '\(name.printable)' has no spec.source.snapshotHandle: it is not one of a snapshot that is "
                + "there already"
            return try await failed(snapshot, "SnapshotContentMismatch", message)
        }
        guard content.isFor(snapshot) else {
            let other = content.reference.uid.isEmpty ? "" : " of uid \(content.reference.uid.printable)"
            let message =
                "VolumeSnapshotContent '\(name.printable)' is for VolumeSnapshot '\(content.reference.key.printable)'\(other), not "
                + "for this one; its spec.volumeSnapshotRef says for which"
            return try await failed(snapshot, "SnapshotContentMisbound", message)
        }
        guard !content.metadata.isBeingDeleted else {
            return try await failed(
                snapshot,
                "SnapshotContentMissing",
                "VolumeSnapshotContent '\(name)' is being deleted"
            )
        }
        let held = try await hold(snapshot, content)
        let isKept = content.finalizers.contains(SnapshotAPI.contentFinalizer)
        if content.reference.uid.isEmpty || !isKept {
            shop.enter(.savingContent)
            let finalizers = isKept ? content.finalizers : content.finalizers + [SnapshotAPI.contentFinalizer]
            var spec: JSONValue = ["volumeSnapshotRef": ["uid": .string(snapshot.metadata.uid)]]
            if content.className == nil {
                spec = spec.with("volumeSnapshotClassName", snapshot.className.map { .string($0) })
            }
            let patch = Workshop.finalizersPatch(finalizers).with("spec", spec)
            let answer = try await shop.change(APIPath.volumeSnapshotContent(name), content.metadata, patch)
            guard let bound = VolumeSnapshotContent(answer) else {
                throw KubernetesError.malformed(call: "patch \(name)", reason: "it is no VolumeSnapshotContent")
            }
            content = bound
        }
        return try await mirror(content, to: held)
    }

    /// Puts the finalizers on a VolumeSnapshot that it has beside this content, and the class' name.
    func hold(
        _ snapshot: VolumeSnapshot,
        deletes: Bool,
        className: String? = nil
    ) async throws(KubernetesError) -> VolumeSnapshot {
        var wanted = common.isThere ? [] : [SnapshotAPI.sourceFinalizer]
        if deletes, !common.isThere { wanted.append(SnapshotAPI.boundFinalizer) }
        let lacking = wanted.filter { !snapshot.finalizers.contains($0) }
        let lacksClass = className != nil && snapshot.className == nil
        guard !lacking.isEmpty || lacksClass else { return snapshot }
        shop.enter(.holdingSnapshot)
        var patch: JSONValue = lacking.isEmpty ? [:] : Workshop.finalizersPatch(snapshot.finalizers + lacking)
        if lacksClass, let className { patch = patch.with("spec", ["volumeSnapshotClassName": .string(className)]) }
        let path = APIPath.volumeSnapshot(snapshot.metadata.namespace, snapshot.metadata.name)
        let answer = try await shop.change(path, snapshot.metadata, patch)
        guard let held = VolumeSnapshot(answer) else {
            throw .malformed(call: "patch \(path)", reason: "it is no VolumeSnapshot")
        }
        return held
    }

    private func hold(
        _ snapshot: VolumeSnapshot,
        _ content: VolumeSnapshotContent
    ) async throws(KubernetesError) -> VolumeSnapshot {
        try await hold(snapshot, deletes: content.deletionPolicy == .delete)
    }
}
