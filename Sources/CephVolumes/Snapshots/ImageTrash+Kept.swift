internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Timestamps
internal import Volumes

/// Images of deleted volumes that are kept for their snapshots, or for clones.
extension ImageTrash {
    /// Renames the image of a volume that is deleted: its name is free, and its snapshots and clones stay.
    ///
    /// Its watchers are read again afterwards, when nobody can open it by its name any more: who came in between is seen
    /// then, and it gets its name back.
    func keep(_ place: Place, _ imageID: String, _ notes: [String: String]) async throws(VolumeError) {
        enter(SnapshotStep.keepingImage, place.id.imageSpec)
        let kept = try place.sibling(KeptMark.name(ofImageID: imageID))
        let mark = KeptMark(
            volume: place.id.description,
            image: kept.id.imageSpec,
            deletedAt: Duration.sinceEpoch.components.seconds,
            user: place.credentials.entityName
        )
        let metadata = notes.merging([ImageMetadataKey.kept: mark.text]) { $1 }
        try await place.trying("mark image") { () async throws(RBDError) in
            try await place.context.setMetadata(metadata, ofImageID: imageID)
        }
        try await place.trying("rename image") { () async throws(RBDError) in
            try await place.context.renameImage(place.id.image, id: imageID, to: kept.id.image)
        }
        enter(VolumeStep.recheckingUse, place.id.imageSpec)
        guard let watchers = try await lastingWatchers(place, imageID), !watchers.isEmpty else { return }
        try await place.trying("rename image") { () async throws(RBDError) in
            try await place.context.renameImage(kept.id.image, id: imageID, to: place.id.image)
            try await place.context.removeMetadata(ImageMetadataKey.kept, ofImageID: imageID)
        }
        throw await inUse(place, imageID, watchers)
    }

    /// Moves an image to the trash that was kept, if it has no snapshots and no clones any more; does nothing for any other.
    ///
    /// A name of that kind alone says nothing: the pool's directory lists an image by it once it is renamed.
    ///
    /// - Parameters:
    ///   - place: The image, by the name of one that is kept.
    ///   - imageID: Its id.
    /// - Throws: `VolumeError`.
    func releaseKept(_ place: Place, _ imageID: String) async throws(VolumeError) {
        guard try await place.imageID() == imageID, let marks = try await place.marks(imageID),
            KeptMark.of(marks, place.id) != nil
        else { return }
        try await removeLeftCloneSnapshots(place, imageID)
        // Most that are kept have some: who clones them need not be known for that.
        func read() async throws(VolumeError) -> [ImageSnapshot]? {
            try await place.trying("read the snapshots of image") { () async throws(RBDError) in
                try await place.context.snapshots(ofImageID: imageID)
            }
        }
        var snapshots = try await read()
        // One that came when the volume was deleted.
        if snapshots?.contains(where: \.isOfBackup) == true {
            try await place.removeBackupSnapshots(onImageID: imageID)
            snapshots = try await read()
        }
        if snapshots?.contains(where: { $0.kind == .trash }) == true {
            try await place.trying("remove clones that were never made from the snapshots of image") {
                () async throws(RBDError) in
                try await place.context.forgetUnmadeClones(ofImageID: imageID)
            }
        }
        guard let snapshots, snapshots.allSatisfy({ $0.kind == .mirror }) else { return }
        let ties = try await place.trying("read the snapshots of image") { () async throws(RBDError) in
            try await place.context.ties(ofImageID: imageID)
        }
        guard let ties, ties.isEmpty, let watchers = try await watchers(place, imageID), watchers.isEmpty else {
            return
        }
        // Where a delete was killed before its renaming was done, the image is the volume's still, and has its name.
        let listed = try await place.trying("look up the name of image") { () async throws(RBDError) in
            try await place.context.imageName(ofID: imageID)
        }
        guard listed?.isExactly(place.id.image) == true else { return }
        var kept = try place.retention(marks) ?? retention
        if kept > .zero { kept += await lag(place, imageID) }
        let mark = try await place.remark(imageID, at: .sinceEpoch)
        try await move(place, imageID, mark, keptFor: kept, marks[ImageMetadataKey.trashed])
        access.note(place)
        if kept <= .zero {
            purger.add(TrashedImage(id: place.id, imageID: imageID, credentials: place.credentials))
        }
    }

    /// Removes snapshots that were there for clones which are made by now, or were given up.
    private func removeLeftCloneSnapshots(_ place: Place, _ imageID: String) async throws(VolumeError) {
        let notes = try await place.snapshotNotes(onImageID: imageID)
        for (name, notes) in notes {
            guard let target = notes.target.flatMap({ try? VolumeID(parsing: $0) }) else { continue }
            do throws(VolumeError) {
                let clone = try await access.place(of: target, as: place.credentials)
                // One that is being made.
                if try await clone.isBegun(.cloning), try await !isGivenUp(clone, name.text, place, imageID) {
                    continue
                }
            } catch {
                // In a pool that is gone nobody makes it any more; what this user may not look at is left to another.
                guard error.isOfMissingPlace || error.code == .permissionDenied else { throw error }
                guard error.isOfMissingPlace else { continue }
            }
            try await place.removeCloneSnapshot(name.text, for: target, onImageID: imageID)
        }
    }

    /// Whether no making of a clone needs its snapshot any more: the clone is a volume by now, whose mark was left, or the
    /// making was killed long ago, and nothing came of it.
    ///
    /// Nobody can repeat it: a volume is cloned by its name, and its image is one that is kept, which has lost it.
    private func isGivenUp(
        _ clone: Place,
        _ snapshot: String,
        _ place: Place,
        _ imageID: String
    ) async throws(VolumeError) -> Bool {
        if let cloneID = try await clone.imageID(), let marks = try await clone.marks(cloneID) {
            return ImageOrigin(marks, of: clone.id).isOurs
        }
        let all = try await place.trying("read the snapshots of image") { () async throws(RBDError) in
            try await place.context.snapshots(ofImageID: imageID)
        }
        guard let made = all?.first(where: { $0.kind == .user && $0.name.isExactly(snapshot) }) else { return false }
        return Duration.sinceEpoch - made.created > Self.longestCloning
    }

    /// No clone is made for longer.
    private static let longestCloning = Duration.seconds(86_400)

    /// Removes what a killed renaming of a volume that was to be kept has left: the name that it was to get.
    ///
    /// The image is in the trash by now, where nobody renames it.
    func forgetKeptName(_ place: Place, _ imageID: String, _ marks: [String: String]) async throws(VolumeError) {
        guard marks[ImageMetadataKey.kept] != nil else { return }
        try await place.trying("forget the name of image") { () async throws(RBDError) in
            try await place.context.takeBackRenaming(to: KeptMark.name(ofImageID: imageID), id: imageID)
        }
    }

    /// Looks through the images of a pool that are kept, and moves those to the trash that nothing needs any more.
    ///
    /// One that cannot be released does not hold up the others; the first such is told.
    ///
    /// - Parameters:
    ///   - place: The pool.
    ///   - look: Where those that are kept on are counted.
    /// - Throws: `VolumeError` when the pool cannot be read.
    func releaseKept(in place: Place, _ look: inout TrashLook) async throws(VolumeError) {
        var last = KeptMark.namePrefix
        var isTold = false
        while true {
            let after = last
            let page = try await place.trying("list the images kept for their snapshots in the pool of") {
                () async throws(RBDError) in
                try await place.context.images(after: after, limit: 64)
            }
            let kept = page.filter { $0.name.isExactly(KeptMark.name(ofImageID: $0.id)) }
            for image in kept {
                do throws(VolumeError) {
                    let there = try place.sibling(image.name)
                    try await releaseKept(there, image.id)
                    if try await there.imageID() == image.id { look.keptForSnapshots += 1 }
                } catch {
                    // A cluster that is silent is not asked for each.
                    guard !error.isSilence else { throw error }
                    look.keptForSnapshots += 1
                    if !isTold { look.failures.append(error.message) }
                    isTold = true
                }
            }
            guard let end = page.last?.name, page.allSatisfy({ $0.name.startsExactly(with: KeptMark.namePrefix) })
            else {
                return
            }
            last = end
        }
    }

    /// Who else has the image open, and not just for a moment; nothing when it has no header.
    ///
    /// Who removes a clone opens the image that it was made from, too, and closes it soon. Of such nothing is written down on
    /// the image, as a node writes it.
    func lastingWatchers(_ place: Place, _ imageID: String) async throws(VolumeError) -> [Watcher]? {
        for _ in 0..<6 {
            guard let found = try await watchers(place, imageID) else { return nil }
            guard !found.isEmpty else { return found }
            let clients = try await place.trying("read who has image") { () async throws(RBDError) in
                try await place.context.clients(ofImageID: imageID)?.clients ?? []
            }
            guard clients.allSatisfy({ $0.record == nil }) else { return found }
            try? await Task.sleep(for: .milliseconds(250))
        }
        return try await watchers(place, imageID)
    }
}

extension Place {
    /// Whether the image has snapshots of Nacre's, or clones of such, and nothing else that holds it.
    ///
    /// - Throws: `VolumeError` with `.failedPrecondition` where something else holds it: see `ImageTies`.
    func mustBeKept(_ doing: String, _ imageID: String) async throws(VolumeError) -> Bool {
        let ties = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.ties(ofImageID: imageID)
        }
        guard let ties, !ties.isEmpty else { return false }
        if try await hasOnlyOwnTies(ties, imageID) { return true }
        let image = id.imageSpec.shellWord
        guard let words = ties.words(of: image, named: image) else { return false }
        throw VolumeError(.failedPrecondition, "cannot \(doing) '\(id.imageSpec)': \(words)")
    }

    /// Whether all that holds the image is Nacre's: its snapshots, and what clones of them still need.
    func hasOnlyOwnTies(_ ties: ImageTies, _ imageID: String) async throws(VolumeError) -> Bool {
        guard !ties.hasGroupSnapshots, ties.group == nil, ties.protectedSnapshots.isEmpty else { return false }
        let all = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.snapshots(ofImageID: imageID)
        }
        let notes = try await snapshotNotes(onImageID: imageID)
        let backups = try await trying("read the marks of image") { () async throws(RBDError) in
            try await context.metadata(ofImageID: imageID, prefix: ImageMetadataKey.backupPrefix)
        }
        return (all ?? []).allSatisfy { snapshot in
            switch snapshot.kind {
            case .user:
                notes[ExactText(snapshot.name)] != nil || snapshot.isOfBackup
                    || snapshot.name.startsExactly(with: ImageName.backupPrefix)
                        && backups?[ImageMetadataKey.backupPrefix + snapshot.name] != nil
            case .trash:
                [ImageName.snapshotPrefix, ImageName.clonePrefix].contains {
                    snapshot.formerName?.startsExactly(with: $0) == true
                }
            case .mirror: true
            case .group, .other: false
            }
        }
    }
}
