public import RADOS
internal import SystemPackage

extension IOContext {
    /// Removes clones that were never made from the lists of an image's deleted snapshots, and snapshots that this frees.
    ///
    /// A maker of a clone whose word to the parent is carried out late, after others removed what it had begun, leaves a
    /// clone in the list that has no name and no header: the snapshot would stay for ever. A deleted snapshot gets no new
    /// clones, so only makers that have told the parent already can be at work. Each such clone gets an empty object in its
    /// header's place first, which stays: its maker's header must be new, so it fails, however late it comes.
    ///
    /// At most 64 clones of a snapshot are looked at, by chance, so one that is in the way is found in the end. Nothing is
    /// done about a clone whose pool this user may not read.
    ///
    /// - Parameter id: The image's id.
    /// - Throws: `RBDError`; the same call again completes what was begun.
    public func forgetUnmadeClones(ofImageID id: String) async throws(RBDError) {
        for snapshot in try await snapshots(ofImageID: id) ?? [] where snapshot.kind == .trash {
            let clones = try await children(of: snapshot.id, ofImageID: id)
            for clone in clones.shuffled().prefix(64) {
                guard let context = try? await context(inPool: clone.pool, clone.namespace),
                    case .success(true) = await outcome({ () async throws(RBDError) in
                        try await context.isUnmade(clone.id)
                    })
                else { continue }
                let note = ClonePlaceNote(
                    cloneID: clone.id,
                    poolID: context.poolID,
                    namespace: clone.namespace,
                    imageID: id,
                    snapshotID: snapshot.id
                )
                do throws(RADOSError) {
                    try await context.detach(note, in: self)
                } catch {
                    throw RBDError(error)
                }
            }
        }
    }

    /// Whether an image has no header and will never have one.
    ///
    /// One that is listed may be whole but for its header, which can be had back: what it reads from its parent must stay.
    private func isUnmade(_ id: String) async throws(RBDError) -> Bool {
        guard try await imageHeader(id: id) == nil, try await imageName(ofID: id) == nil,
            try await trashRecord(ofID: id) == nil
        else { return false }
        do throws(RADOSError) {
            try await execute(on: ImageObject.header(ofID: id), isNew: true)
            return true
        } catch {
            guard error.isAlreadyThere else { throw RBDError(error) }
        }
        // Its maker was faster, or another process has put the empty object there.
        return try await imageHeader(id: id) == nil
    }
}
