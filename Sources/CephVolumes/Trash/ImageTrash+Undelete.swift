internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
public import Volumes

/// A deleted volume that can be had back.
public struct DeletedVolume: Sendable, Hashable {
    /// The handle that it had.
    public let id: VolumeID
    /// The image's id.
    public let imageID: String
    /// When it was deleted, since 1970.
    public let deletedAt: Duration
    /// Until when it is kept, since 1970; after that it may be removed at any time.
    public let keptUntil: Duration
    /// Nacre's metadata of the image.
    public let metadata: [String: String]
}

extension ImageTrash {
    /// The deleted volumes whose removal has not begun, pool by pool in the order of their ids.
    ///
    /// One whose restoration was killed is among them, for as long as its entry is in the trash.
    ///
    /// - Parameters:
    ///   - clusterID: The cluster's key in config.json; `nil` for all.
    ///   - pool: The pool; `nil` for all.
    ///   - credentials: As whom the trash is read.
    ///   - deadline: When reading ends; what was not read by then is told as what does not answer. No end without.
    /// - Returns: The volumes of each cluster that has a pool which was read, and why others may be missing: a cluster or
    ///   pool that does not answer, or that the user may not read, is a failure beside what the others have.
    /// - Throws: `VolumeError`, with `.invalidArgument` for a cluster that is not in config.json, and for a pool that no
    ///   cluster has.
    public func deletedVolumes(
        clusterID: String?,
        pool: String?,
        credentials: Credentials,
        until deadline: ContinuousClock.Instant? = nil
    ) async throws(VolumeError) -> [Result<[DeletedVolume], VolumeError>] {
        let clusters =
            if let clusterID { [try access.configuration.cluster(clusterID)] } else { access.configuration.clusters }
        let answers = await access.asking(clusters) { (cluster) throws(VolumeError) in
            try await self.trash(of: pool, ofCluster: cluster.clusterID, credentials, until: deadline)
        }
        let trashes = answers.compactMap { try? $0.get() }
        // A cluster that does not answer may have the pool.
        if let pool, trashes.count == answers.count { try PoolAccess.require(pool, among: trashes.flatMap(\.pools)) }
        return answers.flatMap { answer -> [Result<[DeletedVolume], VolumeError>] in
            switch answer {
            case .success(let trash):
                (trash.isRead ? [.success(trash.volumes)] : []) + trash.failures.map { .failure($0) }
            case .failure(let error): [.failure(error)]
            }
        }
    }

    /// What a cluster has in its trash.
    private struct ClusterTrash: Sendable {
        /// The cluster's pools.
        let pools: [String]
        var volumes: [DeletedVolume] = []
        /// Whether a pool's was read.
        var isRead = false
        /// Why not all pools were read.
        var failures: [VolumeError] = []
    }

    private func trash(
        of pool: String?,
        ofCluster clusterID: String,
        _ credentials: Credentials,
        until deadline: ContinuousClock.Instant?
    ) async throws(VolumeError) -> ClusterTrash {
        let cluster = try access.configuration.cluster(clusterID)
        var trash = ClusterTrash(pools: try await access.pools(of: clusterID, as: credentials))
        let wanted = trash.pools.filter { pool?.isExactly($0) ?? true }
        let answers = await access.atOnce(wanted) { (pool) throws(VolumeError) in
            await self.deletedVolumes(in: pool, of: cluster, credentials, until: deadline)
        }
        for found in answers.compactMap({ try? $0.get() }) {
            trash.isRead = trash.isRead || found.isRead
            trash.volumes += found.volumes
            trash.failures += found.failures
        }
        return trash
    }

    /// The deleted volumes of a pool, and why others may be missing.
    private struct PoolTrash: Sendable {
        /// Whether the trash, or a part of it, was read.
        let isRead: Bool
        let volumes: [DeletedVolume]
        let failures: [VolumeError]
    }

    private func deletedVolumes(
        in pool: String,
        of cluster: ClusterEntry,
        _ credentials: Credentials,
        until deadline: ContinuousClock.Instant?
    ) async -> PoolTrash {
        let list = await access.list(pool, of: cluster, as: credentials, until: deadline) {
            (place, last: TrashRecord?) throws(VolumeError) in
            do throws(RBDError) {
                return try await place.context.trashRecords(after: last?.id ?? "", limit: 1024)
            } catch {
                throw await place.failure("cannot read the trash of pool '\(pool)'", error)
            }
        }
        let failures = [list.failure].compactMap(\.self)
        guard let place = list.place else { return PoolTrash(isRead: false, volumes: [], failures: failures) }
        let entries = list.items.filter { $0.state == .normal || $0.state == .restoring }
        let images = entries.map { (name: $0.name, id: $0.id) }
        let read = await place.headers(of: images, "read the marks of deleted image", until: deadline) {
            (context, id) async throws(RBDError) in
            try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.prefix)
        }
        let byID = Dictionary(entries.map { ($0.id, $0) }) { $1 }
        let volumes = read.found.compactMap { image, marks -> DeletedVolume? in
            guard let marks, let entry = byID[image.id],
                let mark = marks[ImageMetadataKey.trashed].flatMap(TrashMark.init), mark.covers(entry),
                let there = try? place.sibling(entry.name)
            else { return nil }
            // One that was kept for its snapshots gets the name back that it had as a volume.
            let former = KeptMark.of(marks, there.id).flatMap { try? VolumeID(parsing: $0.volume) }
            return DeletedVolume(
                id: former ?? there.id,
                imageID: entry.id,
                deletedAt: entry.deletedAt,
                keptUntil: entry.deferredUntil,
                metadata: marks
            )
        }
        return PoolTrash(isRead: true, volumes: volumes, failures: read.failures + failures)
    }

    /// Restores a deleted volume's image from the trash under its old name, with all its data.
    ///
    /// - Throws: `.alreadyExists` if another image has the name by now, `.failedPrecondition` when its removal has
    ///   begun, `.notFound` when it is gone.
    public func undelete(_ volume: DeletedVolume, credentials: Credentials) async throws(VolumeError) {
        let place = try await access.place(of: volume.id, as: credentials)
        // With our own id it is a restoration that was killed; librbd completes it.
        let present = try await place.imageID()
        guard present == nil || present == volume.imageID else {
            throw VolumeError(
                .alreadyExists,
                "cannot undelete image '\(volume.id.imageSpec)': there is an image of that name; rename that one first"
            )
        }
        do throws(VolumeError) {
            try await restore(place, volume.imageID)
        } catch {
            let entry = try await place.trying("look in the trash for image") { () async throws(RBDError) in
                try await place.context.trashRecord(ofID: volume.imageID)
            }
            guard entry != nil || present == nil else {
                // It was complete but for the mark.
                return try await place.trying("unmark image") { () async throws(RBDError) in
                    try await place.context.removeMetadata(ImageMetadataKey.trashed, ofImageID: volume.imageID)
                }
            }
            guard entry?.state == .removing else { throw error }
            throw VolumeError(
                .failedPrecondition,
                "cannot undelete image '\(volume.id.imageSpec)': its removal has begun, and some of its data is gone"
            )
        }
    }
}
