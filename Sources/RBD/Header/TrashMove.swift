public import RADOS
internal import SystemPackage

extension IOContext {
    /// Moves an image to the trash without opening it, if it is a plain one whose lock nobody has.
    ///
    /// `rbd_trash_move` opens the image, watches it, takes its lock and gives all of it back: 28 operations of the OSDs,
    /// for the four that move it. Those four are sent here, in librbd's order, so that a kill in between leaves what a
    /// kill of librbd leaves, and librbd brings it to an end:
    ///
    /// | class call or removal | afterwards |
    /// | --- | --- |
    /// | `rbd.trash_add` | the entry says that it is being moved |
    /// | `rbd_id.NAME` is removed | the name leads nowhere; only if it led to this image, which librbd does not ask |
    /// | `rbd.dir_remove_image` | the pool does not list it |
    /// | `rbd.trash_state_set` | the entry can be removed or restored |
    ///
    /// What librbd does beyond them is for others than plain images: it ends their mirroring, refuses them while they
    /// migrate, and takes the lock from a dead client. For such it does nothing and says so. rbd-mirror, which librbd
    /// tells of the entry, only asks for its own.
    ///
    /// Like `rbd_trash_move` it also moves an image that another client has open: ask `watchers` first.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: Its id.
    ///   - now: What the entry says of when it was put there, since 1970.
    ///   - retention: For how long nobody can remove it without force.
    /// - Returns: Whether that name leads to it no more; false when nothing was done, and librbd must.
    /// - Throws: `RBDError` with `.resourceBusy` while it is restored; what is done then is done.
    public func moveToTrash(
        _ name: String,
        unopenedWithID id: String,
        at now: Duration = .sinceEpoch,
        keptFor retention: Duration = .zero
    ) async throws(RBDError) -> Bool {
        guard try await isPlainAndUnlocked(id) else { return false }
        // The second round is for an image that another process restored while this one stood still.
        for _ in 0..<2 {
            var isOurEntry = true
            do throws(RADOSError) {
                // Of a full pool, too: the first entry makes the object, and what it tells of frees space.
                let entry = trashAdd(name, id, .moving, at: now, keptFor: retention)
                try await execute(entry, on: ImageObject.trash, passesFull: true)
            } catch {
                guard error.isAlreadyThere else { throw RBDError(error) }
                // Somebody was killed while moving it, or is at it: what follows is the same for all.
                guard try await trashRecord(ofID: id)?.state == .moving else { return false }
                isOurEntry = false
            }
            do throws(RADOSError) {
                let hadTheName = try await unname(name, id: id)
                if !hadTheName, try await isNamedOtherwise(id, than: name) {
                    // It was renamed; an entry of another process may be for its present name.
                    if isOurEntry { try await forgetTrash(id) }
                    return true
                }
                try await unlistImage(name, id: id)
            } catch {
                throw RBDError(error)
            }
            if try await endMove(id) { return true }
        }
        throw RBDError(call: "rbd.trash_state_set", code: .resourceBusy, subject: "\(label)/\(name)")
    }

    /// Says in the entry that the move is done; false when there is none any more, but the image.
    private func endMove(_ id: String) async throws(RBDError) -> Bool {
        do throws(RBDError) {
            try await setTrashState(of: id, to: .normal, expecting: .moving)
            return true
        } catch {
            guard error.isNotFound || error.code == .staleNFSFileHandle else { throw error }
            guard let record = try await trashRecord(ofID: id) else {
                // Another process found it there without its name, and has removed it; or has restored it.
                return try await imageHeader(id: id) == nil
            }
            guard record.state != .restoring else {
                throw RBDError(call: error.call, code: .resourceBusy, subject: error.subject)
            }
            return true
        }
    }

    /// Whether the pool's directory has the image by another name: it was renamed.
    private func isNamedOtherwise(_ id: String, than name: String) async throws(RADOSError) -> Bool {
        guard let listed = try await listedName(of: id) else { return false }
        return listed != name
    }

    /// Whether all that `rbd_trash_move` would do with the image is to move it.
    private func isPlainAndUnlocked(_ id: String) async throws(RBDError) -> Bool {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP
        head.append(false)
        var lock = Encoder()
        lock.append(ImageLockName.exclusive.rawValue)
        var question = Encoder()
        question.append(version: 1, compatible: 1, lock)
        let calls = [
            ClassCall("rbd", "get_features", input: head.bytes),
            ClassCall("lock", "get_info", input: question.bytes),
        ]
        guard let answers = try await classCalls(calls, on: ImageObject.header(ofID: id)) else { return false }
        var features = Decoder(answers[0])
        var owners = Decoder(answers[1])
        guard let bits = features.number(UInt64.self), var lockers = owners.structure(),
            ImageFeatures(rawValue: bits).isSubset(of: .plain), lockers.number(UInt32.self) == 0
        else { return false }
        return try await !isMirrored(id)
    }

    /// Whether rbd-mirror has to do with the image.
    ///
    /// Implements the class call `rbd.mirror_image_get`.
    func isMirrored(_ id: String) async throws(RBDError) -> Bool {
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
    /// What changes nothing in how an image is moved; not journaling, and nothing that we do not know.
    fileprivate static let plain: ImageFeatures = [
        .layering, .striping, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten, .dataPool,
    ]
}
