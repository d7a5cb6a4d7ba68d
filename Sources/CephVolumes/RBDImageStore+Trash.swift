internal import RADOS
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

extension RBDImageStore {
    /// Moves an image to the trash unless someone has it open.
    ///
    /// The move itself does not mind another client that is writing to the image. So its watchers are read before, which
    /// spares a live image the move, and again after it, when the name is gone and nobody can open it any more: who came
    /// in between is seen then, and the image is put back.
    public func trashImage(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) {
        let place = try await place(of: id, as: credentials)
        // What is mended may turn out to be an image, and then is one to delete.
        for _ in 0..<4 {
            enter(VolumeStep.lookingUp, id.imageSpec)
            // Not from memory: the image may have been renamed to be kept.
            let imageID = try await place.trying("look up image") { () async throws(RBDError) in
                try await place.context.imageID(named: id.image)
            }
            if ids[id] != imageID { ids.forget(id) }
            guard let imageID else {
                guard try await mendListing(place) else { return }
                continue
            }
            enter(VolumeStep.checkingUse, id.imageSpec)
            guard try await refuseIfInUse(place, imageID) else {
                enter(VolumeStep.mendingImage, id.imageSpec)
                try await mendImage(id, credentials: credentials)
                continue
            }
            try await mark(place, imageID)
            enter(VolumeStep.movingToTrash, id.imageSpec)
            try await move(place, imageID)
            enter(VolumeStep.recheckingUse, id.imageSpec)
            try await undoIfInUse(place, imageID)
            ids.forget(id)
            purger.add(imageID, named: id.image, of: place)
            return
        }
        throw VolumeError(
            .aborted,
            "cannot delete image '\(id.imageSpec)': it appears and disappears, another program works on it; retry later"
        )
    }

    /// Whether there is a header; throws when someone else watches it.
    private func refuseIfInUse(_ place: Place, _ imageID: String) async throws(VolumeError) -> Bool {
        guard let watchers = try await watchers(place, imageID) else { return false }
        guard watchers.isEmpty else {
            await lingering.note(watchers, of: imageID, in: place.context, on: place.link.threads)
            throw Self.inUse(place.id, watchers)
        }
        return true
    }

    /// Says on the image that it is ours, unless a create of this process did: one that was killed did not get there, and
    /// without it nobody would take the image out of the trash if we were killed as well.
    private func mark(_ place: Place, _ imageID: String) async throws(VolumeError) {
        guard !ids.isMarked(imageID, of: place.id) else { return }
        try await place.trying("mark image") { () async throws(RBDError) in
            let key = ImageMetadataKey.requestName
            guard let metadata = try await place.context.metadata(ofImageID: imageID), metadata[key] == nil else {
                return
            }
            try await place.context.setMetadata([key: place.id.image], ofImageID: imageID)
        }
    }

    /// Moves the image: a plain one by four short calls, also from where a kill left them; any other, and one whose
    /// restoration was killed, through librbd; twice when it has a name that the pool's directory does not list, and librbd does not see it.
    private func move(_ place: Place, _ imageID: String) async throws(VolumeError) {
        let image = place.id.image
        let isMovedUnopened = try await place.trying("move to the trash image") { () async throws(RBDError) in
            guard place.allows(objectCalls) else { return false }
            return try await place.context.moveToTrash(image, unopenedWithID: imageID)
        }
        guard !isMovedUnopened else { return }
        for _ in 0..<2 {
            let isMoved = try await place.blocking("move to the trash image") { (context) throws(RBDError) in
                try Self.move(image, imageID, context)
            }
            guard !isMoved else { return }
            let named = try await place.trying("look up image") { () async throws(RBDError) in
                try await place.context.imageID(named: image)
            }
            // Another process was faster; its image is where ours should be.
            guard named == imageID else { return }
            try await mendImage(place.id, credentials: place.credentials)
        }
    }

    /// Whether there was such an image.
    private static func move(_ image: String, _ imageID: String, _ context: IOContext) throws(RBDError) -> Bool {
        do throws(RBDError) {
            try context.moveToTrash(image)
            return true
        } catch {
            switch error.code {
            case .noSuchFileOrDirectory:
                return false
            case .staleNFSFileHandle:
                // Its restoration from the trash was killed just before the end.
                try context.restoreFromTrash(id: imageID, as: image)
                try context.moveToTrash(image)
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
            try await place.blocking("restore from the trash image") { (context) throws(RBDError) in
                try context.restoreFromTrash(id: imageID, as: place.id.image)
            }
        } catch {
            // Whom we saw may be another process of ours that empties the trash, by now or when it began with it.
            guard try await self.watchers(place, imageID) != nil else { return }
            let record = try await place.trying("look in the trash for image") { () async throws(RBDError) in
                try await place.context.trashRecord(ofID: imageID)
            }
            guard record?.state != .removing else { return }
            // Without an entry, another process has restored it.
            guard error.code == .notFound else { throw error }
        }
        throw Self.inUse(place.id, watchers)
    }

    /// Takes an entry out of the directory that leads nowhere: a killed create left it; returns whether there was one.
    private func mendListing(_ place: Place) async throws(VolumeError) -> Bool {
        let isListed = try await place.trying("look up image") { () async throws(RBDError) in
            try await place.context.directoryHolds(place.id.image)
        }
        guard isListed else { return false }
        enter(VolumeStep.mendingImage, place.id.imageSpec)
        try await mendImage(place.id, credentials: place.credentials)
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

    private static func inUse(_ id: VolumeID, _ watchers: [Watcher]) -> VolumeError {
        let who = watchers.map(\.description).joined(separator: ", ")
        return VolumeError(
            .failedPrecondition,
            "cannot delete image '\(id.imageSpec)': \(who) has it open; unmap it there first"
                + " (if that client is dead, Ceph forgets it within minutes)"
        )
    }
}
