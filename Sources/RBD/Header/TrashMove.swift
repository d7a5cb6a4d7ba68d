public import RADOS
internal import SystemPackage
public import Timestamps

/// What a move to the trash came to.
public struct TrashMove: Sendable, Hashable {
    /// The deletion time that the entry has, since 1970; another process may have made it.
    public let time: Duration
    /// Whether the pool's directory still lists the name, with the id of another image that has lost it.
    ///
    /// That is left where a move of that image was killed after it took the name, and then a create after it gave the name to
    /// this one, and before it listed it. A name that leads to an image is no such: that image was made since.
    public let leavesNamesake: Bool
}

extension IOContext {
    /// Moves an image to the trash without opening it, if it is a plain image and no client holds its lock.
    ///
    /// `rbd_trash_move` opens the image, watches it, takes its lock and releases both again: 28 OSD operations, of
    /// which four move the image. This method sends only those four, in librbd's order. A kill in between leaves what a
    /// kill of librbd leaves, and librbd can complete it:
    ///
    /// | class call or removal | afterwards |
    /// | --- | --- |
    /// | `rbd.trash_add` | the entry says that it is being moved |
    /// | `rbd_id.NAME` is removed | the name has no image; the removal is conditional on this image's id, which librbd does not check |
    /// | `rbd.dir_remove_image` | the pool does not list it |
    /// | `rbd.trash_state_set` | the entry can be removed or restored |
    ///
    /// librbd does more for images that are not plain: it disables their mirroring, refuses them during a migration,
    /// and breaks a dead client's lock. For such images this method does nothing and returns `nil`. librbd also
    /// notifies rbd-mirror of the entry; rbd-mirror uses that only for its own entries.
    ///
    /// Like `rbd_trash_move` it also moves an image that another client has open: ask `watchers` first.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: Its id.
    ///   - now: The deletion time for the entry, since 1970.
    ///   - retention: How long the image cannot be removed without force.
    /// - Returns: When it was moved, and what the name leads to still; `nil` if nothing was done and librbd must move the image.
    /// - Throws: `RBDError` with `.resourceBusy` while the image is being restored; steps that were done stay done.
    public func moveToTrash(
        _ name: String,
        unopenedWithID id: String,
        at now: Duration = .sinceEpoch,
        keptFor retention: Duration = .zero
    ) async throws(RBDError) -> TrashMove? {
        guard try await isPlainAndUnlocked(id) else { return nil }
        // The second round is for an image that another process restored while this one was paused.
        for _ in 0..<2 {
            var isOurEntry = true
            var time = now
            var isNamesakeSought = false
            do throws(RADOSError) {
                // Allowed in a full pool: the first entry creates the object, and a delete frees space.
                let entry = trashAdd(name, id, .moving, at: now, keptFor: retention)
                try await execute(entry, on: ImageObject.trash, passesFull: true)
            } catch {
                guard error.isAlreadyThere else { throw RBDError(error) }
                // Another process was killed while moving it, or is moving it now; the next steps are the same for all.
                guard let record = try await trashRecord(ofID: id) else { return nil }
                // It has been moved meanwhile: librbd would find no image of that name.
                if record.state == .normal, try await imageID(named: name) != id {
                    return TrashMove(time: record.deletedAt, leavesNamesake: false)
                }
                guard record.state == .moving else { return nil }
                isOurEntry = false
                time = record.deletedAt
            }
            do throws(RADOSError) {
                let hadTheName = try await unname(name, id: id)
                if !hadTheName, try await isNamedOtherwise(id, than: name) {
                    // The image was renamed; an existing entry may be another process's, for the present name.
                    if isOurEntry { try await forgetTrash(id) }
                    return TrashMove(time: time, leavesNamesake: false)
                }
                let wasListed = try await unlistImage(name, id: id)
                if try await isNamedOtherwise(id, than: name) {
                    // It was renamed between the looks: the name was the old one, and the entry is for it.
                    try await forgetTrash(id)
                    return TrashMove(time: time, leavesNamesake: false)
                }
                isNamesakeSought = !wasListed
            } catch {
                throw RBDError(error)
            }
            // Read only where the image was not listed: in all other moves the name is free now.
            let leavesNamesake = isNamesakeSought ? try await isListedAndLost(name) : false
            if try await endMove(id) { return TrashMove(time: time, leavesNamesake: leavesNamesake) }
        }
        throw RBDError(call: "rbd.trash_state_set", code: .resourceBusy, subject: "\(label)/\(name)")
    }

    /// Sets the entry's state to moved; false if the entry is gone and the image exists.
    private func endMove(_ id: String) async throws(RBDError) -> Bool {
        do throws(RBDError) {
            try await setTrashState(of: id, to: .normal, expecting: .moving)
            return true
        } catch {
            guard error.isNotFound || error.code == .staleNFSFileHandle else { throw error }
            guard let record = try await trashRecord(ofID: id) else {
                // Another process found the entry and has removed or restored the image.
                return try await imageHeader(id: id) == nil
            }
            guard record.state != .restoring else {
                throw RBDError(call: error.call, code: .resourceBusy, subject: error.subject)
            }
            return true
        }
    }

    /// Whether the pool's directory lists a name that leads to no image.
    ///
    /// The name is read last: who makes an image gives it the name before it lists it.
    private func isListedAndLost(_ name: String) async throws(RBDError) -> Bool {
        guard try await directoryHolds(name) else { return false }
        return try await imageID(named: name) == nil
    }

    /// Whether the pool's directory lists the image by another name, because it was renamed.
    private func isNamedOtherwise(_ id: String, than name: String) async throws(RADOSError) -> Bool {
        guard let listed = try await listedName(of: id) else { return false }
        return listed != name
    }

    /// Whether `rbd_trash_move` would only move the image and do nothing else.
    private func isPlainAndUnlocked(_ id: String) async throws(RBDError) -> Bool {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP
        head.append(false)
        let calls = [
            ClassCall("rbd", "get_features", input: head.bytes),
            .askingOwners(of: .exclusive),
        ]
        async let mirroring = outcome { () async throws(RBDError) in try await isMirrored(id) }
        guard let answers = try await classCalls(calls, on: ImageObject.header(ofID: id)) else { return false }
        var features = Decoder(answers[0])
        guard let bits = features.number(UInt64.self), ImageFeatures(rawValue: bits).isSubset(of: .plain),
            Locker.all(in: answers[1])?.lockers.isEmpty == true
        else { return false }
        return try await !mirroring.get()
    }

    /// Whether rbd-mirror has to do with the image.
    ///
    /// Implements the class call `rbd.mirror_image_get`.
    public func isMirrored(_ id: String) async throws(RBDError) -> Bool {
        var image = Encoder()
        image.append(id)
        let mirroring = ClassCall("rbd", "mirror_image_get", input: image.bytes)
        return try await classCalls([mirroring], on: ImageObject.mirroring) != nil
    }

    /// The call that writes the entry.
    ///
    /// See: cls_rbd_types.h, `TrashImageSpec`.
    func trashAdd(
        _ name: String,
        _ id: String,
        _ state: TrashRecord.State,
        at now: Duration = .sinceEpoch,
        keptFor retention: Duration = .zero
    ) -> ClassCall {
        var spec = Encoder()
        spec.append(TrashRecord.Source.user.rawValue)
        spec.append(name)
        spec.append(time: now)
        spec.append(time: now + retention)
        spec.append(state.rawValue)
        var input = Encoder()
        input.append(id)
        input.append(version: 2, compatible: 1, spec)
        return ClassCall("rbd", "trash_add", input: input.bytes)
    }
}

extension ImageFeatures {
    /// Features that do not change how an image is moved; journaling and unknown features are not among them.
    fileprivate static let plain: ImageFeatures = [
        .layering, .striping, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten, .dataPool,
    ]
}
