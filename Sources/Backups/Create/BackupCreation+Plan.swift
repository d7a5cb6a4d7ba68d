internal import CephVolumes
internal import ExactText
internal import RBD
internal import Timestamps
internal import Volumes

extension BackupCreation {
    /// The plan of a backup that was begun and can go on; what cannot is dropped.
    ///
    /// - Parameters:
    ///   - snapshots: The chain's snapshots.
    ///   - done: The backups that there are.
    /// - Returns: The plan, if there is one, and what a person may want to know.
    /// - Throws: `VolumeError`.
    func begunPlan(
        _ snapshots: ChainSnapshots,
        done: Set<String>
    ) async throws(VolumeError) -> (plan: BackupPlan?, notes: [String]) {
        var found: BackupPlan?
        var notes: [String] = []
        let all = try await store.destination.keys(below: keys.partials)
        for backup in Set(all.compactMap { $0.behind(keys.partials)?.parts(at: "/").first }).sorted() {
            guard !done.contains(backup), found == nil else {
                try await drop(backup, isDone: done.contains(backup))
                continue
            }
            if let plan = try await plan(of: backup), plan.imageID.isExactly(snapshots.imageID),
                let snapshot = try await snapshots.snapshot(of: backup), snapshot.id == plan.snapshotID,
                plan.parent.map(done.contains) ?? true
            {
                if isFull, plan.parent != nil {
                    notes.append(
                        "backup \(backup) was begun and would read changes alone; it was dropped for a full one"
                    )
                    try await drop(backup)
                    continue
                }
                found = plan
                continue
            }
            notes.append(
                "backup \(backup) was begun and cannot go on, for its snapshot or its plan is gone; it was dropped"
            )
            try await drop(backup)
        }
        return (found, notes)
    }

    private func plan(of backup: String) async throws(VolumeError) -> BackupPlan? {
        let found: [UInt8]?
        do throws(VolumeError) {
            found = try await store.readingOne(of: keys) { () async throws(VolumeError) in
                try await store.destination.bytes(of: keys.plan(backup))
            }
        } catch {
            guard error.code == .dataLoss else { throw error }
            return nil
        }
        guard let bytes = found,
            let object = try? Chunk.content(of: bytes, named: nil, most: Chunk.mostMapBytes),
            let plan = try? BackupPlan(parsing: object), plan.backup.isExactly(backup)
        else { return nil }
        return plan
    }

    /// Forgets what was written down of a backup; the chunks of one that did not come to its end go with the next prune.
    func drop(_ backup: String, isDone: Bool = false) async throws(VolumeError) {
        let plan = keys.plan(backup)
        let destination = store.destination
        let marks = try await destination.keys(below: "\(keys.partials)\(backup)/").filter { !$0.isExactly(plan) }
        if isDone {
            try await destination.remove(keys.discarded(backup))
        } else {
            try await store.discard(chunksOf: backup, marks, of: image.id)
        }
        // The plan goes last: what lacks it is no backup that was begun.
        _ = try await atOnce(marks, width: 8) { (key) async throws(VolumeError) in
            try await destination.remove(key)
        }
        try await destination.remove(plan)
    }

    /// Drops a plan that cannot come to an end, as what it goes on from is damaged: a repetition begins another one.
    func giveUp(_ plan: BackupPlan, _ lock: any DestinationLock) async throws(VolumeError) {
        try await lock.check()
        try await drop(plan.backup)
    }

    /// Takes the snapshot, and writes down what is to be read.
    func makePlan(
        _ snapshots: ChainSnapshots,
        _ last: Manifest?,
        _ isUndamaged: Bool
    ) async throws(VolumeError) -> BackupPlan {
        let backup = Self.newID()
        progress.enter("taking a snapshot")
        let snapshot = try await snapshots.make(backup)
        let reason = try await reasonForFull(snapshots, last, isUndamaged)
        let since = reason == nil ? last.map(\.snapshot) : nil
        let id = snapshots.imageID
        progress.enter("looking for what has changed")
        let changes = try await image.blocking("look for changes of image") { (context) throws(RBDError) in
            let open = try Image.open(id: id, at: snapshot.name, in: context, access: .readOnly)
            defer { open.close() }
            return try ImageChanges(of: open, since: since, sizeBytes: snapshot.sizeBytes)
        }
        let plan = BackupPlan(
            backup: backup,
            imageID: id,
            snapshotID: snapshot.id,
            sizeBytes: snapshot.sizeBytes,
            created: Timestamp.text(snapshot.created, hasMicroseconds: true),
            parent: reason == nil ? last?.id : nil,
            reason: reason,
            extents: changes.extents,
            holes: changes.holes
        )
        try await store.destination.put(Chunk.object(of: plan.bytes), as: keys.plan(backup))
        return plan
    }

    /// A map of more parts is not gone on from: with them its bytes stay far from the most that can be read.
    private static let mostParts = 16 << 20

    /// Why the whole image has to be read; `nil` if the last backup can be gone on from.
    private func reasonForFull(
        _ snapshots: ChainSnapshots,
        _ last: Manifest?,
        _ isUndamaged: Bool
    ) async throws(VolumeError) -> String? {
        guard !isFull else { return "it was asked for" }
        guard let last else {
            return isUndamaged ? "it is the first" : "the manifests of those before are damaged"
        }
        guard last.imageID.isExactly(snapshots.imageID) else {
            return "the volume has another image than when backup \(last.id) was made"
        }
        guard last.chain.isExactly(snapshots.chain) else {
            return "'\(keys.chain)' was lost, so the snapshot of backup \(last.id) is not known any more"
        }
        guard let snapshot = try await snapshots.snapshot(of: last.id), snapshot.id == last.snapshotID else {
            return "the snapshot '\(last.snapshot)' of backup \(last.id) is gone from the image"
        }
        do throws(VolumeError) {
            let map = try await map(of: last)
            guard map.extents.count <= Self.mostParts else {
                return "backup \(last.id) lies in \(map.extents.count) parts, which a full one puts together"
            }
            let there = try await store.chunks(keys)
            let lost = map.chunks.count { !there.contains($0.digest) }
            return lost == 0 ? nil : "\(lost) chunks that backup \(last.id) needs are gone from '\(store.name)'"
        } catch {
            guard error.code == .dataLoss else { throw error }
            return "of backup \(last.id), \(error.message)"
        }
    }

    /// The map of the backup that a plan goes on from; an empty one for a full backup.
    func parent(of plan: BackupPlan, in listing: BackupStore.Listing) async throws(VolumeError) -> BlockMap {
        guard let id = plan.parent, let manifest = listing.backups.first(where: { $0.id.isExactly(id) }) else {
            return BlockMap(sizeBytes: plan.sizeBytes)
        }
        return try await map(of: manifest)
    }

    private func map(of manifest: Manifest) async throws(VolumeError) -> BlockMap {
        try await store.readingOne(of: keys) { () async throws(VolumeError) in try await store.map(of: manifest) }
    }
}
