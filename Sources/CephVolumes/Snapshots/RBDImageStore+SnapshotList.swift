internal import ExactText
internal import RBD
internal import Synchronization
public import Volumes

extension RBDImageStore {
    /// A part of all snapshots, pool by pool: by the pools' indexes, and each as its image has it.
    public func snapshots(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> SnapshotList {
        // Without the service's own user nothing can be listed anywhere.
        _ = try access.service.read()
        var list = SnapshotList([], missing: cursor?.missing ?? [])
        let passedOver = list.missing
        let clusters = access.configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }
            .filter { cluster in
                cursor.map { ExactText(cluster.clusterID) >= ExactText($0.clusterID) } ?? true
                    && !passedOver.containsExactly(cluster.clusterID)
            }
        for cluster in clusters where list.snapshots.count < limit {
            let position = cursor.flatMap { cluster.clusterID.isExactly($0.clusterID) ? $0 : nil }
            do throws(VolumeError) {
                let pools = try await access.pools(of: cluster.clusterID).sortedExactly().filter { pool in
                    position.map { ExactText(pool) >= ExactText($0.pool) } ?? true
                        && !passedOver.containsExactly(MissingPlace(clusterID: cluster.clusterID, pool: pool).key)
                }
                for pool in pools where list.snapshots.count < limit {
                    let start = position.map { pool.isExactly($0.pool) ? $0.image : "" } ?? ""
                    await snapshots(of: pool, of: cluster, after: start, limit: limit, onto: &list)
                }
            } catch {
                note(error, of: MissingPlace(clusterID: cluster.clusterID), in: &list)
            }
        }
        guard list.snapshots.isEmpty, !list.missing.isEmpty else { return list }
        throw absence(of: list.missing, ofWhat: "snapshots")
    }

    private func note(_ error: VolumeError, of absence: MissingPlace, in list: inout SnapshotList) {
        absences.withLock { $0[ExactText(absence.key)] = error }
        list.missing.append(absence.key)
    }

    private func snapshots(
        of pool: String,
        of cluster: ClusterEntry,
        after start: String,
        limit: Int,
        onto list: inout SnapshotList
    ) async {
        var last = start
        do throws(VolumeError) {
            while list.snapshots.count < limit {
                let (after, wanted) = (last, min(256, limit - list.snapshots.count))
                let page = try await access.looking(into: pool, of: cluster) { (place) throws(VolumeError) in
                    try await self.page(of: place, after: after, limit: wanted)
                }
                guard let page, let end = page.last else { return }
                list.snapshots += page.found
                last = end
            }
        } catch {
            // What this user may not read is told by `refusedPools`, and no fault of the list.
            guard error.code != .permissionDenied else { return }
            note(error, of: MissingPlace(clusterID: cluster.clusterID, pool: pool), in: &list)
        }
    }

    /// A page of a pool's index, and what is there of it.
    private struct Page: Sendable {
        /// The last name of the page; `nil` behind the end.
        let last: String?
        let found: [Snapshot]
    }

    private func page(of place: Place, after name: String, limit: Int) async throws(VolumeError) -> Page {
        let names = try await place.trying("list the snapshots of pool of") { () async throws(RBDError) in
            try await place.context.names(after: name, in: .snapshots, limit: limit)
        }
        guard let last = names.last else { return Page(last: nil, found: []) }
        // Each image once, all at once: snapshots of one image stand anywhere in the order of names.
        let images = Set(names.map(\.id)).sorted()
        let answers = await access.atOnce(images) { (imageID) throws(VolumeError) in
            try await self.snapshots(onImageID: imageID, in: place)
        }
        var byName: [ExactText: Snapshot] = [:]
        for answer in answers {
            for snapshot in try answer.get() {
                byName[ExactText("\(snapshot.id.imageID)@\(snapshot.id.name)")] = snapshot
            }
        }
        let found = names.compactMap { byName[ExactText("\($0.id)@\($0.name)")] }
        return Page(last: last.name, found: found)
    }
}
