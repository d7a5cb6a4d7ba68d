internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Secrets
internal import Volumes

/// Removes a volume: image, PersistentVolume, finalizer, in this order, so that the object exists as long as the image
/// does.
struct VolumeRemoval: Sendable {
    let shop: Workshop

    static let protectionFinalizer = "kubernetes.io/pv-protection"
    private static let mostTries = 6

    /// Removes a volume with the policy Delete whose claim is gone or never used it.
    func remove(_ volume: PersistentVolume) async throws {
        guard volume.reclaimPolicy == .delete else { return }
        let attributes = try ownAttributes(of: volume)
        var volume = volume
        if Self.wasNeverBound(volume) {
            // Never bound: deleted first, so that the binder does not use it while its image is removed.
            shop.enter(.removingVolume)
            guard let doomed = try await delete(volume) else { return }
            volume = doomed
        }
        let credentials = try await shop.secrets.credentials(deletionSecret(of: volume))
        try await checkMade(attributes, for: volume, credentials)
        shop.enter(.deletingImage)
        var notes: [String: String] = [:]
        notes[ImageMetadataKey.persistentVolume] = KeptObjects.note(of: volume, cluster: shop.cluster.text)
        try await shop.service.deleteVolume(
            attributes.handle,
            noting: notes,
            credentials: credentials,
            deadline: shop.deadline
        )
        shop.enter(.removingVolume)
        if !volume.metadata.isBeingDeleted {
            guard let doomed = try await delete(volume) else { return }
            volume = doomed
        }
        shop.enter(.removingFinalizer)
        try await removeFinalizers(of: volume)
    }

    /// A volume's attributes, if they are consistent: a forged PersistentVolume must not delete or grow another image.
    ///
    /// A volume may get another claim after Retain, so the claim is not checked. Volume and image belong together if
    /// the volume's name is `PREFIX-UID`, which is unique in the cluster, if the image's name ends in that uid, and if
    /// the image's own metadata has the volume's name (`checkMade`).
    func ownAttributes(of volume: PersistentVolume) throws(VolumeError) -> VolumeAttributes {
        guard let details = volume.details,
            let attributes = VolumeAttributes(details, flexDriver: shop.settings.flexDriver)
        else {
            throw .invalid(
                "PersistentVolume '\(volume.metadata.name)' names \(shop.settings.driverName) as its maker, but its source "
                    + "is not ours; its image is left alone"
            )
        }
        guard let id = try? VolumeID(parsing: attributes.handle),
            let uid = shop.claimUID(ofVolume: volume.metadata.name),
            id.image.endsExactly(with: "-\(uid)")
        else {
            throw .invalid(
                "PersistentVolume '\(volume.metadata.name)' says that it is volume '\(attributes.handle.printable)', which "
                    + "was not made under that name; the image is left alone"
            )
        }
        return attributes
    }

    /// Compares the request name in the image's metadata; the volume service judges an image that does not exist or has
    /// none.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` if it differs from the volume's name.
    func checkMade(
        _ attributes: VolumeAttributes,
        for volume: PersistentVolume,
        _ credentials: Credentials
    ) async throws(VolumeError) {
        let made: String?
        do throws(VolumeError) {
            let metadata = try await shop.service.metadata(
                of: attributes.handle,
                credentials: credentials,
                deadline: shop.deadline
            )
            made = metadata[ImageMetadataKey.requestName]
        } catch {
            guard error.code == .notFound else { throw error }
            return
        }
        // An image whose mark was written later has its own name as the request name.
        guard let made, made != volume.metadata.name, (try? VolumeID(parsing: attributes.handle))?.image != made else {
            return
        }
        throw .invalid(
            "PersistentVolume '\(volume.metadata.name)' says that it is volume '\(attributes.handle.printable)', but that "
                + "image was made for '\(made.printable)'; the image is left alone"
        )
    }

    /// Whether a volume was never bound, by its phase.
    static func wasNeverBound(_ volume: PersistentVolume) -> Bool {
        volume.phase == .pending || volume.phase == .available
    }

    /// The Secret of the user that deletes the image; `nil` for the controller's own user.
    func deletionSecret(of volume: PersistentVolume) -> SecretReference? {
        VolumeObject.deletionSecret(in: volume.details?.annotations ?? [:])
    }

    /// Deletes the object; returns its present state, or `nil` if it is gone or was replaced.
    private func delete(_ volume: PersistentVolume) async throws -> PersistentVolume? {
        let path = APIPath.persistentVolume(volume.metadata.name)
        // A never bound volume must be unchanged, because the binder may be using it now.
        let version = Self.wasNeverBound(volume) ? volume.metadata.resourceVersion : nil
        do throws(KubernetesError) {
            let answer = try await shop.client.call(.delete(path, uid: volume.metadata.uid, resourceVersion: version))
            // Without finalizers it is removed at once, and the answer is a Status.
            return PersistentVolume(answer)
        } catch {
            if error.status?.isNotFound ?? false { return nil }
            throw error
        }
    }

    /// Removes the controller's finalizer and the protection finalizer, because the volume is not bound.
    ///
    /// The protection controller would remove its own, but only for twenty volumes a second.
    private func removeFinalizers(of volume: PersistentVolume) async throws {
        var volume = volume
        for attempt in 1...Self.mostTries {
            let there = volume.details?.finalizers ?? []
            let rest = there.filter { $0 != PersistentVolume.provisionerFinalizer && $0 != Self.protectionFinalizer }
            guard rest != there else { return }
            // Another write of the binder, such as a phase, is no conflict: for a deleted volume only the finalizers
            // count.
            let patch: JSONValue = [
                ["op": "test", "path": "/metadata/uid", "value": .string(volume.metadata.uid)],
                ["op": "test", "path": "/metadata/finalizers", "value": JSONValue(there)],
                ["op": "replace", "path": "/metadata/finalizers", "value": JSONValue(rest)],
            ]
            do throws(KubernetesError) {
                _ = try await shop.client.call(
                    .patch(APIPath.persistentVolume(volume.metadata.name), .json, patch)
                )
                return
            } catch {
                guard let status = error.status else { throw error }
                if status.isNotFound { return }
                guard status.isConflict || status.isInvalid, attempt < Self.mostTries else { throw error }
            }
            guard let now = try await shop.liveVolume(volume.metadata.name), now.metadata.uid == volume.metadata.uid
            else { return }
            volume = now
        }
    }
}
