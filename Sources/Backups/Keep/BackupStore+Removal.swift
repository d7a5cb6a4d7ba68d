internal import ExactText
public import Volumes

extension BackupStore {
    /// What a removal did.
    public struct Removal: Sendable {
        /// The backups that are gone.
        public var removed: [Manifest] = []
        /// How many chunks and maps went that nothing needs any more.
        public var objects = 0
        /// How many stayed that no backup here needs, as nothing says whose they are.
        public var unknown = 0
    }

    /// Removes backups of one volume, and then the chunks that no other one needs.
    ///
    /// Manifests go first: a backup that is there is whole. What it alone needed is written down before, and only what is
    /// written down so goes: chunks without a manifest may be those of one that was lost. A removal that was killed is
    /// finished by the next one, but for that of the last backup: where there is no manifest, nothing is removed.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - owner: Who does it, for others.
    ///   - progress: What is told of it.
    ///   - choose: Which ones go, of those that there are, oldest first.
    /// - Returns: What went.
    /// - Throws: `VolumeError`; with `.notFound` where the volume has no backups, with `.failedPrecondition` for one that an
    ///   unfinished backup goes on from, and with `.dataLoss` if a damaged manifest hides which chunks are needed.
    public func remove(
        from volume: VolumeID,
        for owner: String,
        _ progress: BackupProgress,
        choosing choose: @Sendable ([Manifest]) -> Set<String>
    ) async throws(VolumeError) -> Removal {
        let keys = BackupKeys(volume)
        try await requireBackups(of: volume)
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
            let begun = try await begun(keys)
            for manifest in removal.removed {
                progress.enter("removing backup \(manifest.id)")
                let gone = try await needs(of: manifest, beside: used)
                try await lock.check()
                try await discard(gone, keys)
                try await destination.remove(keys.manifest(manifest.id))
            }
            progress.enter("removing chunks that nothing needs")
            let leftovers = try await leftovers(keys, used, begun: begun)
            // Without any manifest they may be elsewhere for the moment, and need all that is here.
            guard !listing.backups.isEmpty else {
                removal.unknown = leftovers.garbage.count + leftovers.unknown.count
                return removal
            }
            removal.unknown = leftovers.unknown.count
            try await remove(leftovers.garbage, lock)
            removal.objects = leftovers.garbage.count
            // They go last: a removal that is killed is gone on with by them. One that was begun may be dropped, and not tell
            // of what it found there.
            if begun.isEmpty { try await remove(leftovers.documents, lock) }
            return removal
        }
    }

    /// What is needed.
    struct Used: Sendable {
        var chunks: Set<Digest> = []
        var maps: Set<Digest> = []
    }

    /// Throws unless the place has backups of the volume, or had: another directory is not touched, not even for a lock.
    public func requireBackups(of volume: VolumeID) async throws(VolumeError) {
        let keys = BackupKeys(volume)
        let listing = try await backups(of: volume)
        guard listing.backups.isEmpty, listing.damaged.isEmpty else { return }
        let chain: [UInt8]?
        do throws(VolumeError) {
            chain = try await destination.bytes(of: keys.chain)
        } catch {
            guard error.code == .dataLoss else { throw error }
            chain = nil
        }
        if let chain, let named = try? SignedDocument.fields(chain).text("volume"), named.isExactly("\(volume)") {
            return
        }
        throw VolumeError(
            .notFound,
            "there are no backups of volume '\(volume)' at '\(name)', so nothing is removed there; 'nacre backup list' shows those "
                + "there are"
        )
    }

    /// What kept backups, and those that were begun, need.
    func used(by kept: [Manifest], _ keys: BackupKeys) async throws(VolumeError) -> Used {
        var used = try await needs(of: kept)
        let marks = try await destination.keys(below: keys.partials).filter { !$0.endsExactly(with: "/plan") }
        used.chunks.formUnion(try await packs(ofMarks: marks, keys).chunks)
        return used
    }

    /// What backups need.
    func needs(of manifests: [Manifest]) async throws(VolumeError) -> Used {
        var used = Used()
        for manifest in manifests {
            used.maps.insert(manifest.map)
            let map = try await readingOne(of: BackupKeys(manifest.volume)) { () async throws(VolumeError) in
                try await self.map(of: manifest)
            }
            for chunk in map.chunks { used.chunks.insert(chunk.digest) }
        }
        return used
    }

    /// What unfinished backups have stored, by what they wrote down.
    func packs(ofMarks marks: [String], _ keys: BackupKeys) async throws(VolumeError) -> [StoredPack] {
        let destination = destination
        let packs = try await atOnce(marks, width: 16) { (key) async throws(VolumeError) -> StoredPack? in
            do throws(VolumeError) {
                let found = try await readingOne(of: keys) { () async throws(VolumeError) in
                    try await destination.bytes(of: key)
                }
                return found.flatMap { try? StoredPack(parsing: $0) }
            } catch {
                // The backup that goes on reads that part again.
                guard error.code == .dataLoss else { throw error }
                return nil
            }
        }
        return packs.compactMap(\.self)
    }

    /// What only a backup needs that is to go; of one whose map is damaged nobody knows the chunks.
    private func needs(of manifest: Manifest, beside used: Used) async throws(VolumeError) -> Discarded {
        var alone = Discarded(manifest.id)
        if !used.maps.contains(manifest.map) { alone.maps.insert(manifest.map) }
        do throws(VolumeError) {
            for chunk in try await map(of: manifest).chunks where !used.chunks.contains(chunk.digest) {
                alone.chunks.insert(chunk.digest)
            }
        } catch {
            guard error.code == .dataLoss else { throw error }
        }
        return alone
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

    func remove(_ keys: [String], _ lock: any DestinationLock) async throws(VolumeError) {
        let destination = destination
        _ = try await atOnce(keys, width: 8) { (key) async throws(VolumeError) in
            try await lock.check()
            try await destination.remove(key)
        }
    }
}
