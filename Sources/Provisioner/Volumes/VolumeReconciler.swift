internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Volumes

/// From a volume that nobody wants to no volume: reclaiming, and the finalizer that goes with it.
final class VolumeReconciler: Sendable {
    private let shop: Workshop
    private let removal: VolumeRemoval

    init(_ shop: Workshop) {
        self.shop = shop
        removal = VolumeRemoval(shop: shop)
    }

    /// What the cache says there is to do with a volume.
    private enum Task: Sendable {
        case nothing
        case addFinalizer
        case removeFinalizer
        /// Its claim seems to be gone, but nobody has said so yet.
        case release
        case delete
    }

    /// Whether there seems to be anything to do with a volume; most are just there.
    func isDue(_ volume: PersistentVolume) -> Bool {
        if case .nothing = task(volume) { return false }
        return true
    }

    private func task(_ volume: PersistentVolume) -> Task {
        guard volume.provisionedBy == shop.settings.driverName else { return .nothing }
        guard volume.reclaimPolicy == .delete else {
            return volume.hasProvisionerFinalizer ? .removeFinalizer : .nothing
        }
        let isHeld = volume.hasProvisionerFinalizer
        switch volume.phase {
        case .released where isHeld || !volume.metadata.isBeingDeleted: return .delete
        case .bound:
            guard let reference = volume.claim, !reference.uid.isEmpty else { return .nothing }
            let claim = shop.claims.object("\(reference.namespace)/\(reference.name)")
            if claim?.metadata.uid != reference.uid { return .release }
            return isHeld || volume.metadata.isBeingDeleted ? .nothing : .addFinalizer
        // Never bound, and told to go: taken back by a controller that did not come to the end of it.
        case .pending where volume.metadata.isBeingDeleted && isHeld,
            .available where volume.metadata.isBeingDeleted && isHeld:
            return .delete
        case .pending, .available, .released, .failed: return .nothing
        }
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

    /// Whether a volume's claim is gone for certain: the binder, the watch or the server itself says so.
    ///
    /// The phase is not waited for: the binder writes it for twenty volumes a second.
    private func isReleased(_ volume: PersistentVolume) async throws(KubernetesError) -> Bool {
        switch volume.phase {
        case .released: return true
        case .pending, .available: return volume.metadata.isBeingDeleted
        case .failed: return false
        case .bound: break
        }
        guard let reference = volume.claim, !reference.uid.isEmpty else { return false }
        if shop.gone.contains(reference.uid) { return true }
        return try await shop.liveClaim(reference.namespace, reference.name)?.metadata.uid != reference.uid
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
        ProvisionerMetrics.deleted(class: volume.className, in: .now - start, error)
        shop.log(error, "cannot delete", [LogKey.volume: "\(volume.metadata.name)"])
        let message = (error as? VolumeError)?.message ?? "\(error)"
        shop.events.record(
            .warning,
            "VolumeFailedDelete",
            message,
            on: ObjectReference(kind: "PersistentVolume", volume.metadata)
        )
        guard let error = error as? VolumeError, error.code == .invalidArgument else { return .retry }
        return .after(shop.settings.longestRetry)
    }
}
