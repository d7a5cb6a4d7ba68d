internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Timestamps
internal import Volumes

/// What killed clones left: an image under the clone's name, the mark beside it, a snapshot of the source.
extension ImageTrash {
    /// Moves to the trash what a killed clone left under the name, if it is no volume yet; returns whether there was such.
    ///
    /// It gets no mark of a volume's: a kill here leaves what there was, or an image in the trash that is Nacre's by its
    /// entry.
    ///
    /// - Parameters:
    ///   - place: The clone.
    ///   - doing: What is refused where nobody can prove that the image is what was left: `delete image`.
    ///   - imageID: The image's id.
    ///   - marks: Nacre's metadata of it.
    /// - Returns: Whether there was such an image.
    /// - Throws: `VolumeError` with `.failedPrecondition` for an image that has the mark of a clone beside it, and that a
    ///   person may have made, named or changed.
    func discardHalfMadeClone(
        _ place: Place,
        _ doing: String,
        _ imageID: String,
        _ marks: [String: String]
    ) async throws(VolumeError) -> Bool {
        guard !ImageOrigin(marks, of: place.id).isOurs, let begun = try await place.begun(.cloning) else {
            return false
        }
        if let doubt = try await place.doubt(imageID, begun) {
            // It may be what a killed create left, which has a mark of its own, and is judged by that.
            if try await place.isBegun(.making) { return false }
            throw place.unproven(doing, begun, doubt)
        }
        let makers = begun.makers(of: imageID)
        var others = try await lastingWatchers(place, imageID) ?? []
        others.removeAll { watcher in makers.contains { $0.clientID == watcher.clientID } }
        guard others.isEmpty else {
            throw place.unproven(doing, begun, "\(others.map(\.description).joined(separator: ", ")) has it open")
        }
        if let data = try await halfMade.lostData(place, imageID) {
            throw place.unproven(doing, begun, "it has data, such as \(data.object.printable)")
        }
        enter(SnapshotStep.removingHalfClone, place.id.imageSpec)
        let mark = try await place.remark(imageID, at: .sinceEpoch)
        try await move(place, imageID, mark, keptFor: .zero, nil)
        ids.forget(place.id)
        // Its maker may have marked it between the looks, and have found the name still: then it is a volume, and made.
        if let present = try await place.marks(imageID), ImageOrigin(present, of: place.id).isOurs {
            try await restore(place, imageID)
            return true
        }
        purger.add(TrashedImage(id: place.id, imageID: imageID, credentials: place.credentials))
        return true
    }

    /// Removes what the making of a deleted clone left, if that was killed at its very end and never repeated.
    func endClone(_ place: Place, _ marks: [String: String]) async throws(VolumeError) {
        guard let source = marks[ImageMetadataKey.source], let begun = try await place.begun(.cloning) else { return }
        try await endClone(place, begun, of: begun.sources + [source])
    }

    /// Removes what the making of a clone left of which there is no image.
    func endClone(_ place: Place) async throws(VolumeError) {
        guard let begun = try await place.begun(.cloning) else { return }
        try await endClone(place, begun, of: begun.sources)
    }

    /// Removes the snapshots that volumes got for a clone alone, and then its mark, which is all that tells of them.
    ///
    /// The mark stays where one of them may be there still, because this user may not remove it, or somebody holds its image:
    /// the next create or delete of the name tries again. No image of another maker is taken for a clone by it: see `doubt`.
    ///
    /// - Parameters:
    ///   - place: The clone.
    ///   - begun: Its mark, if there is one.
    ///   - sources: Handles of what was cloned; where one does not answer, this throws, so that the call is repeated.
    ///   - others: The same of what an earlier call cloned, for which nobody waits.
    /// - Throws: `VolumeError`.
    func endClone(
        _ place: Place,
        _ begun: BegunMark?,
        of sources: [String],
        and others: [String] = []
    ) async throws(VolumeError) {
        let name = RBDImageStore.snapshotName(forClone: place.id)
        let awaited = Set(sources.map { ExactText($0) })
        var isDone = true
        for source in awaited.union(others.map { ExactText($0) }).sorted() {
            guard let volume = try? VolumeID(parsing: source.text) else { continue }
            do throws(VolumeError) {
                let image = try await access.place(of: volume, as: place.credentials)
                // A source that was deleted since is kept, and its snapshot goes with the next look at the trash.
                guard let imageID = try await image.imageID() else { continue }
                try await image.removeCloneSnapshot(name, for: place.id, onImageID: imageID)
            } catch {
                // With its pool, the source's snapshot is gone, too.
                guard !error.isOfMissingPlace else { continue }
                guard !error.isSilence || !awaited.contains(source) else { throw error }
                isDone = false
            }
        }
        if let begun, isDone { try await place.end(begun.kind) }
    }
}
