internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Synchronization

/// Removes the protection finalizer of a deleted claim that no pod uses, as kube-controller-manager's protection
/// controller does, which processes only ten claims a second.
///
/// It is stricter than that controller: if any pod names the claim, in whatever state, the claim is left to that
/// controller. The pods are read by a consistent list after the claim's deletion was seen; from then on neither
/// scheduler nor kubelet accepts a pod with the claim. In a namespace with more pods than one page, or without the
/// right to list pods, this does nothing.
final class ClaimProtection: Sendable {
    static let finalizer = "kubernetes.io/pvc-protection"
    private let shop: Workshop
    private let pods: PodClaims
    private let isForbidden = Mutex(false)

    init(_ shop: Workshop) {
        self.shop = shop
        pods = PodClaims(shop.client)
    }

    /// Whether a claim is one that we may let go.
    func isDue(_ claim: PersistentVolumeClaim) -> Bool {
        guard claim.metadata.isBeingDeleted, !claim.volumeName.isEmpty, !isForbidden.withLock(\.self),
            let volume = shop.volumes.object(claim.volumeName)
        else { return false }
        return volume.provisionedBy == shop.settings.driverName && volume.claim?.uid == claim.metadata.uid
    }

    /// Works on the claim of that key.
    func reconcile(_ key: String) async -> WorkQueue.Outcome {
        guard let claim = shop.claims.object(key), isDue(claim) else { return .done }
        do throws(KubernetesError) {
            guard
                let finalizers = claim.details?.finalizers, finalizers.contains(Self.finalizer),
                try await isUnused(claim)
            else { return .done }
            shop.enter(.releasingClaim)
            let rest = finalizers.filter { $0 != Self.finalizer }
            let patch: JSONValue = [
                "metadata": [
                    "resourceVersion": .string(claim.metadata.resourceVersion),
                    "finalizers": rest.isEmpty ? .null : JSONValue(rest),
                ]
            ]
            _ = try await shop.client.call(
                .patch(APIPath.claim(claim.metadata.namespace, claim.metadata.name), .merge, patch)
            )
        } catch {
            if error.status?.isForbidden ?? false {
                isForbidden.withLock { $0 = true }
                shop.log(error, "deleted claims are left to kube-controller-manager", [:])
            }
            // The protection controller does it if this fails.
        }
        return .done
    }

    private func isUnused(_ claim: PersistentVolumeClaim) async throws(KubernetesError) -> Bool {
        let uses = try await pods.uses(in: claim.metadata.namespace)
        // The name of an ephemeral claim consists of the pod's name and the volume's.
        return uses.isWhole && !uses.hasEphemeral && !uses.claims.contains(claim.metadata.name)
    }
}
