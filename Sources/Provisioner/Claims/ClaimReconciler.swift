internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Volumes

/// Provisions claims: from a pending claim to a bound one.
///
/// The steps: judge the claim (`ClaimRules`), read the class (`ClassParameters`), create the image (`VolumeService`),
/// save the PersistentVolume (`VolumeObject`), bind (`ClaimBinder`). Every step may be repeated; `ProvisionStep` lists
/// what a crash at each leaves.
final class ClaimReconciler: Sendable {
    private let shop: Workshop
    private let binder: ClaimBinder
    private let capacity: CapacityReport
    private let underWay = ClaimsUnderWay()

    /// Together with the waits between them, this is more than an hour.
    private static let mostUndoTries = 20

    init(_ shop: Workshop, _ capacity: CapacityReport) {
        self.shop = shop
        self.capacity = capacity
        binder = ClaimBinder(shop: shop)
    }

    /// Works on the claim of that key.
    func reconcile(_ key: String) async -> WorkQueue.Outcome {
        let claim = shop.claims.object(key)
        for orphan in underWay.orphans(of: key, now: claim) {
            guard await clean(orphan) else { return .retry }
        }
        guard let claim else { return .done }
        if SourceProtection.isHeld(claim) { return await release(claim) ? .done : .retry }
        if SourceProtection.isHeldForSnapshots(claim), await !release(claim) { return .retry }
        if underWay.isSettled(claim) { return .done }
        let storageClass = claim.className.flatMap { shop.classes.object($0) }
        let verdict = ClaimRules.judge(
            claim,
            class: storageClass,
            driver: shop.settings.driverName,
            hasCandidates: hasCandidates(claim)
        )
        switch verdict {
        case .skip:
            return await abandonIfNeeded(claim)
        case .leaveToBinder:
            // The binder checks a claim at least every 15 s and annotates it, which is an event of the claim.
            return .done
        case .foreignSource(let kind):
            shop.events.record(
                .warning,
                "ForeignDataSource",
                "cannot fill a volume from a \(kind.printable): Nacre fills volumes from claims and from VolumeSnapshots; the "
                    + "claim stays pending until a volume populator for that kind binds it; if the cluster has none "
                    + "('kubectl get volumepopulators'), make the claim again without spec.dataSource and spec.dataSourceRef",
                on: reference(claim)
            )
            return .done
        case .unsupported(let reason):
            shop.events.record(.warning, "ProvisioningFailed", reason, on: reference(claim))
            // These fields of a claim are immutable, or a change is an event of the claim.
            return .done
        case .provision(let storageClass):
            if let wait = underWay.wait(of: claim, storageClass) { return .after(wait) }
            return await provision(claim, storageClass)
        }
    }

    /// Lets a claim go that is held for copies or snapshots of it; returns whether nothing is left to do.
    private func release(_ claim: PersistentVolumeClaim) async -> Bool {
        do throws(KubernetesError) {
            let protection = SourceProtection(shop: shop)
            if claim.metadata.isBeingDeleted {
                try await protection.releaseDeleted(claim)
            } else {
                try await protection.releaseForgotten(claim)
            }
            return true
        } catch {
            shop.log(
                error,
                "cannot let a claim go that was copied, or had a snapshot taken",
                [LogKey.claim: "\(claim.metadata.key)"]
            )
            return false
        }
    }

    private func releaseSource(of copy: PersistentVolumeClaim, named name: String) async {
        do throws(KubernetesError) {
            let protection = SourceProtection(shop: shop)
            try await protection.releaseCopied(copy.metadata.namespace, name, after: copy.metadata.uid)
        } catch {
            shop.log(
                error,
                "cannot let a claim go that was copied",
                [LogKey.claim: "\(copy.metadata.namespace)/\(name)"]
            )
        }
    }

    /// Forgets a deleted claim.
    func forget(_ claim: PersistentVolumeClaim) { underWay.forget(claim) }

    /// Cleans up for a claim under way that was bound to another volume or is being deleted.
    private func abandonIfNeeded(_ claim: PersistentVolumeClaim) async -> WorkQueue.Outcome {
        guard let attempt = underWay.attempt(for: claim) else { return .done }
        if claim.volumeName == shop.volumeName(of: claim) {
            underWay.finish(claim)
            return .done
        }
        guard !claim.volumeName.isEmpty || claim.metadata.isBeingDeleted else { return .done }
        return await clean(attempt) ? .done : .retry
    }

    private func hasCandidates(_ claim: PersistentVolumeClaim) -> Bool {
        // The binder has already chosen a volume and is about to write it into the claim.
        let given = shop.volumes.objects(in: Workshop.oddVolumesByClaim, claim.metadata.uid)
        if given.contains(where: { !$0.metadata.isBeingDeleted }) { return true }
        let keys = ["class \(claim.className ?? "")", "claim \(claim.metadata.key)"]
        return keys.contains { key in
            shop.volumes.objects(in: Workshop.freeVolumes, key).contains { ClaimRules.fits($0, claim) }
        }
    }

    private func provision(
        _ claim: PersistentVolumeClaim,
        _ storageClass: StorageClass
    ) async -> WorkQueue.Outcome {
        let start = ContinuousClock.now
        let source = claim.details?.dataSource
        let failures = underWay.begin(claim, storageClass)
        // A claim that succeeds at once gets one event; after a failure every new try is an event.
        if failures > 0 {
            shop.events.record(.normal, "Provisioning", "making a volume, try \(failures + 1)", on: reference(claim))
        }
        do {
            let outcome = try await makeAndBind(claim, storageClass)
            ProvisionerMetrics.provisioned(class: storageClass.metadata.name, from: source, in: .now - start, nil)
            return await concluded(claim, storageClass, outcome, start)
        } catch let error as VolumeError {
            ProvisionerMetrics.provisioned(class: storageClass.metadata.name, from: source, in: .now - start, error)
            return await failed(claim, storageClass, error)
        } catch {
            // A call that was cancelled because the controller stops or does not lead any more is not reported.
            if case KubernetesError.canceled = error { return .retry }
            ProvisionerMetrics.provisioned(class: storageClass.metadata.name, from: source, in: .now - start, error)
            if case KubernetesError.notLeading = error { return .retry }
            return await failed(claim, storageClass, VolumeError(.unavailable, "\(error)"))
        }
    }

    private func concluded(
        _ claim: PersistentVolumeClaim,
        _ storageClass: StorageClass,
        _ outcome: ClaimBinder.Outcome,
        _ start: ContinuousClock.Instant
    ) async -> WorkQueue.Outcome {
        let name = shop.volumeName(of: claim)
        switch outcome {
        case .bound:
            if let source = claim.details?.dataSource, source.isClaim {
                // What this misses is done when that claim is deleted.
                await releaseSource(of: claim, named: source.name)
            }
            underWay.finish(claim)
            ProvisionerMetrics.bound(in: .now - start)
            shop.events.record(
                .normal,
                "ProvisioningSucceeded",
                "Successfully provisioned volume \(name)",
                on: reference(claim)
            )
            shop.logger.info(
                "provisioned",
                metadata: [
                    LogKey.claim: "\(claim.metadata.key)", LogKey.volume: "\(name)",
                    LogKey.duration: "\(Int((.now - start) / .milliseconds(1)))",
                ]
            )
            return .done
        case .lost(let reason):
            shop.logger.notice(
                "taking a volume back",
                metadata: [
                    LogKey.claim: "\(claim.metadata.key)", LogKey.volume: "\(name)", LogKey.reason: "\(reason)",
                ]
            )
            let attempt = underWay.attempt(for: claim)
            return await clean(attempt ?? ClaimsUnderWay.Attempt(claim: claim, storageClass: storageClass))
                ? .done : .retry
        }
    }

    private static func full(_ storageClass: StorageClass) -> VolumeError {
        let pool = storageClass.parameters["dataPool"] ?? storageClass.parameters["pool"] ?? ""
        return VolumeError(
            .resourceExhausted,
            "cannot make a volume: pool '\(pool.printable)' has no room left, it is full or its quota is used up; add "
                + "space or raise the quota"
        )
    }

    private func failed(
        _ claim: PersistentVolumeClaim,
        _ storageClass: StorageClass,
        _ error: VolumeError
    ) async -> WorkQueue.Outcome {
        shop.events.record(.warning, "ProvisioningFailed", error.message, on: reference(claim))
        shop.log(error, "cannot provision", [LogKey.claim: "\(claim.metadata.key)"])
        let isInfeasible = error.code == .invalidArgument || error.code == .unimplemented || error.code == .outOfRange
        underWay.fail(
            claim,
            isCrowded: error.code == .resourceExhausted,
            infeasibleFor: isInfeasible ? (storageClass, shop.settings.longestRetry) : nil
        )
        // The scheduler is asked again if it may have new information; otherwise it would choose the same node.
        let canChoose = !storageClass.allowedTopologies.isEmpty || capacity.isPublished(storageClass)
        if error.code == .resourceExhausted, storageClass.waitsForConsumer, canChoose {
            await askForAnotherNode(claim)
        }
        return isInfeasible ? .after(shop.settings.longestRetry) : .retry
    }

    /// Removes the scheduler's choice of a node, because there is no space for it.
    private func askForAnotherNode(_ claim: PersistentVolumeClaim) async {
        let call = APICall.patch(
            APIPath.claim(claim.metadata.namespace, claim.metadata.name),
            .merge,
            [
                "metadata": [
                    "resourceVersion": .string(claim.metadata.resourceVersion),
                    "annotations": [ClaimRules.selectedNodeKey: .null],
                ]
            ]
        )
        // After a conflict the next try sees the other change.
        _ = try? await shop.client.call(call)
    }

    private func makeAndBind(
        _ claim: PersistentVolumeClaim,
        _ storageClass: StorageClass
    ) async throws -> ClaimBinder.Outcome {
        let name = shop.volumeName(of: claim)
        if let known = shop.volumes.object(name), known.claim?.uid == claim.metadata.uid,
            let volume = try await shop.liveVolume(name), !volume.metadata.isBeingDeleted
        {
            return try await binder.bind(volume, to: claim)
        }
        // Ceph does not answer writes to a full pool.
        guard !capacity.isFull(storageClass) else { throw Self.full(storageClass) }
        let maker = VolumeMaker(shop: shop, claim: claim, storageClass: storageClass, name: name)
        let volume = try await maker.make { credentials in
            underWay.note(credentials, of: claim)
        }
        return try await binder.bind(volume, to: claim)
    }

    /// Removes what was made for a claim that does not need it any more; returns whether everything is done.
    ///
    /// With the policy Retain it is kept: in a cluster that was restored from a backup, the image may be older than
    /// this try.
    private func clean(_ attempt: ClaimsUnderWay.Attempt) async -> Bool {
        let claim = attempt.claim
        let name = shop.volumeName(of: claim)
        let maker = VolumeMaker(shop: shop, claim: claim, storageClass: attempt.storageClass, name: name)
        do {
            // Not from the cache: it may be outdated, or of a server that was restored since.
            guard try await !isWanted(claim, name) else { return false }
            if let volume = try await shop.liveVolume(name), volume.claim?.uid == claim.metadata.uid {
                // A volume that was bound is reclaimed by its policy: see `VolumeReconciler`.
                guard VolumeRemoval.wasNeverBound(volume) else { return forget(attempt) }
                try await VolumeRemoval(shop: shop).remove(volume)
            } else if let credentials = attempt.begunWith {
                guard attempt.storageClass.reclaimPolicy == .delete else {
                    shop.logger.notice(
                        "the claim is gone, its class retains: an image may have stayed",
                        metadata: [LogKey.claim: "\(claim.metadata.key)", LogKey.volume: "\(name)"]
                    )
                    return forget(attempt)
                }
                try await maker.undo(credentials)
            }
            return forget(attempt)
        } catch let error as VolumeError where error.code == .invalidArgument {
            return forget(attempt)
        } catch {
            if case KubernetesError.canceled = error { return false }
            if case KubernetesError.notLeading = error { return false }
            return isHopeless(attempt, error)
        }
    }

    /// Whether a claim exists and may still get the volume that was made for it.
    private func isWanted(_ claim: PersistentVolumeClaim, _ name: String) async throws(KubernetesError) -> Bool {
        guard let live = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
            live.metadata.uid == claim.metadata.uid
        else { return false }
        if live.volumeName == name { return true }
        return live.volumeName.isEmpty && !live.metadata.isBeingDeleted
    }

    /// Counts a failed try to remove a volume; returns whether it was the last one.
    private func isHopeless(_ attempt: ClaimsUnderWay.Attempt, _ error: any Error) -> Bool {
        let tries = underWay.failToUndo(attempt)
        let volume: Logger.Metadata = [LogKey.volume: "\(shop.volumeName(of: attempt.claim))"]
        guard tries >= Self.mostUndoTries else {
            shop.log(error, "cannot take a volume back yet", volume)
            return false
        }
        shop.log(error, "cannot take a volume back, its image stays; nacre controller orphans lists it", volume)
        return forget(attempt)
    }

    private func forget(_ attempt: ClaimsUnderWay.Attempt) -> Bool {
        underWay.end(attempt)
        return true
    }

    private func reference(_ claim: PersistentVolumeClaim) -> ObjectReference {
        ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
    }
}
