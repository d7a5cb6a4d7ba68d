internal import ExactText
internal import RBD
internal import Volumes

extension Place {
    /// Removes the snapshots that backups keep on the image until their next one, which a deleted volume has not; also those
    /// that came late, when Ceph had not answered in time, and have no record.
    ///
    /// The backups themselves need none of them.
    func removeBackupSnapshots(onImageID imageID: String) async throws(VolumeError) {
        // Snapshots come first: the record of one that comes meanwhile was written before it.
        let snapshots = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.snapshots(ofImageID: imageID)
        }
        let records = try await trying("read the marks of image") { () async throws(RBDError) in
            try await context.allMetadata(ofImageID: imageID, prefix: ImageMetadataKey.backupPrefix)
        }
        let recorded = (records ?? [:]).keys.sortedExactly()
            .compactMap { $0.behind(ImageMetadataKey.backupPrefix) }
            .filter { $0.startsExactly(with: ImageName.backupPrefix) }
        for name in recorded {
            try await removeSnapshot(name, ofImageID: imageID)
            try await trying("forget a snapshot of image") { () async throws(RBDError) in
                try await context.removeMetadata(ImageMetadataKey.backupPrefix + name, ofImageID: imageID)
            }
        }
        for snapshot in snapshots ?? [] where snapshot.isOfBackup && !recorded.containsExactly(snapshot.name) {
            try await removeSnapshot(snapshot.name, ofImageID: imageID)
        }
    }
}

extension ImageSnapshot {
    /// Whether a backup made it, by its name: that needs no record, which goes before a snapshot that comes late.
    var isOfBackup: Bool { kind == .user && ImageName.backup(ofSnapshot: name) != nil }
}
