internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Secrets
internal import Volumes

/// Takes an image and its PersistentVolume away: image, object, finalizer, in this order, so that the object is there to
/// be found as long as the image is.
struct VolumeRemoval: Sendable {
    let shop: Workshop

    static let protectionFinalizer = "kubernetes.io/pv-protection"
    private static let mostTries = 6

    /// Removes a volume that nobody has: its claim is gone, or never had it; its policy is Delete.
    func remove(_ volume: PersistentVolume) async throws {
        guard volume.reclaimPolicy == .delete else { return }
        let attributes = try ownAttributes(of: volume)
        var volume = volume
        if Self.wasNeverBound(volume) {
            // Never bound: out of the binder's sight before its image goes.
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

    /// What a volume says of itself, if it says what we would have: a forged one must not delete or grow another's image.
    ///
    /// A volume may change hands: after Retain a person gives it to another claim. So nothing is asked of the claim. What
    /// proves that a volume and its image belong together is that the volume's name is `PREFIX-UID`, which no second object of
    /// the cluster can have, that the image's name ends in that uid, and, by `checkMade`, that the image says by itself that it
    /// was made under the volume's name.
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

    /// Asks the image itself under which name it was made; one that is gone, or says none, is the volume service's to judge.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` when that is another name than the volume's.
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
        // A deletion that was undone left the image's own name as its mark.
        guard let made, made != volume.metadata.name, (try? VolumeID(parsing: attributes.handle))?.image != made else {
            return
        }
        throw .invalid(
            "PersistentVolume '\(volume.metadata.name)' says that it is volume '\(attributes.handle.printable)', but that "
                + "image was made for '\(made.printable)'; the image is left alone"
        )
    }

    /// Whether no claim ever had a volume, by its phase.
    static func wasNeverBound(_ volume: PersistentVolume) -> Bool {
        volume.phase == .pending || volume.phase == .available
    }

    /// The Secret of the user that takes the image away; nothing for our own user.
    func deletionSecret(of volume: PersistentVolume) -> SecretReference? {
        VolumeObject.deletionSecret(in: volume.details?.annotations ?? [:])
    }

    /// Marks the object as deleted; returns it as it is then, or nothing when it is gone or another's.
    private func delete(_ volume: PersistentVolume) async throws -> PersistentVolume? {
        let path = APIPath.persistentVolume(volume.metadata.name)
        // One that was never bound must be as we saw it: the binder may just now give it to somebody.
        let version = Self.wasNeverBound(volume) ? volume.metadata.resourceVersion : nil
        do throws(KubernetesError) {
            let answer = try await shop.client.call(.delete(path, uid: volume.metadata.uid, resourceVersion: version))
            // Without finalizers it is gone at once, and the answer is a Status.
            return PersistentVolume(answer)
        } catch {
            if error.status?.isNotFound ?? false { return nil }
            throw error
        }
    }

    /// Lets the object go: our finalizer, and the one that protects what is bound, for it is not.
    ///
    /// The protection controller does the same with its own, but for twenty volumes a second at most.
    private func removeFinalizers(of volume: PersistentVolume) async throws {
        var volume = volume
        for attempt in 1...Self.mostTries {
            let there = volume.details?.finalizers ?? []
            let rest = there.filter { $0 != PersistentVolume.provisionerFinalizer && $0 != Self.protectionFinalizer }
            guard rest != there else { return }
            // What else the binder writes meanwhile, a phase, is no conflict: of a volume that goes, the finalizers count.
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
