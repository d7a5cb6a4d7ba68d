internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

/// Clones on Ceph: of format 2, straight from the snapshot, without a flatten.
extension RBDImageStore {
    /// What a volume can be made from.
    public func cloneSource(
        _ origin: CloneOrigin,
        credentials: Credentials
    ) async throws(VolumeError) -> CloneSource? {
        switch origin {
        case .snapshot(let id):
            let place = try await place(of: id, as: credentials)
            async let found = caught { () async throws(VolumeError) in try await place.marks(id.imageID) }
            let there = try await place.parts(ofSnapshot: id.name, onImageID: id.imageID)
            guard var marks = try await found.get(), let snapshot = there.snapshot, let notes = there.notes,
                notes.target == nil
            else { return nil }
            marks[ImageMetadataKey.format] = notes.format
            return CloneSource(sizeBytes: snapshot.sizeBytes, metadata: marks)
        case .volume(let id):
            let place = try await access.place(of: id, as: credentials)
            guard let imageID = try await place.imageID(), let marks = try await place.marks(imageID) else {
                return nil
            }
            try await place.requireOurs("clone image", imageID, marks)
            try place.refuseIfHalfRestored("clone image", marks)
            let header = try await place.trying("look up image") { () async throws(RBDError) in
                try await place.context.imageHeader(id: imageID)
            }
            return header.map { CloneSource(sizeBytes: $0.sizeBytes, metadata: marks) }
        }
    }

    /// A snapshot that is cloned now.
    private struct Parent: Sendable {
        /// Its image's pool.
        let place: Place
        let imageID: String
        let snapshot: CloneableSnapshot
        /// What the image said of its file system just before the snapshot was taken.
        let format: String?
        /// How many clones there are below the source.
        let depth: Int
    }

    /// An image that is to be made, and what it is made from.
    private struct NewClone: Sendable {
        let place: Place
        let sizeBytes: UInt64
        let options: ImageOptions
        let metadata: [String: String]
    }

    /// Makes an image that reads from its source what nobody wrote to it.
    ///
    /// A plain one has its header last, with all its metadata: whatever a kill leaves has none. Any other is marked as being
    /// cloned from before it is begun until it has its metadata, and so is every clone of a volume, for the snapshot that
    /// is there for it.
    public func cloneImage(
        _ id: VolumeID,
        of origin: CloneOrigin,
        sized sizeBytes: @Sendable (UInt64) throws(VolumeError) -> UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64 {
        let place = try await access.place(of: id, as: credentials)
        if let dataPool = layout.dataPool { try await checkAccess(to: dataPool, place) }
        let parent: Parent
        let imageID: String
        let size: UInt64
        async let isMarked = self.isMarked(place, origin)
        do throws(VolumeError) {
            switch origin {
            case .snapshot(let snapshot): parent = try await self.parent(snapshot, credentials)
            case .volume(let volume):
                try await place.beginCloning(ofVolume: volume.description)
                parent = try await self.parent(volume, for: id, credentials)
            }
            // Not of its image, which may have grown before the snapshot was taken, or since.
            size = try sizeBytes(parent.snapshot.snapshot.sizeBytes)
            var metadata = place.placed(metadata)
            metadata[ImageMetadataKey.format] = parent.format
            metadata[ImageMetadataKey.cloneDepth] = "\(parent.depth + 1)"
            let new = NewClone(
                place: place,
                sizeBytes: size,
                options: Self.options(layout),
                metadata: metadata
            )
            enter(SnapshotStep.cloningImage, id.imageSpec)
            imageID = try await clone(parent, to: new, origin)
        } catch {
            // Nobody may repeat it: then the mark, and the snapshot of a volume that was to be cloned, would stay for ever.
            let isFinal = [.notFound, .failedPrecondition, .invalidArgument, .permissionDenied, .outOfRange]
                .contains(error.code)
            if isFinal, try await place.imageID() == nil {
                do throws(VolumeError) {
                    try await endClone(id, of: origin, credentials: credentials)
                } catch let failure {
                    // Of a cluster that does not answer the caller hears, and repeats it.
                    if failure.isSilence { throw failure }
                }
            }
            throw error
        }
        ids.remember(imageID, of: id)
        access.note(place)
        enter(SnapshotStep.endingClone, id.imageSpec)
        if parent.depth + 1 > CloneFlattener.mostDepth { try await CloneFlattener.note(place, imageID) }
        if await isMarked { try await endClone(id, of: origin, credentials: credentials) }
        return size
    }

    /// Whether a clone has a mark to end: that of a volume always; one of a snapshot where a clone of a volume was killed
    /// under its name.
    private func isMarked(_ place: Place, _ origin: CloneOrigin) async -> Bool {
        if case .volume = origin { return true }
        return (try? await place.isBegun(.cloning)) ?? false
    }

    /// Makes the clone, object by object where it is a plain one; its id.
    private func clone(_ parent: Parent, to new: NewClone, _ origin: CloneOrigin) async throws(VolumeError) -> String {
        let (place, image) = (new.place, new.place.id.image)
        let imageID = try await place.trying("clone image") { () async throws(RBDError) -> String? in
            guard place.allows(objectCalls) else { return nil }
            return try await place.context.createPlainClone(
                of: parent.snapshot,
                image,
                sizeBytes: new.sizeBytes,
                options: new.options,
                metadata: new.metadata,
                named: { enter(VolumeStep.writingHeader, place.id.imageSpec) }
            )
        }
        if let imageID { return imageID }
        try await place.begin(.cloning, of: parent.snapshot.address)
        try await cloneByLibrbd(parent, to: new, origin)
        guard let imageID = try await place.imageID() else { throw Self.lost(place.id) }
        if new.sizeBytes > parent.snapshot.snapshot.sizeBytes {
            enter(SnapshotStep.growingClone, place.id.imageSpec)
            try await place.waiting("grow image") { (context) throws(RBDError) in
                let image = try Image.open(id: imageID, in: context, access: .readWrite)
                defer { image.close() }
                if try image.sizeBytes() < new.sizeBytes { try image.grow(toBytes: new.sizeBytes) }
            }
        }
        enter(SnapshotStep.markingClone, place.id.imageSpec)
        try await place.markClone(imageID, new.metadata)
        // Another process may have taken it for what a killed one left.
        guard try await place.imageID() == imageID else { throw Self.lost(place.id) }
        if case .snapshot = origin { try await endClone(place.id, of: origin, credentials: place.credentials) }
        return imageID
    }

    private static func lost(_ id: VolumeID) -> VolumeError {
        VolumeError(
            .aborted,
            "cannot clone image '\(id.imageSpec)': another process works on it; retry later"
        )
    }

    private func cloneByLibrbd(
        _ parent: Parent,
        to new: NewClone,
        _ origin: CloneOrigin
    ) async throws(VolumeError) {
        // librbd opens the parent by its name.
        let name = try await parent.place.trying("look up the name of image") { () async throws(RBDError) in
            try await parent.place.context.imageName(ofID: parent.imageID)
        }
        guard let name else { throw Self.inTrash(parent, origin) }
        let (child, parentContext, snapshot) = (new.place.id.image, parent.place.context, parent.snapshot.snapshot.name)
        let lacksLayering = try await new.place.waiting("clone image") { (context) throws(RBDError) -> Bool in
            do throws(RBDError) {
                try context.cloneImage(snapshot, of: name, in: parentContext, to: child, options: new.options)
                return false
            } catch {
                guard error.code == .noFunction else { throw error }
                return true
            }
        }
        guard lacksLayering else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot create image '\(new.place.id.imageSpec)' from \(origin): the source's image or the class lacks the feature "
                + "layering, which a clone needs; give the class imageFeatures with layering; a source without it can only be "
                + "copied (rbd deep cp)"
        )
    }

    private static func inTrash(_ parent: Parent, _ origin: CloneOrigin) -> VolumeError {
        let pool = parent.place.id
        let space = pool.namespace.isEmpty ? pool.pool : "\(pool.pool)/\(pool.namespace)"
        return VolumeError(
            .failedPrecondition,
            "cannot clone \(origin): somebody has moved its image to Ceph's trash, where librbd does not clone it; restore it "
                + "(rbd trash restore \("\(space)/\(parent.imageID)".shellWord)), then repeat this"
        )
    }

    /// The snapshot, as it is to be cloned: all is read at once.
    private func parent(_ id: SnapshotID, _ credentials: Credentials) async throws(VolumeError) -> Parent {
        let pool = try await place(of: id, as: credentials)
        async let there = caught { () async throws(VolumeError) in
            try await pool.parts(ofSnapshot: id.name, onImageID: id.imageID)
        }
        async let marks = caught { () async throws(VolumeError) in try await pool.marks(id.imageID) }
        let source = try await pool.cloneableSnapshot(id.name, onImageID: id.imageID)
        let (notes, found) = (try await there.get().notes, try await marks.get())
        guard let source, let notes else { throw VolumeError(.notFound, "snapshot '\(id)' does not exist") }
        return Parent(
            place: pool,
            imageID: id.imageID,
            snapshot: source,
            format: notes.format,
            depth: Self.depth(found ?? [:])
        )
    }

    /// A snapshot of the volume that is there for the clone alone.
    ///
    /// One that another process has just taken for the same clone is used, or that a killed one left: the volume is as it
    /// was when it was asked for first. An older one is of a clone that was given up, and its name is used again.
    private func parent(
        _ volume: VolumeID,
        for target: VolumeID,
        _ credentials: Credentials
    ) async throws(VolumeError) -> Parent {
        let place = try await access.place(of: volume, as: credentials)
        guard let imageID = try await place.imageID(), let marks = try await place.marks(imageID) else {
            throw VolumeError(.notFound, "volume '\(volume)' does not exist: there is no image '\(volume.imageSpec)'")
        }
        try await place.requireOurs("clone image", imageID, marks)
        let name = Self.snapshotName(forClone: target)
        var there = try await place.parts(ofSnapshot: name, onImageID: imageID)
        if let snapshot = there.snapshot, there.notes?.isForClone(target) == true,
            try await !isRecent(snapshot, there.notes, of: volume, onImageID: imageID, in: place)
        {
            try await place.removeCloneSnapshot(name, for: target, onImageID: imageID)
            there = try await place.parts(ofSnapshot: name, onImageID: imageID)
        }
        if there.snapshot == nil {
            let notes = SnapshotNotes(
                name: name,
                source: volume.description,
                format: marks[ImageMetadataKey.format],
                target: target.description
            )
            try await place.note(notes, ofSnapshot: name, onImageID: imageID)
            enter(SnapshotStep.takingSnapshot, volume.imageSpec)
            there = try await place.takeSnapshotOfVolume(name, ofImageID: imageID)
        }
        guard there.snapshot != nil, let notes = there.notes, notes.isForClone(target),
            let source = try await place.cloneableSnapshot(name, onImageID: imageID)
        else {
            throw VolumeError(
                .failedPrecondition,
                "cannot clone volume '\(volume)': its image '\(volume.imageSpec)' has a snapshot '\(name)' which is not there "
                    + "for volume '\(target)'; when nobody needs it: rbd snap rm \(volume.imageSpec.shellWord)@\(name)"
            )
        }
        return Parent(
            place: place,
            imageID: imageID,
            snapshot: source,
            format: notes.format,
            depth: Self.depth(marks)
        )
    }

    /// Whether a snapshot that is there for a clone was taken by a try of this very call.
    ///
    /// The target's name is that of the request. By the OSDs' clocks, which took the time of the snapshot, too.
    private func isRecent(
        _ snapshot: ImageSnapshot,
        _ notes: SnapshotNotes?,
        of volume: VolumeID,
        onImageID imageID: String,
        in place: Place
    ) async throws(VolumeError) -> Bool {
        guard notes?.source.isExactly(volume.description) == true else { return false }
        let now = try await place.trying("look up the time at image") { () async throws(RBDError) in
            try await place.context.storageTime(byHeaderOf: imageID)
        }
        return now.map { $0 - snapshot.created < Self.longestRepetition } ?? false
    }

    /// Nobody repeats a call for longer without a delete in between; Kubernetes does so every five minutes at least.
    private static let longestRepetition = Duration.seconds(900)

    /// `csi-clone-` and the UUID in which the new image's name ends, or the whole name.
    static func snapshotName(forClone target: VolumeID) -> String {
        let name = target.image
        guard ImageName.endsInUUID(name) else { return ImageName.clonePrefix + name }
        return ImageName.clonePrefix + String(decoding: name.utf8.suffix(36), as: UTF8.self)
    }

    private static func depth(_ marks: [String: String]) -> Int {
        marks[ImageMetadataKey.cloneDepth].flatMap(Int.init) ?? 0
    }

    /// Removes what a killed clone left under a name, if it is no volume yet.
    public func removeHalfMadeClone(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool {
        let place = try await access.place(of: id, as: credentials)
        guard let imageID = try await place.imageID(), let marks = try await place.marks(imageID) else { return false }
        return try await trash.discardHalfMadeClone(place, "create image", imageID, marks)
    }

    /// Removes the clone's mark, and the snapshots of volumes that were cloned under its name, where they are left.
    ///
    /// A snapshot that cannot be removed now is no error: the mark stays, and a repetition or the clone's delete tries again.
    public func endClone(_ id: VolumeID, of origin: CloneOrigin, credentials: Credentials) async throws(VolumeError) {
        let place = try await access.place(of: id, as: credentials)
        let begun = try await place.begun(.cloning)
        var sources: [String] = []
        if case .volume(let volume) = origin { sources.append(volume.description) }
        try await trash.endClone(place, begun, of: sources, and: begun?.sources ?? [])
    }
}

extension Place {
    /// A snapshot to clone; nothing if there is none.
    func cloneableSnapshot(
        _ name: String,
        onImageID imageID: String
    ) async throws(VolumeError) -> CloneableSnapshot? {
        try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.cloneableSnapshot(name, ofImageID: imageID)
        }
    }

    /// Removes a snapshot that was there for that clone alone, and its record; does nothing to any other.
    func removeCloneSnapshot(_ name: String, for target: VolumeID, onImageID imageID: String) async throws(VolumeError)
    {
        let there = try await parts(ofSnapshot: name, onImageID: imageID)
        guard there.notes?.isForClone(target) == true else { return }
        if there.snapshot != nil || there.isHalfRemoved { try await removeSnapshot(name, ofImageID: imageID) }
        try await forgetNotes(ofSnapshot: name, onImageID: imageID)
    }
}

extension SnapshotNotes {
    /// Whether the snapshot is there for the making of that volume alone.
    fileprivate func isForClone(_ target: VolumeID) -> Bool {
        self.target?.isExactly(target.description) == true
    }
}

extension VolumeError {
    /// Whether a cluster or pool does not answer: what was not done may be done later.
    var isSilence: Bool { isMended || code == .unavailable || code == .deadlineExceeded }
}
