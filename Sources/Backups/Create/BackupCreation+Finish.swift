internal import CephVolumes
internal import ExactText
internal import RBD
internal import Volumes

extension BackupCreation {
    /// Writes the map, and then the manifest: from then on the backup is there.
    func finish(
        _ plan: BackupPlan,
        _ parent: BlockMap,
        _ stored: [StoredPack],
        _ snapshots: ChainSnapshots,
        _ metadata: [String: String],
        _ lock: any DestinationLock
    ) async throws(VolumeError) -> Manifest {
        progress.enter("writing the manifest")
        // All is read, and a snapshot that is there now was there all the time. Without it zeroes are read, or what was written
        // since, and no error tells of that.
        guard try await snapshots.snapshot(of: plan.backup)?.id == plan.snapshotID else {
            try await giveUp(plan, lock)
            throw VolumeError(
                .aborted,
                "the snapshot of backup \(plan.backup) was removed while it was read, as by a delete of the volume or nacre backup "
                    + "forget; repeat the command"
            )
        }
        let changed = (plan.extents + plan.holes).sorted { $0.lowerBound < $1.lowerBound }
        let pieces = stored.flatMap(\.pieces).sorted { $0.offset < $1.offset }
        let map = parent.changing(changed, to: pieces, sizeBytes: plan.sizeBytes)
        let content = map.bytes
        // It could not be restored, for no such map is read.
        guard content.count <= Chunk.mostMapBytes else {
            try await giveUp(plan, lock)
            throw VolumeError(
                .resourceExhausted,
                "cannot back up image '\(image.id.imageSpec)': it lies in \(map.extents.count) parts, and no map holds so many; "
                    + "back it up to another place, where all of it is read"
            )
        }
        let digest = Digest(of: content)
        // Until the manifest is there, nothing else says whose the map is. One that is there may be another backup's.
        if try await !store.destination.keys(below: keys.maps).containsExactly(keys.map(digest)) {
            try await store.discard(Discarded(plan.backup, maps: [digest]), keys)
        }
        try await store.destination.put(Chunk.object(of: content), as: keys.map(digest))
        let manifest = Manifest(
            id: plan.backup,
            chain: snapshots.chain,
            volume: image.id,
            imageID: plan.imageID,
            snapshotID: plan.snapshotID,
            sizeBytes: plan.sizeBytes,
            created: plan.created,
            kind: plan.parent == nil ? .full : .incremental,
            reason: plan.reason,
            parent: plan.parent,
            map: digest,
            changedBytes: plan.bytesToRead,
            readBytes: stored.reduce(0) { $0 + $1.readBytes },
            addedBytes: stored.reduce(0) { $0 + $1.addedBytes },
            dataBytes: map.dataBytes,
            storedBytes: map.storedBytes,
            metadata: metadata
        )
        // Whoever took the lock meanwhile may have taken what no manifest needed yet.
        let there = try await store.chunks(keys)
        guard map.chunks.allSatisfy({ there.contains($0.digest) }) else {
            try await giveUp(plan, lock)
            throw VolumeError(
                .dataLoss,
                "chunks that backup \(plan.backup) needs are gone from '\(store.name)'; see nacre backup verify, then repeat the "
                    + "command"
            )
        }
        try await store.spare(map, digest, for: plan.backup, keys, lock)
        try await lock.check()
        try await store.destination.put(manifest.bytes, as: keys.manifest(plan.backup))
        return manifest
    }
}
