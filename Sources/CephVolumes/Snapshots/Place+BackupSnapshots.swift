internal import ExactText
internal import RBD
internal import Volumes

extension Place {
    /// Removes the snapshots that backups keep on the image until their next one, which a deleted volume has not.
    ///
    /// The backups themselves need none of them.
    func removeBackupSnapshots(onImageID imageID: String) async throws(VolumeError) {
        let records = try await trying("read the marks of image") { () async throws(RBDError) in
            try await context.metadata(ofImageID: imageID, prefix: ImageMetadataKey.backupPrefix)
        }
        for key in (records ?? [:]).keys.sortedExactly() {
            guard let name = key.behind(ImageMetadataKey.backupPrefix), name.startsExactly(with: "csi-backup-") else {
                continue
            }
            try await removeSnapshot(name, ofImageID: imageID)
            try await trying("forget a snapshot of image") { () async throws(RBDError) in
                try await context.removeMetadata(key, ofImageID: imageID)
            }
        }
    }
}
