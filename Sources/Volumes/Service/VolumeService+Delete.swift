internal import ExactText
public import Secrets

extension VolumeService {
    /// Moves the volume's image to the trash; succeeds if the volume does not exist.
    ///
    /// An image that Nacre did not make is refused, whatever its name: a handle in a forged PersistentVolume must not
    /// delete another program's image.
    ///
    /// CSI: DeleteVolume.
    public func deleteVolume(
        _ volumeID: String,
        noting notes: [String: String],
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard !volumeID.isEmpty else { throw .invalid("volume id is missing") }
        // CSI: a handle that is not of Nacre's form names a volume that does not exist.
        guard let id = try? VolumeID(parsing: volumeID) else {
            // This does not hold for ceph-csi's handles: their volumes exist, and after a success the PersistentVolume
            // would be removed without the image.
            guard !VolumeID.isOfCephCSI(volumeID) else { throw Self.ofCephCSI("delete", volumeID) }
            return
        }
        // An unknown cluster is an error, not a success: its volumes exist and cannot be reached.
        let configured = try store.namespace(ofCluster: id.clusterID)
        guard configured.isExactly(id.namespace) else {
            throw VolumeError(
                .failedPrecondition,
                "cannot delete volume '\(id)': config.json now gives cluster '\(id.clusterID)' the RADOS namespace "
                    + "'\(configured)'; restore the old one to delete it"
            )
        }
        try await operations.run(
            "delete volume '\(id)'",
            on: id.description,
            fingerprint: "delete \(credentials.userID)",
            deadline: deadline,
            obstacle: { await self.store.standstill(of: id, as: credentials) }
        ) { () async throws(VolumeError) in
            do throws(VolumeError) {
                try await self.store.trashImage(id, noting: notes, credentials: credentials)
            } catch {
                guard error.isOfMissingPlace else { throw error }
                // No success: a pool that was renamed has the volume still.
                throw VolumeError(
                    .failedPrecondition,
                    "cannot delete volume '\(id)': \(error.message); if the pool was renamed, give it its name again; if it was "
                        + "removed, the volume went with it, and its PersistentVolume, if there is one, can be removed by hand"
                )
            }
            enter(VolumeStep.answering, id.imageSpec)
        }
    }
}

extension VolumeService {
    static func ofCephCSI(_ doing: String, _ handle: String) -> VolumeError {
        VolumeError(
            .failedPrecondition,
            "cannot \(doing) volume '\(handle.printable)': the handle is ceph-csi's, whose volumes Nacre cannot take over; "
                + "leave it to ceph-csi"
        )
    }
}
