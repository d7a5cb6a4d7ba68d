internal import CephVolumes
internal import ExactText
internal import RBD
internal import Volumes

/// The snapshots that one chain of backups keeps on an image; the image's metadata tells whose they are.
struct ChainSnapshots: Sendable {
    let image: ImageAccess
    let imageID: String
    let chain: String
    let destination: String
    let owner: String

    /// The snapshot of a backup, if it is there.
    func snapshot(of backup: String) async throws(VolumeError) -> ImageSnapshot? {
        let name = BackupSnapshot.name(of: backup)
        return try await image.snapshots(ofImageID: imageID).first { $0.name.isExactly(name) }
    }

    /// Makes the snapshot of a backup; a record without a snapshot is of one that was killed.
    func make(_ backup: String) async throws(VolumeError) -> ImageSnapshot {
        let (id, name) = (imageID, BackupSnapshot.name(of: backup))
        let record = BackupSnapshot.Record(backup: backup, chain: chain, destination: destination, owner: owner)
        try await image.trying("mark image") { (context) async throws(RBDError) in
            try await context.setMetadata([BackupSnapshot.key(of: backup): record.text], ofImageID: id)
        }
        try await image.takeSnapshot(name, ofImageID: id)
        // In the trash a snapshot would keep the image from ever being purged.
        let present = try await image.trying("look up the name of image") { (context) async throws(RBDError) in
            try await context.imageName(ofID: id)
        }
        guard present?.isExactly(image.id.image) == true else {
            try await image.removeBackupSnapshot(of: backup, onImageID: id)
            throw VolumeError(
                .notFound,
                "cannot back up image '\(image.id.imageSpec)': it was deleted or renamed while the backup began"
            )
        }
        guard let snapshot = try await snapshot(of: backup) else {
            throw VolumeError(
                .aborted,
                "the snapshot '\(name)' of image '\(image.id.imageSpec)' went away while the backup began; repeat the command"
            )
        }
        return snapshot
    }

    /// Removes the chain's other snapshots, and those of backups that have no record.
    ///
    /// A snapshot comes late if Ceph did not answer in time. Its record may be gone by then, and without one it is no
    /// backup's: the record comes before the snapshot, and goes after it.
    ///
    /// - Parameter kept: The backups whose snapshots stay.
    /// - Returns: Those that could not be removed, a sentence each.
    /// - Throws: `VolumeError` if the image cannot be read.
    func removeAll(except kept: Set<String>) async throws(VolumeError) -> [String] {
        let traces = try await image.backupTraces(onImageID: imageID)
        let own = traces.records.filter { $0.chain.isExactly(chain) }.map(\.backup)
        var stay: [String] = []
        for backup in own + traces.strays where !kept.contains(backup) {
            do throws(VolumeError) {
                try await image.removeBackupSnapshot(of: backup, onImageID: imageID)
            } catch {
                stay.append("a former backup's snapshot stays on the image: \(error.message)")
            }
        }
        return stay
    }
}

extension ImageAccess {
    /// The snapshots that people and programs made.
    func snapshots(ofImageID imageID: String) async throws(VolumeError) -> [ImageSnapshot] {
        let all = try await trying("read the snapshots of image") { (context) async throws(RBDError) in
            try await context.snapshots(ofImageID: imageID)
        }
        return (all ?? []).filter { $0.kind == .user }
    }

    /// What backups have left on an image.
    ///
    /// - Parameter imageID: The image's id.
    /// - Returns: The records that can be read, in the order of their keys; the backups whose snapshots have no record at
    ///   all; and the snapshots.
    /// - Throws: `VolumeError` if the image cannot be read.
    func backupTraces(
        onImageID imageID: String
    ) async throws(VolumeError) -> (records: [BackupSnapshot.Record], strays: [String], snapshots: [ImageSnapshot]) {
        // Snapshots come first: the record of one that is there was written before it.
        let snapshots = try await snapshots(ofImageID: imageID)
        let records = try await trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.allMetadata(ofImageID: imageID, prefix: ImageMetadataKey.backupPrefix)
        }
        let texts = records ?? [:]
        let read = texts.keys.sortedExactly().compactMap { key in
            texts[key].flatMap { BackupSnapshot.Record(parsing: $0, ofKey: key) }
        }
        let named = Set(texts.keys)
        let strays = snapshots.compactMap { ImageName.backup(ofSnapshot: $0.name) }
            .filter { !named.contains(BackupSnapshot.key(of: $0)) }
        return (read, strays, snapshots)
    }

    /// Removes the snapshot of a backup, and then its record.
    func removeBackupSnapshot(of backup: String, onImageID imageID: String) async throws(VolumeError) {
        try await removeSnapshot(BackupSnapshot.name(of: backup), ofImageID: imageID)
        try await trying("mark image") { (context) async throws(RBDError) in
            try await context.removeMetadata(BackupSnapshot.key(of: backup), ofImageID: imageID)
        }
    }
}
