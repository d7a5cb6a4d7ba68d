public import CephVolumes
internal import ExactText
internal import RBD
internal import Timestamps
public import Volumes

/// What the backups of a volume keep on its image for the next ones: of each place a snapshot and its record.
public struct BackupTraces: Sendable {
    /// What one backup keeps.
    public struct Trace: Sendable, Hashable {
        /// The backup.
        public let backup: String
        /// The place, by the id of the volume's chain of backups there; `nil` for a snapshot without a record, which came
        /// late and is of no use to any place.
        public let chain: String?
        /// The place as it was named then; directories of several machines may have that name.
        public let destination: String
        /// Who made the backup: a machine, a process, a time.
        public let owner: String
        /// When the snapshot was made: `2026-11-21T08:09:47.000120Z`; `nil` where there is a record alone.
        public let created: String?
    }

    private let image: ImageAccess

    /// Prepares a look at a volume's image.
    public init(on image: ImageAccess) {
        self.image = image
    }

    /// All of them.
    ///
    /// - Throws: `VolumeError`; with `.notFound` if there is no such image.
    public func all() async throws(VolumeError) -> [Trace] { try await read().traces }

    /// Removes what was seen of places.
    ///
    /// A place that has made another backup since is not gone, and keeps all.
    ///
    /// - Parameter seen: What goes, as `all` returned it.
    /// - Throws: `VolumeError`; with `.aborted`, and nothing removed, if one of the places has made another backup.
    public func remove(_ seen: [Trace]) async throws(VolumeError) {
        let (imageID, present) = try await read()
        let chains = Set(seen.compactMap(\.chain))
        let backups = Set(seen.map(\.backup))
        if let new = present.first(where: { $0.chain.map(chains.contains) == true && !backups.contains($0.backup) }) {
            throw VolumeError(
                .aborted,
                "nothing was removed from image '\(image.id.imageSpec)': backup \(new.backup) was made meanwhile at "
                    + "'\(new.destination.printable)' by \(new.owner.printable), so that place is not gone"
            )
        }
        // What has another record by now is another's.
        for trace in present
        where seen.contains(where: { $0.backup.isExactly(trace.backup) && $0.chain == trace.chain }) {
            try await image.removeBackupSnapshot(of: trace.backup, onImageID: imageID)
        }
    }

    private func read() async throws(VolumeError) -> (imageID: String, traces: [Trace]) {
        let found = try await image.trying("look up image") { (context) async throws(RBDError) in
            try await context.imageID(named: image.id.image)
        }
        guard let imageID = found else {
            throw VolumeError(.notFound, "there is no image '\(image.id.imageSpec)' with snapshots of backups")
        }
        let marks = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.metadata(ofImageID: imageID, prefix: ImageMetadataKey.prefix)
        }
        try await image.requireOurs("forget backups of image", imageID, marks ?? [:])
        let (records, strays, snapshots) = try await image.backupTraces(onImageID: imageID)
        func created(_ backup: String) -> String? {
            let name = BackupSnapshot.name(of: backup)
            return snapshots.first { $0.name.isExactly(name) }
                .map { Timestamp.text($0.created, hasMicroseconds: true) }
        }
        let recorded = records.map { record in
            Trace(
                backup: record.backup,
                chain: record.chain,
                destination: record.destination,
                owner: record.owner,
                created: created(record.backup)
            )
        }
        let others = strays.map { Trace(backup: $0, chain: nil, destination: "", owner: "", created: created($0)) }
        return (imageID, recorded + others)
    }
}
