internal import ExactText
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

/// Snapshots on Ceph: librbd's own, by names of Nacre's; the image is the record of them.
extension RBDImageStore {
    /// Takes a snapshot of a volume's image, or finds it: the name in the pool's index, the record, the snapshot.
    public func takeSnapshot(
        _ name: String,
        of id: VolumeID,
        notes: SnapshotNotes,
        credentials: Credentials
    ) async throws(VolumeError) -> Snapshot {
        let place = try await access.place(of: id, as: credentials)
        let doing = "take a snapshot of image"
        guard let imageID = try await place.imageID(), let marks = try await place.marks(imageID) else {
            ids.forget(id)
            throw VolumeError(.notFound, "cannot \(doing) '\(id.imageSpec)': it does not exist")
        }
        try await place.requireOurs(doing, imageID, marks)
        // A handle that would be too long is refused before anything is made.
        let snapshotID = try SnapshotID(of: id, imageID: imageID, name: name)
        let there = try await place.parts(ofSnapshot: name, onImageID: imageID)
        if let snapshot = there.snapshot {
            guard let found = there.notes else { throw Self.byHand("take snapshot", snapshotID, of: id) }
            guard found.name.isExactly(notes.name) else {
                throw VolumeError(
                    .alreadyExists,
                    "snapshot '\(notes.name)' cannot be taken: another snapshot, '\(found.name.printable)', has the name "
                        + "'\(name)' on image '\(id.imageSpec)', to which both names lead; choose another name"
                )
            }
            return try place.snapshot(snapshot, found, onImageID: imageID, of: id)
        }
        try place.refuseIfHalfRestored(doing, marks)
        enter(SnapshotStep.reservingName, name)
        try await reserve(name, for: imageID, notes.name, in: place)
        var notes = notes
        // Read before the snapshot is taken: what is formatted by now is formatted in it.
        notes.format = marks[ImageMetadataKey.format]
        enter(SnapshotStep.notingSnapshot, snapshotID.description)
        try await place.note(notes, ofSnapshot: name, onImageID: imageID)
        enter(SnapshotStep.takingSnapshot, id.imageSpec)
        guard let snapshot = try await place.takeSnapshotOfVolume(name, ofImageID: imageID).snapshot else {
            throw VolumeError(
                .aborted,
                "cannot take snapshot '\(notes.name)' of image '\(id.imageSpec)': it was removed at once; retry later"
            )
        }
        return try place.snapshot(snapshot, notes, onImageID: imageID, of: id)
    }

    /// Makes the name that image's in the pool's index.
    private func reserve(
        _ name: String,
        for imageID: String,
        _ requestName: String,
        in place: Place
    ) async throws(VolumeError) {
        for _ in 0..<4 {
            let present = try await place.indexedImage(ofSnapshot: name)
            guard present != imageID else { return }
            if let present {
                let other = try await place.parts(ofSnapshot: name, onImageID: present)
                if other.snapshot != nil || other.notes != nil {
                    let source = other.notes?.source ?? "image id \(present)"
                    throw VolumeError(
                        .alreadyExists,
                        "snapshot '\(requestName)' exists, of volume '\(source.printable)'; choose another name"
                    )
                }
            }
            if try await place.index(name, leadingTo: present, with: imageID) { return }
        }
        throw VolumeError(
            .aborted,
            "cannot take snapshot '\(requestName)' of image '\(place.id.imageSpec)': another program works on its name; "
                + "retry later"
        )
    }

    /// A snapshot of Nacre's: three reads.
    public func snapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError) -> Snapshot? {
        let place = try await place(of: id, as: credentials)
        let there = try await place.parts(ofSnapshot: id.name, onImageID: id.imageID)
        guard let snapshot = there.snapshot, let notes = there.notes, notes.target == nil else { return nil }
        let volume = try await place.volume(ofImageID: id.imageID)
        return try place.snapshot(snapshot, notes, onImageID: id.imageID, of: volume)
    }

    /// What the pool's index says of a name, if what is there is that request's: three reads.
    ///
    /// A name that leads to an image without snapshot and record is what a killed create left, and still that request's.
    public func begunSnapshot(
        _ name: String,
        requested requestName: String,
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError) -> SnapshotID? {
        let place = try await access.place(of: id, as: credentials)
        guard let imageID = try await place.indexedImage(ofSnapshot: name) else { return nil }
        let there = try await place.parts(ofSnapshot: name, onImageID: imageID)
        if let notes = there.notes {
            guard notes.target == nil, notes.name.isExactly(requestName), notes.source.isExactly(id.description) else {
                return nil
            }
        } else if there.snapshot != nil {
            return nil
        }
        return try SnapshotID(of: id, imageID: imageID, name: name)
    }

    /// Removes a snapshot of Nacre's, its record and its name, in this order.
    public func removeSnapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError) {
        let place = try await place(of: id, as: credentials)
        let there = try await place.parts(ofSnapshot: id.name, onImageID: id.imageID)
        if let snapshot = there.snapshot {
            guard there.notes != nil else { throw Self.byHand("remove snapshot", id, of: nil) }
            let image = try await place.image(ofID: id.imageID)
            guard !snapshot.isProtected else {
                let spec = id.spec(ofImage: image.id.image).shellWord
                throw VolumeError(
                    .failedPrecondition,
                    "cannot remove snapshot '\(id)': somebody has protected it, for clones of Ceph's old format; rbd children "
                        + "\(spec) shows them; when nobody needs it so: rbd snap unprotect \(spec)"
                )
            }
            enter(SnapshotStep.removingSnapshot, id.description)
            try await image.removeSnapshot(id.name, ofImageID: id.imageID)
        } else if there.isHalfRemoved, there.notes != nil {
            enter(SnapshotStep.removingSnapshot, id.description)
            try await place.image(ofID: id.imageID).removeSnapshot(id.name, ofImageID: id.imageID)
        }
        enter(SnapshotStep.forgettingSnapshot, id.description)
        if there.notes != nil { try await place.forgetNotes(ofSnapshot: id.name, onImageID: id.imageID) }
        if try await place.indexedImage(ofSnapshot: id.name) == id.imageID {
            _ = try await place.index(id.name, leadingTo: id.imageID, with: nil)
        }
        guard there.hasImage else { return }
        enter(SnapshotStep.releasingKept, id.description)
        try await trash.releaseKept(place.sibling(KeptMark.name(ofImageID: id.imageID)), id.imageID)
    }

    /// The snapshots of Nacre's that a volume has, oldest first.
    public func snapshots(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [Snapshot] {
        let place = try await access.place(of: id, as: credentials)
        guard let imageID = try await place.imageID() else { return [] }
        return try await snapshots(onImageID: imageID, in: place)
    }

    /// The snapshots of Nacre's that an image has, oldest first.
    func snapshots(onImageID imageID: String, in place: Place) async throws(VolumeError) -> [Snapshot] {
        let all = try await place.trying("read the snapshots of image") { () async throws(RBDError) in
            try await place.context.snapshots(ofImageID: imageID)
        }
        let users = (all ?? []).filter { $0.kind == .user }
        guard !users.isEmpty else { return [] }
        let notes = try await place.snapshotNotes(onImageID: imageID)
        let volume = try await place.volume(ofImageID: imageID)
        var found: [Snapshot] = []
        for snapshot in users {
            guard let notes = notes[ExactText(snapshot.name)], notes.target == nil else { continue }
            found.append(try place.snapshot(snapshot, notes, onImageID: imageID, of: volume))
        }
        return found
    }

    /// A snapshot's pool.
    func place(of id: SnapshotID, as credentials: Credentials?) async throws(VolumeError) -> Place {
        let anchor = try VolumeID(
            clusterID: id.clusterID,
            pool: id.pool,
            namespace: id.namespace,
            image: id.imageID
        )
        return try await access.place(of: anchor, as: credentials)
    }

    /// The refusal of a snapshot that has a name like Nacre's and no record of it.
    private static func byHand(_ doing: String, _ id: SnapshotID, of volume: VolumeID?) -> VolumeError {
        let what = volume.map { "image '\($0.imageSpec)'" } ?? "image id \(id.imageID)"
        return VolumeError(
            .failedPrecondition,
            "cannot \(doing) '\(id)': \(what) has a snapshot of that name which is not Nacre's, for it lacks the metadata "
                + "'\(ImageMetadataKey.snapshotPrefix)\(id.name)'; rename it, or remove it by rbd snap rm when nobody needs it"
        )
    }
}
