internal import ExactText
public import Volumes

extension BackupStore {
    /// What a removal did.
    public struct Removal: Sendable {
        /// The backups that are gone.
        public var removed: [Manifest] = []
        /// How many chunks and maps went that nothing needs any more.
        public var objects = 0
    }

    /// Removes backups of one volume, and then the chunks that no other one needs.
    ///
    /// Manifests go first: a backup that is there is whole. A removal that was killed is finished by the next one, but for the
    /// chunks of the last backup: where there is no manifest, nothing is removed.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - owner: Who does it, for others.
    ///   - progress: What is told of it.
    ///   - choose: Which ones go, of those that there are, oldest first.
    /// - Returns: What went.
    /// - Throws: `VolumeError`; with `.failedPrecondition` for one that an unfinished backup goes on from, and with
    ///   `.dataLoss` if a damaged manifest hides which chunks are needed.
    public func remove(
        from volume: VolumeID,
        for owner: String,
        _ progress: BackupProgress,
        choosing choose: @Sendable ([Manifest]) -> Set<String>
    ) async throws(VolumeError) -> Removal {
        let keys = BackupKeys(volume)
        return try await locked(keys, for: owner, progress) { (lock) async throws(VolumeError) in
            progress.enter("reading the backups that there are")
            let listing = try await backups(of: volume)
            if let damage = listing.damaged.first {
                throw VolumeError(
                    .dataLoss,
                    "nothing was removed, for nobody knows which chunks it needs: \(damage.message); restore that file, or "
                        + "remove it"
                )
            }
            let chosen = choose(listing.backups)
            let plans = try await begunPlans(keys)
            var removal = Removal(removed: listing.backups.filter { chosen.contains($0.id) })
            let needed = Set(plans.compactMap(\.parent))
            if let held = removal.removed.first(where: { needed.contains($0.id) }) {
                throw VolumeError(
                    .failedPrecondition,
                    "backup \(held.id) is not removed: one that was begun goes on from it; finish that first: nacre backup create "
                        + "'\(volume)'"
                )
            }
            let kept = listing.backups.filter { !chosen.contains($0.id) }
            // What is needed is read before anything goes.
            let used = try await used(by: kept, keys)
            for manifest in removal.removed {
                try await lock.check()
                progress.enter("removing backup \(manifest.id)")
                try await destination.remove(keys.manifest(manifest.id))
            }
            // Without any manifest they may be elsewhere for the moment, and need all that is here.
            guard !kept.isEmpty || !removal.removed.isEmpty else { return removal }
            removal.objects = try await sweep(keys, used, lock, progress)
            return removal
        }
    }

    private struct Used: Sendable {
        var chunks: Set<Digest> = []
        var maps: Set<Digest> = []
    }

    /// What kept backups, and those that were begun, need.
    private func used(by kept: [Manifest], _ keys: BackupKeys) async throws(VolumeError) -> Used {
        var used = Used()
        for manifest in kept {
            used.maps.insert(manifest.map)
            let map = try await map(of: manifest)
            for chunk in map.chunks { used.chunks.insert(chunk.digest) }
        }
        let destination = destination
        let marks = try await destination.keys(below: keys.partials).filter { !$0.endsExactly(with: "/plan") }
        let packs = try await atOnce(marks, width: 16) { (key) async throws(VolumeError) -> StoredPack? in
            try await destination.bytes(of: key).flatMap { try? StoredPack(parsing: $0) }
        }
        for case .some(let pack) in packs { for piece in pack.pieces { used.chunks.insert(piece.chunk.digest) } }
        return used
    }

    private func begunPlans(_ keys: BackupKeys) async throws(VolumeError) -> [BackupPlan] {
        var plans: [BackupPlan] = []
        for key in try await destination.keys(below: keys.partials) where key.endsExactly(with: "/plan") {
            guard let bytes = try await destination.bytes(of: key),
                let content = try? Chunk.content(of: bytes, named: nil, most: Chunk.mostMapBytes),
                let plan = try? BackupPlan(parsing: content)
            else { continue }
            plans.append(plan)
        }
        return plans
    }

    private func sweep(
        _ keys: BackupKeys,
        _ used: Used,
        _ lock: any DestinationLock,
        _ progress: BackupProgress
    ) async throws(VolumeError) -> Int {
        progress.enter("removing chunks that nothing needs")
        let destination = destination
        func unused(below prefix: String, _ used: Set<Digest>) async throws(VolumeError) -> [String] {
            try await destination.keys(below: prefix).filter { key in
                // What has another name is nobody's.
                key.parts(at: "/").last.flatMap { Digest(parsing: $0) }.map { !used.contains($0) } ?? false
            }
        }
        let all = try await unused(below: keys.chunks, used.chunks) + unused(below: keys.maps, used.maps)
        _ = try await atOnce(all, width: 8) { (key) async throws(VolumeError) in
            try await lock.check()
            try await destination.remove(key)
        }
        return all.count
    }
}
