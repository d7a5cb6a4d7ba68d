internal import JSON
internal import KubernetesAPI
internal import Logging

/// Completes a binding in the binder's own terms, and faster than it: kube-controller-manager binds four claims a second.
///
/// Order and reasons (PersistentVolume made before, with claimRef and uid; every write carries a resourceVersion):
/// 1. the claim's `spec.volumeName` and annotations: from here on they belong together. The binder may have done it,
///    another volume may have been bound meanwhile, or the claim may be gone. A conflict shows this, and a fresh read
///    decides.
/// 2. both phases, at once: a pod may start when the claim is Bound. If the controller does not get here, the binder
///    does the same.
///
/// A PersistentVolume whose claim got another volume is removed only if its phase says that it was never bound.
struct ClaimBinder: Sendable {
    let shop: Workshop

    enum Outcome: Sendable {
        /// Claim and volume have each other.
        case bound
        /// The claim is gone or has another volume.
        case lost(String)
    }

    private static let mostTries = 6

    func bind(
        _ volume: PersistentVolume,
        to claim: PersistentVolumeClaim
    ) async throws(KubernetesError) -> Outcome {
        var volume = volume
        shop.enter(.bindingClaim)
        var bound: PersistentVolumeClaim
        switch try await name(volume.metadata.name, in: claim) {
        case .failure(let reason): return .lost(reason.description)
        case .success(let claim): bound = claim
        }
        shop.enter(.settingPhases)
        let phase = Task { [volume] in
            do throws(KubernetesError) {
                try await setBound(volume)
                return KubernetesError?.none
            } catch {
                return error
            }
        }
        let failure: KubernetesError?
        do throws(KubernetesError) {
            try await setStatus(of: &bound, volume)
            failure = nil
        } catch {
            failure = error
        }
        let other = await phase.value
        if let error = failure ?? other { throw error }
        volume.phase = .bound
        return .bound
    }

    private struct Lost: Error, CustomStringConvertible {
        let description: String
    }

    /// Writes the volume's name into the claim, or finds out why that is not possible.
    private func name(
        _ volumeName: String,
        in claim: PersistentVolumeClaim
    ) async throws(KubernetesError) -> Result<PersistentVolumeClaim, Lost> {
        let path = APIPath.claim(claim.metadata.namespace, claim.metadata.name)
        var claim = freshest(claim)
        for attempt in 1...Self.mostTries {
            let patch: JSONValue = [
                "metadata": [
                    "resourceVersion": .string(claim.metadata.resourceVersion),
                    "annotations": [
                        "pv.kubernetes.io/bind-completed": "yes",
                        "pv.kubernetes.io/bound-by-controller": "yes",
                        "volume.kubernetes.io/storage-provisioner": .string(shop.settings.driverName),
                        "volume.beta.kubernetes.io/storage-provisioner": .string(shop.settings.driverName),
                    ],
                ],
                "spec": ["volumeName": .string(volumeName)],
            ]
            do throws(KubernetesError) {
                let answer = try await shop.client.call(.patch(path, .merge, patch))
                guard let patched = PersistentVolumeClaim(answer) else {
                    throw .malformed(call: "patch \(path)", reason: "it is no claim")
                }
                return .success(patched)
            } catch {
                guard let status = error.status, status.isConflict || status.isNotFound || status.isInvalid else {
                    throw error
                }
                if attempt == Self.mostTries { throw error }
            }
            guard let now = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
                now.metadata.uid == claim.metadata.uid
            else {
                return .failure(Lost(description: "the claim is gone"))
            }
            if now.volumeName == volumeName { return .success(now) }
            guard now.volumeName.isEmpty else {
                return .failure(Lost(description: "the claim has got volume '\(now.volumeName)'"))
            }
            guard !now.metadata.isBeingDeleted else {
                return .failure(Lost(description: "the claim is being deleted"))
            }
            claim = now
        }
        return .failure(Lost(description: "the claim changes all the time"))
    }

    /// The claim in the cache, which often has the binder's annotation by now.
    private func freshest(_ claim: PersistentVolumeClaim) -> PersistentVolumeClaim {
        guard let known = shop.claims.object(claim.metadata.key), known.metadata.uid == claim.metadata.uid,
            known.volumeName.isEmpty
        else { return claim }
        return known
    }

    private func setStatus(
        of claim: inout PersistentVolumeClaim,
        _ volume: PersistentVolume
    ) async throws(KubernetesError) {
        let path = APIPath.claim(claim.metadata.namespace, claim.metadata.name)
        for attempt in 1...Self.mostTries {
            guard claim.phase != .bound else { return }
            let patch: JSONValue = [
                "metadata": ["resourceVersion": .string(claim.metadata.resourceVersion)],
                "status": [
                    "phase": "Bound", "accessModes": JSONValue(claim.details?.accessModes ?? []),
                    "capacity": ["storage": .string(Quantity.text(volume.capacityBytes))],
                ],
            ]
            do throws(KubernetesError) {
                _ = try await shop.client.call(.patch("\(path)/status", .merge, patch))
                return
            } catch {
                guard error.status?.isConflict ?? false, attempt < Self.mostTries else { throw error }
            }
            // The claim is gone or has another volume; nothing must be set.
            guard let now = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
                now.metadata.uid == claim.metadata.uid,
                now.volumeName == volume.metadata.name
            else { return }
            claim = now
        }
    }

    /// Sets a volume's phase to Bound, unless it is bound already or gone.
    private func setBound(_ volume: PersistentVolume) async throws(KubernetesError) {
        let path = APIPath.persistentVolume(volume.metadata.name)
        var volume = volume
        for attempt in 1...Self.mostTries {
            // The binder may be further: a released volume is not bound again.
            guard volume.phase != .bound, volume.phase != .released else { return }
            let patch: JSONValue = [
                "metadata": ["resourceVersion": .string(volume.metadata.resourceVersion)],
                "status": ["phase": "Bound"],
            ]
            do throws(KubernetesError) {
                _ = try await shop.client.call(.patch("\(path)/status", .merge, patch))
                return
            } catch {
                if error.status?.isNotFound ?? false { return }
                guard error.status?.isConflict ?? false, attempt < Self.mostTries else { throw error }
            }
            guard let now = try await shop.liveVolume(volume.metadata.name),
                now.metadata.uid == volume.metadata.uid, now.claim?.uid == volume.claim?.uid
            else { return }
            volume = now
        }
    }
}
