public import Secrets

extension VolumeService {
    /// Moves the volume's image to the trash; a volume that is gone is a success.
    ///
    /// An image that is there and was not made by Nacre is refused, whatever its name: a handle in a forged
    /// PersistentVolume must not delete another program's image.
    ///
    /// CSI: DeleteVolume.
    public func deleteVolume(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard !volumeID.isEmpty else { throw .invalid("volume id is missing") }
        // CSI: a handle that we cannot have made names a volume that does not exist.
        guard let id = try? VolumeID(parsing: volumeID) else {
            // Not so ceph-csi's: its volume exists, and a success would have its PersistentVolume go without it.
            guard !VolumeID.isOfCephCSI(volumeID) else { throw Self.ofCephCSI("delete", volumeID) }
            return
        }
        // A cluster that is not configured is an error, not a success: its volumes exist, and we cannot reach them.
        let configured = try store.namespace(ofCluster: id.clusterID)
        guard configured == id.namespace else {
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
            obstacle: { await store.standstill(of: id, as: credentials) }
        ) { () async throws(VolumeError) in
            try await self.store.trashImage(id, credentials: credentials)
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
