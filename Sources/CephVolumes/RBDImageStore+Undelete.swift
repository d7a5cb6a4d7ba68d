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
    /// The deleted volumes of a pool whose removal has not begun, in the order of their ids.
    ///
    /// One whose restoration was killed is among them, for as long as its entry is in the trash.
    public func deletedVolumes(
        clusterID: String,
        pool: String,
        credentials: Credentials
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
