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
            guard volume.reclaimPolicy == .delete, let volume = try await released(volume) else { return .done }
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

    /// The volume when its claim is gone for certain.
    ///
    /// The server itself is asked. The phase then says so, as the binder would have it, which needs a second for twenty.
    private func released(_ volume: PersistentVolume) async throws -> PersistentVolume? {
        switch volume.phase {
        case .released: return volume
        case .pending, .available: return volume.metadata.isBeingDeleted ? volume : nil
        case .failed: return nil
        case .bound: break
        }
        guard let reference = volume.claim, !reference.uid.isEmpty else { return nil }
        let claim = try await shop.liveClaim(reference.namespace, reference.name)
        guard claim?.metadata.uid != reference.uid else { return nil }
        shop.enter(.releasingVolume)
        let now = try await ClaimBinder(shop: shop).setPhase(.released, of: volume)
        guard let now, now.metadata.uid == volume.metadata.uid, now.phase == .released else { return nil }
        return now
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
