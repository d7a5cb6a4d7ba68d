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

    /// The snapshot of a backup, if it is there.
    func snapshot(of backup: String) async throws(VolumeError) -> ImageSnapshot? {
        let (id, name) = (imageID, BackupSnapshot.name(of: backup))
        let all = try await image.trying("read the snapshots of image") { (context) async throws(RBDError) in
            try await context.snapshots(ofImageID: id)
        }
        return all?.first { $0.kind == .user && $0.name.isExactly(name) }
    }

    /// Makes the snapshot of a backup; a record without a snapshot is of one that was killed.
    func make(_ backup: String) async throws(VolumeError) -> ImageSnapshot {
        let (id, name) = (imageID, BackupSnapshot.name(of: backup))
        let record = BackupSnapshot.record(backup, chain: chain, destination: destination)
        try await image.trying("mark image") { (context) async throws(RBDError) in
            try await context.setMetadata([BackupSnapshot.key(of: backup): record], ofImageID: id)
        }
        try await image.blocking("take a snapshot of image") { (context) throws(RBDError) in
            let open = try Image.open(id: id, in: context, access: .readWrite)
            defer { open.close() }
            do throws(RBDError) {
                try open.createSnapshot(name)
            } catch {
                guard error.isAlreadyThere else { throw error }
            }
        }
        guard let snapshot = try await snapshot(of: backup) else {
            throw VolumeError(
                .aborted,
                "the snapshot '\(name)' of image '\(image.id.imageSpec)' went away while the backup began; repeat the command"
            )
        }
        return snapshot
    }

    /// Removes the chain's other snapshots.
    ///
    /// - Parameter kept: The backups whose snapshots stay.
    /// - Returns: Those that could not be removed, a sentence each.
    /// - Throws: `VolumeError` if the image cannot be read.
    func removeAll(except kept: Set<String>) async throws(VolumeError) -> [String] {
        let id = imageID
        let records = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.backupPrefix)
        }
        var stay: [String] = []
        for (key, record) in records ?? [:] {
            guard let (backup, chain) = BackupSnapshot.read(record), chain.isExactly(self.chain),
                !kept.contains(backup),
                key.isExactly(BackupSnapshot.key(of: backup))
            else { continue }
            do throws(VolumeError) {
                try await remove(backup)
            } catch {
                stay.append("a former backup's snapshot stays on the image: \(error.message)")
            }
        }
        return stay
    }

    private func remove(_ backup: String) async throws(VolumeError) {
        let (id, name) = (imageID, BackupSnapshot.name(of: backup))
        try await image.blocking("remove the snapshot '\(name)' of image") { (context) throws(RBDError) in
            let open = try Image.open(id: id, in: context, access: .readWrite)
            defer { open.close() }
            do throws(RBDError) {
                try open.removeSnapshot(name)
            } catch {
                guard error.isNotFound else { throw error }
            }
        }
        try await image.trying("mark image") { (context) async throws(RBDError) in
            try await context.removeMetadata(BackupSnapshot.key(of: backup), ofImageID: id)
        }
    }
}
