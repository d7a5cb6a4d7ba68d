internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Volumes

/// The content of a claim's snapshot.
extension SnapshotReconciler {
    /// Makes it, after the VolumeSnapshot and the claim are held.
    func make(
        of claimName: String,
        for snapshot: VolumeSnapshot,
        _ caches: SnapshotCaches
    ) async throws -> (VolumeSnapshot, VolumeSnapshotContent) {
        let snapshotClass = try snapshotClass(of: snapshot, caches)
        let parameters = try SnapshotClassParameters(snapshotClass.parameters)
        let what = "claim '\(claimName.printable)'"
        guard let claim = try await shop.liveClaim(snapshot.metadata.namespace, claimName) else {
            throw waits(what, "there is none of that name in namespace '\(snapshot.metadata.namespace)'")
        }
        guard !claim.metadata.isBeingDeleted else { throw waits(what, "it is being deleted") }
        guard claim.phase == .bound, !claim.volumeName.isEmpty else { throw waits(what, "it is not bound yet") }
        let volume = try await SourceVolume.found(of: claim, shop)
        let reference = VolumeSnapshotContent.Reference(
            namespace: snapshot.metadata.namespace,
            name: snapshot.metadata.name,
            uid: snapshot.metadata.uid
        )
        let name = snapshot.madeContentName
        let named = try parameters.takingSecret(content: name, snapshot: reference)
        // A class that names no Secret means who made the volume.
        let secret = named ?? VolumeObject.deletionSecret(in: volume.object.details?.annotations ?? [:])
        let held = try await hold(
            snapshot,
            deletes: snapshotClass.deletionPolicy == .delete,
            className: snapshotClass.metadata.name
        )
        try await protection.hold(claim, by: SnapshotAPI.claimFinalizer)
        shop.enter(.savingContent)
        let object = contentObject(name, reference, snapshotClass, volume, secret)
        let content = try await save(object, named: name, for: held)
        shop.events.record(
            .normal,
            "CreatingSnapshot",
            "taking a snapshot of claim '\(claimName)', volume \(claim.volumeName)",
            on: ObjectReference(snapshot)
        )
        return (held, content)
    }

    private func waits(_ what: String, _ why: String) -> VolumeError {
        VolumeError(.failedPrecondition, "waiting to take a snapshot of \(what): \(why)")
    }

    private func save(
        _ object: JSONValue,
        named name: String,
        for snapshot: VolumeSnapshot
    ) async throws(KubernetesError) -> VolumeSnapshotContent {
        let answer: JSONValue
        do throws(KubernetesError) {
            answer = try await shop.client.call(.create(APIPath.volumeSnapshotContents, object))
        } catch {
            guard error.status?.isAlreadyExists ?? false else { throw error }
            // It is from an earlier try whose answer was lost.
            guard let there = try await shop.liveContent(name), there.isBound(to: snapshot) else { throw error }
            return there
        }
        guard let content = VolumeSnapshotContent(answer) else {
            throw .malformed(call: "create \(name)", reason: "it is no VolumeSnapshotContent")
        }
        return content
    }

    /// The class that a VolumeSnapshot names, or the default one of this driver.
    private func snapshotClass(
        of snapshot: VolumeSnapshot,
        _ caches: SnapshotCaches
    ) throws(VolumeError) -> VolumeSnapshotClass {
        let driver = shop.settings.driverName
        if let name = snapshot.className {
            guard let named = caches.classes.object(name) else {
                throw VolumeError(
                    .failedPrecondition,
                    "there is no VolumeSnapshotClass '\(name.printable)'; 'kubectl get volumesnapshotclasses' lists those that "
                        + "there are"
                )
            }
            guard named.driver == driver else {
                throw .invalid(
                    "VolumeSnapshotClass '\(name)' is of driver '\(named.driver.printable)', and the claim's volume is of \(driver); "
                        + "make the VolumeSnapshot again with a class of that driver"
                )
            }
            return named
        }
        let defaults = caches.classes.filter { $0.driver == driver && $0.isDefault }
        guard let first = defaults.first else {
            throw VolumeError(
                .failedPrecondition,
                "the VolumeSnapshot names no class, and no VolumeSnapshotClass of \(driver) is the default; name one in "
                    + "spec.volumeSnapshotClassName, or annotate one with \(SnapshotAPI.defaultClassKey)=true"
            )
        }
        guard defaults.count == 1 else {
            let names = defaults.map(\.metadata.name).sorted().joined(separator: ", ")
            throw VolumeError(
                .failedPrecondition,
                "the VolumeSnapshot names no class, and several of \(driver) are the default: \(names); leave the annotation "
                    + "\(SnapshotAPI.defaultClassKey) on one"
            )
        }
        return first
    }

    private func contentObject(
        _ name: String,
        _ reference: VolumeSnapshotContent.Reference,
        _ snapshotClass: VolumeSnapshotClass,
        _ volume: SourceVolume,
        _ secret: SecretReference?
    ) -> JSONValue {
        // It says from its first moment that it may have been begun, which saves a write before the deed.
        var annotations = [SnapshotAPI.beingCreatedKey: "yes"]
        annotations[SnapshotAPI.deletionSecretNameKey] = secret?.name
        annotations[SnapshotAPI.deletionSecretNamespaceKey] = secret?.namespace
        return [
            "apiVersion": .string(SnapshotAPI.version), "kind": "VolumeSnapshotContent",
            "metadata": [
                "name": .string(name), "annotations": JSONValue(annotations),
                "finalizers": [.string(SnapshotAPI.contentFinalizer)],
            ],
            "spec": [
                "deletionPolicy": .string(snapshotClass.deletionPolicy.rawValue),
                "driver": .string(shop.settings.driverName),
                "source": ["volumeHandle": .string(volume.handle)],
                "sourceVolumeMode": .string(volume.object.isBlock ? "Block" : "Filesystem"),
                "volumeSnapshotClassName": .string(snapshotClass.metadata.name),
                "volumeSnapshotRef": [
                    "apiVersion": .string(SnapshotAPI.version), "kind": "VolumeSnapshot",
                    "namespace": .string(reference.namespace), "name": .string(reference.name),
                    "uid": .string(reference.uid),
                ],
            ],
        ]
    }
}
