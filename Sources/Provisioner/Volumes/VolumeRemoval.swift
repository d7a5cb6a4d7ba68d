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

    /// Removes a volume that nobody has: its claim is gone, or never had it.
    func remove(_ volume: PersistentVolume) async throws {
        let attributes = try ownAttributes(of: volume)
        var volume = volume
        if Self.wasNeverBound(volume) {
            // Never bound: out of the binder's sight before its image goes.
            shop.enter(.removingVolume)
            guard let doomed = try await delete(volume) else { return }
            volume = doomed
        }
        let credentials = try await shop.secrets.credentials(deletionSecret(of: volume))
        shop.enter(.deletingImage)
        try await shop.service.deleteVolume(attributes.handle, credentials: credentials, deadline: shop.deadline)
        shop.enter(.removingVolume)
        if !volume.metadata.isBeingDeleted {
            guard let doomed = try await delete(volume) else { return }
            volume = doomed
        }
        shop.enter(.removingFinalizer)
        try await removeFinalizers(of: volume)
    }

    /// What a volume says of itself, if it says what we would have: a forged one must not delete another's image.
    func ownAttributes(of volume: PersistentVolume) throws(VolumeError) -> VolumeAttributes {
        guard let details = volume.details,
            let attributes = VolumeAttributes(details, flexDriver: shop.settings.flexDriver)
        else {
            throw .invalid(
                "PersistentVolume '\(volume.metadata.name)' names \(shop.settings.driverName) as its maker, but its source "
                    + "is not ours; its image is left alone"
            )
        }
        let uid = volume.metadata.name.dropFirst(shop.settings.volumeNamePrefix.count + 1)
        guard let id = try? VolumeID(parsing: attributes.handle), !uid.isEmpty, id.image.hasSuffix("-\(uid)"),
            volume.claim?.uid == String(uid)
        else {
            throw .invalid(
                "PersistentVolume '\(volume.metadata.name)' says that it is volume '\(attributes.handle.printable)', which "
                    + "was not made for its claim; the image is left alone"
            )
        }
        return attributes
    }

    private static func wasNeverBound(_ volume: PersistentVolume) -> Bool {
        volume.phase == .pending || volume.phase == .available
    }

    private func deletionSecret(of volume: PersistentVolume) -> SecretReference? {
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
