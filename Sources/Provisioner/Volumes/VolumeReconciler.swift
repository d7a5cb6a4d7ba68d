internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Synchronization
internal import Volumes

/// Reclaims released volumes and manages their finalizer.
final class VolumeReconciler: Sendable {
    private let shop: Workshop
    private let removal: VolumeRemoval
    /// Volumes whose images were updated since this process leads: claim and policy by the volumes' uids.
    private let noted = Mutex<[String: String]>([:])
    /// Volumes that have no image, which was told, by their uids.
    private let told = Mutex<Set<String>>([])

    init(_ shop: Workshop) {
        self.shop = shop
        removal = VolumeRemoval(shop: shop)
    }

    /// What to do with a volume according to the cache.
    private enum Task: Sendable {
        case nothing
        case addFinalizer
        case removeFinalizer
        /// It is bound to another claim than it was made for, or is kept by a person, and its image does not say so yet.
        case note
        /// Its claim seems to be gone, but its phase is still Bound.
        case release
        case delete
    }

    /// Whether there may be something to do with a volume; for most there is nothing.
    func isDue(_ volume: PersistentVolume) -> Bool {
        if case .nothing = task(volume) { return false }
        return true
    }

    private func task(_ volume: PersistentVolume) -> Task {
        guard volume.provisionedBy == shop.settings.driverName else { return .nothing }
        guard volume.reclaimPolicy == .delete else {
            return volume.hasProvisionerFinalizer ? .removeFinalizer : isUnnoted(volume) ? .note : .nothing
        }
        let isHeld = volume.hasProvisionerFinalizer
        switch volume.phase {
        case .released where isHeld || !volume.metadata.isBeingDeleted: return .delete
        case .bound:
            guard let reference = volume.claim, !reference.uid.isEmpty else { return .nothing }
            let claim = shop.claims.object("\(reference.namespace)/\(reference.name)")
            if claim?.metadata.uid != reference.uid { return .release }
            guard isHeld || volume.metadata.isBeingDeleted else { return .addFinalizer }
            return isUnnoted(volume) ? .note : .nothing
        // Never bound and being deleted: a controller was interrupted while it removed the volume.
        case .pending where volume.metadata.isBeingDeleted && isHeld,
            .available where volume.metadata.isBeingDeleted && isHeld:
            return .delete
        case .pending, .available, .released, .failed: return .nothing
        }
    }

    /// Whether an image may not say yet what is so by now: a volume has another claim than it was made for, as after a loss of
    /// Kubernetes too, or a person gave it the policy Retain.
    private func isUnnoted(_ volume: PersistentVolume) -> Bool {
        guard volume.phase == .bound, changedHands(volume) || isKeptByHand(volume) else { return false }
        return noted.withLock { $0[volume.metadata.uid] != Self.state(volume) }
    }

    private func changedHands(_ volume: PersistentVolume) -> Bool {
        guard let uid = volume.claim?.uid, !uid.isEmpty, let made = shop.claimUID(ofVolume: volume.metadata.name) else {
            return false
        }
        return made != uid
    }

    /// Whether a volume is kept whose class deletes.
    private func isKeptByHand(_ volume: PersistentVolume) -> Bool {
        volume.reclaimPolicy == .retain && shop.classes.object(volume.className)?.reclaimPolicy == .delete
    }

    private static func state(_ volume: PersistentVolume) -> String {
        "\(volume.claim?.uid ?? "") \(volume.reclaimPolicy.name)"
    }

    /// Writes to the image what has it now, so that the owner can be found, and the objects made again, without Kubernetes.
    private func note(_ volume: PersistentVolume) async throws {
        guard isUnnoted(volume), let claim = volume.claim else { return }
        let attributes = try removal.ownAttributes(of: volume)
        let credentials = try await shop.secrets.credentials(removal.deletionSecret(of: volume))
        try await removal.checkMade(attributes, for: volume, credentials)
        do throws(VolumeError) {
            try await write(noteFor: claim, volume, attributes.handle, credentials)
        } catch {
            // There is nothing to write on, which is told once. An undelete or a restore may bring the image back, so the
            // volume stays due, and the next sweep looks again.
            guard error.code == .notFound else { throw error }
            guard told.withLock({ $0.insert(volume.metadata.uid).inserted }) else { return }
            let message =
                "PersistentVolume '\(volume.metadata.name)' has no image any more: \(error.message); nacre volume undelete "
                + "brings it back while it is in the trash, nacre backup restore from a backup"
            shop.log(error, "a volume has no image", [LogKey.volume: "\(volume.metadata.name)"])
            let object = ObjectReference(kind: "PersistentVolume", volume.metadata)
            shop.events.record(.warning, "VolumeImageMissing", message, on: object)
            return
        }
        told.withLock { _ = $0.remove(volume.metadata.uid) }
        noted.withLock { $0[volume.metadata.uid] = Self.state(volume) }
    }

    private func write(
        noteFor claim: PersistentVolume.ClaimReference,
        _ volume: PersistentVolume,
        _ handle: String,
        _ credentials: Credentials
    ) async throws(VolumeError) {
        var notes: [String: String] = [:]
        if changedHands(volume) {
            notes = ClaimName(namespace: claim.namespace, name: claim.name).metadata
            notes[ImageMetadataKey.kubernetesCluster] = shop.cluster.text
        }
        if isKeptByHand(volume) {
            let metadata = try await shop.service.metadata(
                of: handle,
                credentials: credentials,
                deadline: shop.deadline
            )
            if var record = metadata[ImageMetadataKey.kubernetesVolume].flatMap({ VolumeRecord($0) }),
                record.reclaimPolicy != volume.reclaimPolicy.name
            {
                record.reclaimPolicy = volume.reclaimPolicy.name
                notes[ImageMetadataKey.kubernetesVolume] = record.text
            }
        }
        guard !notes.isEmpty else { return }
        try await shop.service.setNotes(notes, of: handle, credentials: credentials, deadline: shop.deadline)
    }

    /// A volume is no longer.
    func forget(_ volume: PersistentVolume) {
        noted.withLock { $0[volume.metadata.uid] = nil }
        told.withLock { _ = $0.remove(volume.metadata.uid) }
    }

    /// Works on the volume of that name.
    func reconcile(_ name: String) async -> WorkQueue.Outcome {
        guard let known = shop.volumes.object(name) else { return .done }
        let task = task(known)
        if case .nothing = task { return .done }
        let start = ContinuousClock.now
        do {
            guard let volume = try await shop.liveVolume(name), volume.metadata.uid == known.metadata.uid else {
                return .done
            }
            return try await perform(task, volume, start)
        } catch {
            if case KubernetesError.canceled = error { return .retry }
            if case KubernetesError.notLeading = error { return .retry }
            return failed(task, known, error, start)
        }
    }

    private func perform(
        _ task: Task,
        _ volume: PersistentVolume,
        _ start: ContinuousClock.Instant
    ) async throws -> WorkQueue.Outcome {
        switch task {
        case .nothing:
            return .done
        case .addFinalizer:
            guard !volume.hasProvisionerFinalizer, volume.reclaimPolicy == .delete, !volume.metadata.isBeingDeleted
            else {
                return .done
            }
            try await setFinalizers(
                of: volume,
                (volume.details?.finalizers ?? []) + [PersistentVolume.provisionerFinalizer]
            )
            return .done
        case .removeFinalizer:
            guard volume.hasProvisionerFinalizer, volume.reclaimPolicy != .delete else { return .done }
            try await setFinalizers(
                of: volume,
                (volume.details?.finalizers ?? []).filter { $0 != PersistentVolume.provisionerFinalizer }
            )
            return .done
        case .note:
            try await note(volume)
            return .done
        case .release, .delete:
            guard volume.reclaimPolicy == .delete, try await isReleased(volume) else { return .done }
            try await removal.remove(volume)
            ProvisionerMetrics.deleted(class: volume.className, in: .now - start, nil)
            shop.logger.info(
                "deleted",
                metadata: [
                    LogKey.volume: "\(volume.metadata.name)",
                    LogKey.duration: "\(Int((.now - start) / .milliseconds(1)))",
                ]
            )
            return .done
        }
    }

    /// Whether a volume's claim is certainly gone, by a live read of the API server.
    ///
    /// Neither the cache nor the volume's phase is enough: the cache may be of a server that was restored since, and
    /// the phase is updated late.
    private func isReleased(_ volume: PersistentVolume) async throws -> Bool {
        let wasNeverBound = VolumeRemoval.wasNeverBound(volume)
        guard volume.phase != .failed, volume.metadata.isBeingDeleted || !wasNeverBound else { return false }
        // It was released for another claim, although the phase does not show it yet; only a deletion by a person
        // removes it.
        guard let reference = volume.claim, !reference.uid.isEmpty else { return wasNeverBound }
        guard let claim = try await shop.liveClaim(reference.namespace, reference.name) else { return true }
        guard claim.metadata.uid != reference.uid else {
            // The claim exists; if it has another volume, it never used this one.
            return volume.phase != .bound && !claim.volumeName.isEmpty && claim.volumeName != volume.metadata.name
        }
        guard claim.volumeName != volume.metadata.name else {
            throw VolumeError(
                .failedPrecondition,
                "cannot delete the volume: it was released by a claim that is gone, but claim \(reference.namespace)/"
                    + "\(reference.name) of today names it in spec.volumeName, as after a restore from a backup; to give it "
                    + "to that claim remove spec.claimRef.uid and spec.claimRef.resourceVersion of the PersistentVolume, to "
                    + "let it go delete the claim"
            )
        }
        return true
    }

    private func setFinalizers(of volume: PersistentVolume, _ finalizers: [String]) async throws(KubernetesError) {
        let patch: JSONValue = [
            "metadata": [
                "resourceVersion": .string(volume.metadata.resourceVersion),
                "finalizers": finalizers.isEmpty ? .null : JSONValue(finalizers),
            ]
        ]
        _ = try await shop.client.call(.patch(APIPath.persistentVolume(volume.metadata.name), .merge, patch))
    }

    private func failed(
        _ task: Task,
        _ volume: PersistentVolume,
        _ error: any Error,
        _ start: ContinuousClock.Instant
    ) -> WorkQueue.Outcome {
        if let status = (error as? KubernetesError)?.status, status.isConflict || status.isNotFound {
            return .after(.milliseconds(Int.random(in: 20...200)))
        }
        let message = (error as? VolumeError)?.message ?? "\(error)"
        if case .note = task {
            shop.log(error, "cannot note on an image what has it", [LogKey.volume: "\(volume.metadata.name)"])
        } else {
            ProvisionerMetrics.deleted(class: volume.className, in: .now - start, error)
            shop.log(error, "cannot delete", [LogKey.volume: "\(volume.metadata.name)"])
            let object = ObjectReference(kind: "PersistentVolume", volume.metadata)
            shop.events.record(.warning, "VolumeFailedDelete", message, on: object)
        }
        guard let error = error as? VolumeError, error.code == .invalidArgument else { return .retry }
        return .after(shop.settings.longestRetry)
    }
}
