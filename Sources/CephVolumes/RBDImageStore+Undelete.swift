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

extension RBDImageStore {
    /// The deleted volumes whose removal has not begun, pool by pool in the order of their ids.
    ///
    /// One whose restoration was killed is among them, for as long as its entry is in the trash.
    ///
    /// - Parameters:
    ///   - clusterID: The cluster's key in config.json; `nil` for all.
    ///   - pool: The pool; `nil` for all that this user may read.
    ///   - credentials: As whom the trash is read.
    /// - Returns: The volumes.
    /// - Throws: `VolumeError`, with `.invalidArgument` for a pool that no cluster has.
    public func deletedVolumes(
        clusterID: String?,
        pool: String?,
        credentials: Credentials
    ) async throws(VolumeError) -> [DeletedVolume] {
        var found: [DeletedVolume] = []
        var isThere = false
        var known: [String] = []
        for cluster in clusterID.map({ [$0] }) ?? configuration.clusters.map(\.clusterID) {
            let pools = try await pools(of: cluster, as: credentials)
            known += pools
            for name in pools where pool?.isExactly(name) ?? true {
                isThere = true
                do throws(VolumeError) {
                    found += try await deletedVolumes(in: name, ofCluster: cluster, credentials)
                } catch {
                    // Pools of other applications, which this user may not read, hold no volumes of Nacre's.
                    guard pool == nil, error.code == .permissionDenied else { throw error }
                }
            }
        }
        if let pool, !isThere {
            let names = Set(known.map(ExactText.init)).sorted().map(\.text).joined(separator: ", ")
            throw .invalid("there is no pool '\(pool.printable)'; there are \(names.isEmpty ? "none" : names)")
        }
        return found
    }

    private func deletedVolumes(
        in pool: String,
        ofCluster clusterID: String,
        _ credentials: Credentials
    ) async throws(VolumeError) -> [DeletedVolume] {
        let namespace = try configuration.cluster(clusterID).radosNamespace
        let anchor = try VolumeID(clusterID: clusterID, pool: pool, namespace: namespace, image: "trash")
        let place = try await place(of: anchor, as: credentials)
        return try await place.trying("read the trash of") { () async throws(RBDError) in
            var found: [DeletedVolume] = []
            for entry in try await trash(of: place) where entry.state == .normal || entry.state == .restoring {
                guard
                    let marks = try await place.context.metadata(ofImageID: entry.id, prefix: ImageMetadataKey.prefix),
                    let mark = marks[ImageMetadataKey.trashed].flatMap(TrashMark.init), mark.covers(entry),
                    let there = try? place.sibling(entry.name)
                else { continue }
                found.append(
                    DeletedVolume(
                        id: there.id,
                        imageID: entry.id,
                        deletedAt: entry.deletedAt,
                        keptUntil: entry.deferredUntil,
                        metadata: marks
                    )
                )
            }
            return found
        }
    }

    /// Restores a deleted volume's image from the trash under its old name, with all its data.
    ///
    /// - Throws: `.alreadyExists` if another image has the name by now, `.failedPrecondition` when its removal has
    ///   begun, `.notFound` when it is gone.
    public func undelete(_ volume: DeletedVolume, credentials: Credentials) async throws(VolumeError) {
        let place = try await place(of: volume.id, as: credentials)
        // With our own id it is a restoration that was killed; librbd completes it.
        let present = try await imageID(place)
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
