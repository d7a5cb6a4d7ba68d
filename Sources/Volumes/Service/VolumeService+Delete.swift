public import Secrets

extension VolumeService {
    /// Moves the volume's image to the trash; a volume that is gone, or was never ours, is a success.
    ///
    /// CSI: DeleteVolume.
    public func deleteVolume(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard !volumeID.isEmpty else { throw .invalid("volume id is missing") }
        // CSI: a handle that we cannot have made names a volume that does not exist.
        guard let id = try? VolumeID(parsing: volumeID) else { return }
        // Only what looks like a volume of ours: a handle in a forged PV must not delete another program's image.
        guard ImageName.endsInUUID(id.image) else { return }
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
