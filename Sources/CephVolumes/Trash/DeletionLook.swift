internal import ExactText
internal import RADOS
internal import RBD
internal import Volumes

/// What a delete reads of an image before it changes anything: all at once, because no read depends on another.
///
/// An error is thrown where its answer is needed: what is refused, and in which order, does not depend on which read was
/// answered first.
struct DeletionLook: Sendable {
    let imageID: String
    let marks: Result<[String: String]?, RBDError>
    let watchers: Result<[Watcher]?, VolumeError>
    let isUntied: Result<Bool?, RBDError>
    let name: Result<String?, RBDError>
    let entry: Result<TrashRecord?, RBDError>
    /// Whether a create's mark is beside it.
    let isMarked: Result<Bool, VolumeError>

    /// Whether nobody has the image open, and nothing holds it, and it has this name and no entry of the trash: then
    /// nothing has to be read again before it is moved.
    func isQuiet(_ image: String) -> Bool {
        guard case .success(let watchers?) = watchers, watchers.isEmpty, case .success(true) = isUntied,
            case .success(let name?) = name, name.isExactly(image), case .success(nil) = entry
        else { return false }
        return true
    }
}

extension ImageTrash {
    /// Looks up the image of a name, and looks at it.
    ///
    /// An image that this process remembers is looked at together with the name. That says nothing of the name: somebody
    /// may have renamed the image to keep it, so what was read of it counts only if the name still leads to it.
    ///
    /// - Parameter place: The image's pool.
    /// - Returns: What there is to know; `nil` if the name has no image.
    /// - Throws: `VolumeError` when Ceph does not tell the name's image.
    func look(_ place: Place) async throws(VolumeError) -> DeletionLook? {
        let remembered = ids[place.id]
        async let early = look(place, ifKnown: remembered)
        let imageID = try await place.imageID()
        if remembered != imageID { ids.forget(place.id) }
        guard let imageID else { return nil }
        enter(VolumeStep.checkingUse, place.id.imageSpec)
        if let early = await early, early.imageID.isExactly(imageID) { return early }
        return await look(place, imageID)
    }

    private func look(_ place: Place, ifKnown imageID: String?) async -> DeletionLook? {
        guard let imageID else { return nil }
        return await look(place, imageID)
    }

    private func look(_ place: Place, _ imageID: String) async -> DeletionLook {
        let context = place.context
        async let marks = caught { () async throws(RBDError) in
            try await context.metadata(ofImageID: imageID, prefix: ImageMetadataKey.prefix)
        }
        async let watchers = caught { () async throws(VolumeError) in try await self.watchers(place, imageID) }
        async let isUntied = caught { () async throws(RBDError) in try await context.isUntied(imageID: imageID) }
        async let name = caught { () async throws(RBDError) in try await context.imageName(ofID: imageID) }
        async let entry = caught { () async throws(RBDError) in try await context.trashRecord(ofID: imageID) }
        async let isMarked = caught { () async throws(VolumeError) in try await place.isBegun(.making) }
        return await DeletionLook(
            imageID: imageID,
            marks: marks,
            watchers: watchers,
            isUntied: isUntied,
            name: name,
            entry: entry,
            isMarked: isMarked
        )
    }
}
