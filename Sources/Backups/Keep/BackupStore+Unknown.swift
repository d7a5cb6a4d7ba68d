internal import ExactText
public import Volumes

extension BackupStore {
    /// Chunks and maps of a volume of which nothing says whose they are.
    public struct Unknown: Sendable {
        /// How many there are.
        public var objects: Int { keys.count }
        /// Their bytes.
        public let bytes: UInt64
        /// How many backups the volume has there, which need none of them.
        public let backups: Int
        let keys: [String]
    }

    /// Looks for what nothing needs and nothing proves garbage.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - progress: What is told of it.
    /// - Returns: What there is; without any backup all that lies there.
    /// - Throws: `VolumeError`; with `.notFound` where the volume has no backups, and never had, with `.dataLoss` while a
    ///   manifest or a map is damaged, and with `.failedPrecondition` while a backup is begun.
    public func unknown(of volume: VolumeID, _ progress: BackupProgress) async throws(VolumeError) -> Unknown {
        let keys = BackupKeys(volume)
        try await requireBackups(of: volume)
        progress.enter("looking for what no backup needs")
        let listing = try await backups(of: volume)
        if let damage = listing.damaged.first {
            throw VolumeError(
                .dataLoss,
                "nothing is known to be of no use, for nobody knows which chunks it needs: \(damage.message); restore that file, "
                    + "or remove it"
            )
        }
        let begun = try await begun(keys)
        if let one = begun.sorted().first {
            throw VolumeError(
                .failedPrecondition,
                "nothing is known to be of no use while backup \(one.printable) is begun; finish it first: nacre backup create "
                    + "'\(volume)'"
            )
        }
        let found = try await leftovers(keys, try await used(by: listing.backups, keys), begun: begun)
        let unknown = listing.backups.isEmpty ? found.garbage + found.unknown : found.unknown
        let sizes = try await destination.sizes(below: keys.chunks)
            .merging(try await destination.sizes(below: keys.maps)) { $1 }
        let bytes = unknown.reduce(0) { $0 + (sizes[$1] ?? 0) }
        return Unknown(bytes: bytes, backups: listing.backups.count, keys: unknown)
    }

    /// Removes what nothing needs and nothing proves garbage, after a person has looked at it.
    ///
    /// - Parameters:
    ///   - seen: What goes, as `unknown` returned it; what is needed by now stays.
    ///   - volume: The volume.
    ///   - owner: Who does it, for others.
    ///   - progress: What is told of it.
    /// - Returns: What went.
    /// - Throws: `VolumeError`, as `unknown` does.
    public func remove(
        _ seen: Unknown,
        of volume: VolumeID,
        for owner: String,
        _ progress: BackupProgress
    ) async throws(VolumeError) -> Unknown {
        let shown = Set(seen.keys.map { ExactText($0) })
        return try await locked(BackupKeys(volume), for: owner, progress) { (lock) async throws(VolumeError) in
            let now = try await unknown(of: volume, progress)
            // Where manifests were lost meanwhile, more is unknown than a person has looked at.
            guard now.backups >= seen.backups else {
                throw VolumeError(
                    .aborted,
                    "nothing was removed: volume '\(volume)' has lost backups at '\(name)' since it was looked at; look again"
                )
            }
            let gone = now.keys.filter { shown.contains(ExactText($0)) }
            progress.enter("removing what no backup needs")
            try await remove(gone, lock)
            let isAll = gone.count == now.keys.count
            return Unknown(bytes: isAll ? now.bytes : seen.bytes, backups: now.backups, keys: gone)
        }
    }
}
