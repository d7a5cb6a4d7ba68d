internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Timestamps
internal import Volumes

/// The trash of the pools: images of ours go there, come back, and are handed to whoever removes them.
public struct ImageTrash: Sendable {
    let access: PoolAccess
    let ids: ImageIDs
    let halfMade: HalfMadeImages
    let purger: TrashPurger
    let objectCalls: ObjectCalls
    /// How long a deleted image stays in the trash, unless its own metadata says otherwise.
    let retention: Duration
    let lingering: LingeringWatches
    /// Who flattens clones that lie below too many others; nobody in a process that ends soon.
    let flattener: CloneFlattener?

    /// Moves an image of ours to the trash unless someone has it open, or Ceph could not remove it there.
    ///
    /// The move itself does not mind another client that is writing to the image. So its watchers are read before, which
    /// spares a live image the move, and again after it, when the name is gone and nobody can open it any more: who came
    /// in between is seen then, and the image is put back.
    func trashImage(
        _ id: VolumeID,
        noting notes: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) {
        let place = try await access.place(of: id, as: credentials)
        var isMoved = false
        // What is mended may turn out to be an image, and then is one to delete.
        for _ in 0..<4 {
            enter(VolumeStep.lookingUp, id.imageSpec)
            guard let look = try await look(place) else {
                guard try await mendListing(place, notes) else { return access.note(place) }
                continue
            }
            // One that has the name after the volume's image went was made since, and is not this call's to delete.
            guard !isMoved else { return access.note(place) }
            let imageID = look.imageID
            let found = try await place.trying("read the marks of image") { () async throws(RBDError) in
                try look.marks.get()
            }
            if let found, try await discardHalfMadeClone(place, "delete image", imageID, found) { continue }
            guard let marks = found, let isNeeded = try await refuseIfNotOursOrHeld(place, look, marks) else {
                enter(VolumeStep.mendingImage, id.imageSpec)
                try await halfMade.mend(id, credentials: credentials, isDeletion: true, noting: notes)
                continue
            }
            // A create was killed at its very end, and the image had its marks. No later one of the name is what it left.
            if case .success(true) = look.isMarked { try await place.end(.making) }
            // An image that somebody was renaming, to keep it, is not the volume's any more.
            let isQuiet = look.isQuiet(id.image)
            if !isQuiet {
                let isRenamed = try await place.trying("look up image") { () async throws(RBDError) in
                    try await place.context.endRenaming(of: id.image, id: imageID)
                }
                guard !isRenamed else { continue }
            }
            if isNeeded {
                try await keep(place, imageID, notes)
                ids.forget(id)
                access.note(place)
                return try await endClone(place, marks)
            }
            let asked = try place.retention(marks) ?? self.retention
            async let behind = asked > .zero ? lag(place, imageID) : .zero
            // A killed move has left one, whose time the mark must have.
            let entry = isQuiet && asked == .zero ? nil : try await entry(place, imageID)
            let kept = await asked + behind
            let mark = try await place.remark(
                imageID,
                at: entry?.deletedAt ?? .sinceEpoch,
                isMoving: false,
                kept > .zero ? notes : [:]
            )
            enter(VolumeStep.movingToTrash, id.imageSpec)
            let leavesNamesake = try await move(place, imageID, mark, keptFor: kept, marks[ImageMetadataKey.trashed])
            enter(VolumeStep.recheckingUse, id.imageSpec)
            try await undoIfInUse(place, imageID)
            ids.forget(id)
            // What must be kept is found when it is due.
            if kept <= .zero { purger.add(TrashedImage(id: id, imageID: imageID, credentials: credentials)) }
            try await forgetKeptName(place, imageID, marks)
            try await endClone(place, marks)
            // Another image that lost the name to a killed delete is listed by it still: it is the volume's, too.
            guard leavesNamesake else { return access.note(place) }
            isMoved = true
        }
        throw VolumeError(
            .aborted,
            "cannot delete image '\(id.imageSpec)': it appears and disappears, another program works on it; retry later"
        )
    }

    /// Whether snapshots of Nacre's need the image, if there is a header; throws when the image is not ours, someone else
    /// watches it, or it could never leave the trash.
    private func refuseIfNotOursOrHeld(
        _ place: Place,
        _ look: DeletionLook,
        _ marks: [String: String]
    ) async throws(VolumeError) -> Bool? {
        let imageID = look.imageID
        try await place.requireOurs("delete image", imageID, marks)
        flattener?.giveUp(place.id)
        guard let seen = try look.watchers.get() else { return nil }
        if seen.isEmpty, case .success(true) = look.isUntied { return false }
        // Who is seen may go soon, and what holds the image is read after that.
        guard let watchers = seen.isEmpty ? seen : try await lastingWatchers(place, imageID) else { return nil }
        guard watchers.isEmpty else {
            lingering.note(watchers, of: imageID, in: place.context, on: place.link.waitingThreads)
            throw await inUse(place, imageID, watchers)
        }
        // First all that refuses the delete: a volume that stays needs the snapshots for its next backup.
        guard try await place.mustBeKept("delete image", imageID) else { return false }
        try await place.removeBackupSnapshots(onImageID: imageID)
        return try await place.mustBeKept("delete image", imageID)
    }

    /// How far this machine's clock is behind the cluster's: by it the image would be kept for less than it is to be.
    ///
    /// Nothing where that cannot be told: no delete fails for want of it.
    func lag(_ place: Place, _ imageID: String) async -> Duration {
        guard let time = try? await place.context.storageTime(byHeaderOf: imageID) else { return .zero }
        return max(.zero, time - .sinceEpoch)
    }

    /// Gives the mark the time of the entry, which librbd chose, or another process that deletes the same volume.
    private func complete(_ place: Place, _ imageID: String) async throws(VolumeError) {
        guard let entry = try await entry(place, imageID) else { return }
        _ = try await place.remark(imageID, at: entry.deletedAt)
    }

    private func entry(_ place: Place, _ imageID: String) async throws(VolumeError) -> TrashRecord? {
        try await place.trying("look in the trash for image") { () async throws(RBDError) in
            try await place.context.trashRecord(ofID: imageID)
        }
    }

    /// Moves the image: a plain one by four short calls, also from where a kill left them; any other, and one whose
    /// restoration was killed, through librbd; twice when it has a name that the pool's directory does not list, and librbd
    /// does not see it.
    ///
    /// A move that was not made gives the image the mark that it had before, if any.
    ///
    /// - Returns: Whether the pool's directory still lists the name, for another image.
    @discardableResult
    func move(
        _ place: Place,
        _ imageID: String,
        _ mark: TrashMark,
        keptFor retention: Duration,
        _ before: String?
    ) async throws(VolumeError) -> Bool {
        let image = place.id.image
        do throws(VolumeError) {
            let move = try await place.trying("move to the trash image") { () async throws(RBDError) -> TrashMove? in
                guard place.allows(objectCalls) else { return nil }
                return try await place.context.moveToTrash(
                    image,
                    unopenedWithID: imageID,
                    at: mark.time,
                    keptFor: retention
                )
            }
            if let move {
                // Of two processes that delete it at once, one made the entry, and the other may have written the mark.
                if move.time != mark.time { _ = try await place.remark(imageID, at: move.time) }
                return move.leavesNamesake
            }
            try await place.refuseIfLockedByHand("delete image", imageID)
            try await listAnew(place, imageID)
        } catch {
            await withdraw(mark, place, imageID, before)
            throw error
        }
        for _ in 0..<2 {
            let isMoved = try await moveByLibrbd(place, imageID, keptFor: retention, before)
            guard !isMoved else {
                try await complete(place, imageID)
                return false
            }
            let named = try await place.trying("look up image") { () async throws(RBDError) in
                try await place.context.imageID(named: image)
            }
            // Another process was faster; its image is where ours should be.
            guard named == imageID else { return false }
            try await halfMade.mend(place.id, credentials: place.credentials, isDeletion: true)
        }
        return false
    }

    /// Lists an image whose name is listed with the id of one that lost it: librbd would leave that entry.
    private func listAnew(_ place: Place, _ imageID: String) async throws(VolumeError) {
        try await place.trying("list image") { () async throws(RBDError) in
            guard let listed = try await place.context.listedID(of: place.id.image), listed != imageID else { return }
            try await place.context.relistImage(place.id.image, id: imageID)
        }
    }

    /// Marks the image and has librbd move it; returns whether there was such an image.
    private func moveByLibrbd(
        _ place: Place,
        _ imageID: String,
        keptFor retention: Duration,
        _ before: String?
    ) async throws(VolumeError) -> Bool {
        // librbd writes the entry's time itself: what was written before may be long ago by then.
        let mark = try await place.remark(imageID, at: .sinceEpoch, isMoving: true)
        let image = place.id.image
        do throws(VolumeError) {
            let isMoved = try await place.waiting("move to the trash image") { (context) throws(RBDError) in
                try Self.move(image, imageID, context, retention)
            }
            if !isMoved { await withdraw(mark, place, imageID, before) }
            return isMoved
        } catch {
            await withdraw(mark, place, imageID, before)
            throw error
        }
    }

    /// Takes back the mark of a move that was not made, for the one that the image had before, if that was of a move that
    /// was made.
    ///
    /// With it, what a person moves to the trash soon after would count as moved by us, and be removed. It stays where a
    /// look is not answered, and where the entry is there: then the move was made. Another process' mark stays, too.
    private func withdraw(_ mark: TrashMark, _ place: Place, _ imageID: String, _ before: String?) async {
        guard let entry = try? await Optional.some(entry(place, imageID)), entry == nil else { return }
        // The mark of another move that was not made, or is under way and marks again, would do just that.
        let former = before.flatMap { TrashMark(parsing: $0)?.isMoving == true ? nil : $0 }
        _ = try? await place.blocking("unmark image") { (context) throws(RBDError) in
            try context.replaceMetadata(ImageMetadataKey.trashed, mark.text, with: former, ofImageID: imageID)
        }
    }

    /// Whether there was such an image.
    private static func move(
        _ image: String,
        _ imageID: String,
        _ context: IOContext,
        _ retention: Duration
    ) throws(RBDError) -> Bool {
        do throws(RBDError) {
            try context.moveToTrash(image, keptFor: retention)
            return true
        } catch {
            switch error.code {
            case .noSuchFileOrDirectory:
                return false
            case .staleNFSFileHandle:
                // Its restoration from the trash was killed just before the end.
                try context.restoreFromTrash(id: imageID, as: image)
                try context.moveToTrash(image, keptFor: retention)
                return true
            default:
                throw error
            }
        }
    }

    private func undoIfInUse(_ place: Place, _ imageID: String) async throws(VolumeError) {
        guard let watchers = try await watchers(place, imageID), !watchers.isEmpty else { return }
        enter(VolumeStep.restoringImage, place.id.imageSpec)
        do throws(VolumeError) {
            try await restore(place, imageID)
        } catch {
            // Whom we saw may be another process of ours that empties the trash, by now or when it began with it.
            guard try await self.watchers(place, imageID) != nil else { return }
            let record = try await entry(place, imageID)
            guard record?.state != .removing else { return }
            // Without an entry, another process has restored it.
            guard error.code == .notFound else { throw error }
        }
        throw await inUse(place, imageID, watchers)
    }

    /// Takes an image out of the trash under its name; it is nobody's to remove then.
    func restore(_ place: Place, _ imageID: String) async throws(VolumeError) {
        let name = place.id.image
        try await place.waiting("restore from the trash image") { (context) throws(RBDError) in
            try context.restoreFromTrash(id: imageID, as: name)
        }
        purger.forget(TrashedImage(id: place.id, imageID: imageID, credentials: place.credentials))
        // Last: without it, what could not be restored would stay in the trash for ever.
        try await place.trying("unmark image") { () async throws(RBDError) in
            try await place.context.removeMetadata(ImageMetadataKey.kept, ofImageID: imageID)
            try await place.context.removeMetadata(ImageMetadataKey.trashed, ofImageID: imageID)
        }
    }

    /// Takes an entry out of the directory that leads nowhere: a killed create left it; returns whether there was one.
    private func mendListing(_ place: Place, _ notes: [String: String]) async throws(VolumeError) -> Bool {
        let isListed = try await place.trying("look up image") { () async throws(RBDError) in
            try await place.context.directoryHolds(place.id.image)
        }
        guard isListed else {
            try await place.end(.making)
            try await endClone(place)
            return false
        }
        enter(VolumeStep.mendingImage, place.id.imageSpec)
        try await halfMade.mend(place.id, credentials: place.credentials, isDeletion: true, noting: notes)
        return true
    }

    /// Who else has the image open; nothing when it has no header.
    func watchers(_ place: Place, _ imageID: String) async throws(VolumeError) -> [Watcher]? {
        try await place.trying("read the watchers of image") { () async throws(RBDError) -> [Watcher]? in
            do throws(RADOSError) {
                let ours = place.context.cluster.instanceID
                let all = try await place.context.watchers(of: ImageObject.header(ofID: imageID))
                return all.filter { $0.clientID != ours }
            } catch {
                guard error.isNotFound else { throw RBDError(error) }
                return nil
            }
        }
    }

    /// The refusal that names who has the image open: by node and since when, where that is written down.
    func inUse(_ place: Place, _ imageID: String, _ watchers: [Watcher]) async -> VolumeError {
        let known = try? await place.trying("read who has image") { () async throws(RBDError) in
            try await place.context.clients(ofImageID: imageID)?.clients.filter { $0.record != nil } ?? []
        }
        let who = watchers.map { watcher in
            known?.first { $0.clientID == watcher.clientID || $0.address == watcher.address }?.description
                ?? watcher.description
        }
        return VolumeError(
            .failedPrecondition,
            "cannot delete image '\(place.id.imageSpec)': \(who.joined(separator: ", ")) has it open; unmap it there first"
                + " (if that client is dead, Ceph forgets it within minutes)"
        )
    }
}
