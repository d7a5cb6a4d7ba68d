internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Timestamps
internal import Volumes

/// Deletes branches whose time is over.
///
/// It deletes the PersistentVolume alone, and waits for what depends on it: the garbage collector deletes the claim, which
/// pods may hold for as long as they use it, and `VolumeReconciler` the image. So each step survives the controller. What
/// is to be deleted must be marked as a branch twice, by its PersistentVolume and by its image.
final class BranchExpiry: Sendable {
    private let shop: Workshop

    private static let interval = Duration.seconds(30)
    private static let pageSize = 500

    init(_ shop: Workshop) {
        self.shop = shop
    }

    /// Looks for expired branches until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await round()
            } catch {
                if case KubernetesError.canceled = error { return }
                if case KubernetesError.notLeading = error { return }
                shop.log(error, "cannot look for branches whose time is over", [:])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Looks once.
    ///
    /// - Parameter now: Seconds since 1970.
    /// - Throws: `KubernetesError` when the PersistentVolumes cannot be read.
    func round(at now: Int64 = Duration.sinceEpoch.components.seconds) async throws {
        for volume in try await branches() {
            do {
                try await look(at: volume, now)
            } catch {
                // What the server refuses for one, as an admission webhook does, holds for that one.
                let refusal: String? = (error as? KubernetesError).flatMap { $0.status == nil ? nil : $0.description }
                guard let message = (error as? VolumeError)?.message ?? refusal else { throw error }
                shop.log(error, "cannot delete a branch", [LogKey.volume: "\(volume.metadata.name)"])
                shop.events.record(.warning, "BranchNotDeleted", message, on: reference(volume))
            }
        }
    }

    /// The PersistentVolumes that are marked as branches, as the server has them now.
    private func branches() async throws(KubernetesError) -> [PersistentVolume] {
        var found: [PersistentVolume] = []
        var token = ""
        repeat {
            var call = APICall(
                .get,
                APIPath.persistentVolumes,
                query: [("labelSelector", BranchMark.label), ("limit", "\(Self.pageSize)")]
            )
            if !token.isEmpty { call.query.append(("continue", token)) }
            let (list, _) = try await shop.client.list(call)
            guard case .array(let items)? = list["items"] else {
                throw .malformed(call: "list branches", reason: "it has no items")
            }
            found += items.compactMap { PersistentVolume($0) }
            token = list["metadata", "continue"]?.string ?? ""
        } while !token.isEmpty
        return found.filter { $0.provisionedBy == shop.settings.driverName }
    }

    private func look(at volume: PersistentVolume, _ now: Int64) async throws {
        guard let mark = BranchMark(volume) else {
            throw VolumeError.invalid(
                "PersistentVolume '\(volume.metadata.name)' is marked as a branch and does not say until when; correct its "
                    + "annotation \(BranchMark.expiryKey), such as 2026-11-21T08:09:47Z"
            )
        }
        guard mark.expires <= now else { return }
        guard !volume.metadata.isBeingDeleted else { return try await tellOfPods(volume) }
        guard volume.reclaimPolicy == .delete else {
            throw VolumeError.invalid(
                "branch '\(mark.name)' is over, and stays: its PersistentVolume '\(volume.metadata.name)' has the policy "
                    + "\(volume.reclaimPolicy.name)"
            )
        }
        try await checkImage(mark, volume)
        let until = Timestamp.text(.seconds(mark.expires))
        shop.events.record(
            .normal,
            "BranchExpired",
            "branch '\(mark.name)' of volume '\(mark.source)' was for the time until \(until); it is being deleted",
            on: reference(volume)
        )
        let path = APIPath.persistentVolume(volume.metadata.name)
        let call = APICall(
            .delete,
            path,
            body: [
                "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground",
                // One whose time was prolonged since is another version.
                "preconditions": [
                    "uid": .string(volume.metadata.uid), "resourceVersion": .string(volume.metadata.resourceVersion),
                ],
            ]
        )
        do throws(KubernetesError) {
            _ = try await shop.client.call(call)
        } catch {
            guard let status = error.status, status.isConflict || status.isNotFound else { throw error }
            return
        }
        shop.logger.info(
            "deleting a branch whose time is over",
            metadata: [LogKey.volume: "\(volume.metadata.name)", LogKey.reason: "\(until)"]
        )
    }

    /// Whether the image says, too, that it is this branch; one that was never made says nothing.
    private func checkImage(_ mark: BranchMark, _ volume: PersistentVolume) async throws {
        let removal = VolumeRemoval(shop: shop)
        let attributes = try removal.ownAttributes(of: volume)
        let credentials = try await shop.secrets.credentials(removal.deletionSecret(of: volume))
        let metadata: [String: String]
        do throws(VolumeError) {
            metadata = try await shop.service.metadata(
                of: attributes.handle,
                credentials: credentials,
                deadline: shop.deadline
            )
        } catch {
            guard error.code == .notFound else { throw error }
            return
        }
        let id = try VolumeID(parsing: attributes.handle)
        guard ImageOrigin(metadata, of: id).isOurs, mark.isOf(image: metadata[ImageMetadataKey.branch]) else {
            throw VolumeError.invalid(
                "PersistentVolume '\(volume.metadata.name)' says that it is branch '\(mark.name)', whose time is over, but image "
                    + "'\(id.imageSpec)' does not say that it is that branch; nothing is deleted: take the label "
                    + "\(BranchMark.label) off if it is none"
            )
        }
    }

    /// Says who keeps a branch that is being deleted.
    private func tellOfPods(_ volume: PersistentVolume) async throws {
        guard volume.phase == .bound, let claim = volume.claim else { return }
        let uses: PodClaims.Uses
        do throws(KubernetesError) {
            uses = try await PodClaims(shop.client).uses(in: claim.namespace)
        } catch {
            // A right that a controller may do without: see `SelfCheck`.
            guard error.status?.isForbidden ?? false else { throw error }
            return
        }
        guard uses.claimsOnNodes.contains(claim.name) else { return }
        shop.events.record(
            .warning,
            "BranchInUse",
            "the branch is over, but pods of namespace '\(claim.namespace)' use claim '\(claim.name)'; it goes with the last of "
                + "them",
            on: reference(volume)
        )
    }

    private func reference(_ volume: PersistentVolume) -> ObjectReference {
        ObjectReference(kind: "PersistentVolume", volume.metadata)
    }
}
