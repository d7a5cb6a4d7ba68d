internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import SystemPackage
internal import Volumes

/// What is there of one snapshot.
struct SnapshotParts: Sendable {
    /// Whether its image has a header; without one, nothing of the snapshot is there.
    let hasImage: Bool
    /// The snapshot in the image's header; one of kind `user`.
    let snapshot: ImageSnapshot?
    /// Its record on the image.
    let notes: SnapshotNotes?
    /// Whether its removal was killed half-way: see `Place.removeSnapshot`.
    var isHalfRemoved = false
}

extension NameIndex {
    /// Which image has a snapshot of Nacre's, by the snapshot's name: so that one name has one source.
    ///
    /// It is never the truth: what it says of a snapshot that is not on that image is stale.
    static let snapshots = NameIndex("nacre_snapshots")
}

extension Place {
    /// Reads a snapshot by its image's id: two round trips for an image with up to 64 snapshots.
    func parts(ofSnapshot name: String, onImageID imageID: String) async throws(VolumeError) -> SnapshotParts {
        try await trying("read the snapshots of image") { () async throws(RBDError) in
            let key = ImageMetadataKey.snapshotPrefix + name
            async let record = caught { () async throws(RBDError) in
                // A list begins behind the key that it is given, so it is given one that is a byte shorter.
                try await context.metadata(ofImageID: imageID, prefix: String(key.dropLast()))
            }
            let all = try await context.snapshots(ofImageID: imageID)
            let notes = try await record.get()?[key]
            guard let all else { return SnapshotParts(hasImage: false, snapshot: nil, notes: nil) }
            return SnapshotParts(
                hasImage: true,
                snapshot: all.first { $0.kind == .user && $0.name.isExactly(name) },
                notes: notes.flatMap(SnapshotNotes.init),
                isHalfRemoved: all.contains { $0.isHalfRemoved(name) }
            )
        }
    }

    /// The records of an image's snapshots, by the snapshots' names.
    func snapshotNotes(onImageID imageID: String) async throws(VolumeError) -> [ExactText: SnapshotNotes] {
        let found = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.allMetadata(ofImageID: imageID, prefix: ImageMetadataKey.snapshotPrefix)
        }
        return (found ?? [:]).reduce(into: [:]) { all, record in
            guard let name = record.key.behind(ImageMetadataKey.snapshotPrefix) else { return }
            all[ExactText(name)] = SnapshotNotes(parsing: record.value)
        }
    }

    /// The volume that has the image now; `nil` for one that is kept for its snapshots, or lies in the trash.
    func volume(ofImageID imageID: String) async throws(VolumeError) -> VolumeID? {
        let name = try await trying("look up the name of image") { () async throws(RBDError) in
            try await context.imageName(ofID: imageID)
        }
        guard let name, !name.isExactly(KeptMark.name(ofImageID: imageID)) else { return nil }
        return try? id.sibling(name)
    }

    /// A snapshot for a caller.
    func snapshot(
        _ snapshot: ImageSnapshot,
        _ notes: SnapshotNotes,
        onImageID imageID: String,
        of volume: VolumeID?
    ) throws(VolumeError) -> Snapshot {
        Snapshot(
            id: try SnapshotID(of: id, imageID: imageID, name: snapshot.name),
            source: volume,
            sourceHandle: notes.source,
            sizeBytes: snapshot.sizeBytes,
            created: snapshot.created,
            name: notes.name,
            notes: notes.others
        )
    }

    /// The place of an image by its present name; by its id where it has none, for it lies in the trash.
    func image(ofID imageID: String) async throws(VolumeError) -> Place {
        let name = try await trying("look up the name of image") { () async throws(RBDError) in
            try await context.imageName(ofID: imageID)
        }
        return try sibling(name ?? imageID)
    }

    /// Writes a snapshot's record on its image.
    func note(_ notes: SnapshotNotes, ofSnapshot name: String, onImageID imageID: String) async throws(VolumeError) {
        try await trying("note a snapshot on image") { () async throws(RBDError) in
            try await context.setMetadata(
                [ImageMetadataKey.snapshotPrefix + name: notes.text],
                ofImageID: imageID
            )
        }
    }

    /// Refuses an image into which a backup is being restored: on its copies nothing would say that a part is missing.
    func refuseIfHalfRestored(_ doing: String, _ marks: [String: String]) throws(VolumeError) {
        guard marks[ImageMetadataKey.restoring] != nil else { return }
        throw VolumeError(
            .aborted,
            "cannot \(doing) '\(id.imageSpec)': a backup is being restored into it; wait for the end of nacre backup restore, "
                + "or repeat that command if it was interrupted"
        )
    }

    /// Takes a snapshot of the image; succeeds if there is one of that name.
    func takeSnapshot(_ name: String, ofImageID imageID: String) async throws(VolumeError) {
        try await refuseIfLockedByHand("take a snapshot of image", imageID)
        try await waiting("take a snapshot of image") { (context) throws(RBDError) in
            let image = try Image.open(id: imageID, in: context, access: .readWrite)
            defer { image.close() }
            do throws(RBDError) {
                try image.createSnapshot(name)
            } catch {
                guard error.isAlreadyThere else { throw error }
            }
        }
    }

    /// Takes a snapshot of a volume's image, of which a delete that comes at the same time leaves all.
    ///
    /// An image in the trash may be empty in part when the snapshot is there. A delete that looks for snapshots later
    /// finds this one, and who empties the trash empties no image that has one.
    ///
    /// - Parameters:
    ///   - name: The snapshot's name.
    ///   - imageID: The image's id.
    /// - Returns: The snapshot and its record.
    /// - Throws: `VolumeError` with `.notFound` if the volume was deleted meanwhile; there is no snapshot then.
    func takeSnapshotOfVolume(_ name: String, ofImageID imageID: String) async throws(VolumeError) -> SnapshotParts {
        try await takeSnapshot(name, ofImageID: imageID)
        async let there = caught { () async throws(VolumeError) in
            try await parts(ofSnapshot: name, onImageID: imageID)
        }
        let present = try await trying("look up the name of image") { () async throws(RBDError) in
            try await context.imageName(ofID: imageID)
        }
        let found = try await there.get()
        guard present == nil else { return found }
        if found.snapshot != nil { try await removeSnapshot(name, ofImageID: imageID) }
        try await forgetNotes(ofSnapshot: name, onImageID: imageID)
        throw VolumeError(
            .notFound,
            "cannot take a snapshot of image '\(id.imageSpec)': it was deleted meanwhile"
        )
    }

    /// Removes a snapshot of the image, also of one in the trash; succeeds if there is none of that name.
    ///
    /// librbd puts each into Ceph's trash of snapshots first, under a random name, and a kill leaves it there for good. No
    /// clone needs such a one, and it is removed, too.
    func removeSnapshot(_ name: String, ofImageID imageID: String) async throws(VolumeError) {
        try await refuseIfLockedByHand("remove a snapshot of image", imageID)
        let wasThere = try await removing(imageID) { (image) throws(RBDError) in try image.removeSnapshot(name) }
        guard !wasThere else { return }
        let all = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.snapshots(ofImageID: imageID)
        }
        for left in all ?? [] where left.isHalfRemoved(name) {
            _ = try await removing(imageID) { (image) throws(RBDError) in try image.removeSnapshot(id: left.id) }
        }
    }

    /// Has librbd remove a snapshot; returns whether it was there.
    private func removing(
        _ imageID: String,
        _ body: @escaping @Sendable (Image) throws(RBDError) -> Void
    ) async throws(VolumeError) -> Bool {
        try await waiting("remove a snapshot of image") { (context) throws(RBDError) in
            let image = try Image.open(id: imageID, in: context, access: .readWrite)
            defer { image.close() }
            do throws(RBDError) {
                try body(image)
                return true
            } catch {
                guard error.isNotFound else { throw error }
                return false
            }
        }
    }

    /// Removes a snapshot's record on its image, if it is there.
    func forgetNotes(ofSnapshot name: String, onImageID imageID: String) async throws(VolumeError) {
        try await trying("forget a snapshot of image") { () async throws(RBDError) in
            try await context.removeMetadata(ImageMetadataKey.snapshotPrefix + name, ofImageID: imageID)
        }
    }

    /// Changes what the pool's index says of a snapshot's name, if it says that still; returns whether it did.
    func index(
        _ name: String,
        leadingTo present: String?,
        with imageID: String?
    ) async throws(VolumeError) -> Bool {
        let doing = "note the name of snapshot '\(name)' for image"
        let change = { @Sendable (context: IOContext) throws(RBDError) -> Bool? in
            do throws(RBDError) {
                return try context.replaceName(name, leadingTo: present, with: imageID, in: .snapshots)
            } catch {
                guard error.isNotFound else { throw error }
                return nil
            }
        }
        if let isChanged = try await blocking(doing, change) { return isChanged }
        // Without an index there is nothing to take out of it.
        guard imageID != nil else { return true }
        try await trying(doing) { () async throws(RBDError) in try await context.makeIndex(.snapshots) }
        return try await blocking(doing, change) ?? false
    }

    /// The image that has the snapshot of that name, by the pool's index.
    func indexedImage(ofSnapshot name: String) async throws(VolumeError) -> String? {
        try await trying("look up snapshot '\(name)' for image") { () async throws(RBDError) in
            try await context.imageID(of: name, in: .snapshots)
        }
    }
}

/// What a call comes to, for several at once: an `async let` forgets which errors it may throw.
func caught<R: Sendable, Failure: Error>(
    _ body: () async throws(Failure) -> R
) async -> Result<R, Failure> {
    do throws(Failure) {
        return .success(try await body())
    } catch {
        return .failure(error)
    }
}

extension Image {
    /// Throws `.noSuchFileOrDirectory` if the name has led to another image.
    func require(_ imageID: String) throws(RBDError) {
        guard try id() == imageID else { throw RBDError(call: "rbd_open", code: .noSuchFileOrDirectory, subject: spec) }
    }
}

extension ImageSnapshot {
    /// Whether it had that name, and lies in Ceph's trash of snapshots although no clone needs it: its removal was killed, or
    /// is under way.
    fileprivate func isHalfRemoved(_ name: String) -> Bool {
        kind == .trash && cloneCount == 0 && formerName?.isExactly(name) == true
    }
}
