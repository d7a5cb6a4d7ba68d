internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import Timestamps
internal import Volumes

/// Images that a killed process left incomplete, and what is done with them.
///
/// | what is left | what is done |
/// | --- | --- |
/// | a directory entry, no id | the entry is removed |
/// | the same, with a header | the image goes to the trash |
/// | the same, with a header and data | throws: the id object is lost; for a deletion the image goes to the trash |
/// | an id, no header | waits, because another process may be creating it; then removes everything |
/// | an id, no header, data in any pool | throws: the header is lost, and the image can be had back |
/// | the same, and not all objects were looked at yet | throws `.deadlineExceeded`; its repetition joins the look |
/// | an id, no header, nothing found, a pool that may have data lets nobody look | throws: who may look must mend it |
/// | a header, not listed, or with another's id | it is listed: the image may hold data |
/// | a header, listed by another name that leads to it | `rbd rename` is brought to its end: the name is free |
/// | a header, no object map | `rbd_rebuild_object_map`: the image may hold data |
/// | all | nothing: another process was faster |
final class HalfMadeImages: Sendable {
    let access: PoolAccess
    let ids: ImageIDs
    /// Images that were looked for among all objects and have no data, as whom, and when that was found.
    let emptyImages = Mutex<[String: ContinuousClock.Instant]>([:])

    /// Threads for the lists of pools.
    let listers = Mutex<[PoolAddress: BlockingPool]>([:])
    /// How long a call waits for a look at all objects; its repetition joins that look.
    let longestLook: Duration
    /// How long a deleted image stays in the trash, unless its own metadata says otherwise.
    let retention: Duration

    init(access: PoolAccess, ids: ImageIDs, longestLook: Duration, retention: Duration) {
        (self.access, self.ids, self.longestLook, self.retention) = (access, ids, longestLook, retention)
    }

    /// Brings a half-made image to an end; with `isDeletion`, one that has lost its id object goes to the trash, with
    /// Nacre's mark and these notes, for as long as its metadata or the service says.
    func mend(
        _ id: VolumeID,
        credentials: Credentials,
        isDeletion: Bool,
        noting notes: [String: String] = [:]
    ) async throws(VolumeError) {
        let place = try await access.place(of: id, as: credentials)
        guard let imageID = try await place.imageID() else {
            let now = Duration.sinceEpoch
            let kept = try await refuseListedStranger(place, isDeletion: isDeletion, noting: notes, at: now)
            return try await place.trying("mend image") { () async throws(RBDError) in
                try await place.context.mendListing(of: id.image, at: now, keptFor: kept)
            }
        }
        guard let parts = try await settledParts(place, imageID) else { return }
        guard let header = parts.header else {
            try await refuseIfHeaderIsLost(place, imageID, isDeletion: isDeletion)
            _ = try await place.trying("mend image") { () async throws(RBDError) in
                try await place.context.removeHeaderless(id.image, id: imageID)
            }
            return ids.forget(id)
        }
        try await place.requireOurs("mend image", imageID, try await place.marks(imageID) ?? [:])
        if !parts.isListed {
            let isRenamed = try await place.trying("mend image") { () async throws(RBDError) in
                try await place.context.endRenaming(of: id.image, id: imageID)
            }
            guard !isRenamed else { return ids.forget(id) }
            try await place.trying("list image") { () async throws(RBDError) in
                try await place.context.relistImage(id.image, id: imageID)
            }
        }
        // A valid object map is not rebuilt, because that takes one operation for each object.
        guard header.features.contains(.objectMap), !parts.hasObjectMap else { return }
        try await place.refuseIfLockedByHand("mend image", imageID)
        try await place.waiting("mend image") { (context) throws(RBDError) in
            try Image.open(id.image, in: context, access: .readWrite).rebuildObjectMap()
        }
    }

    /// Throws if an image without a header has data: it was whole once.
    private func refuseIfHeaderIsLost(
        _ place: Place,
        _ imageID: String,
        isDeletion: Bool
    ) async throws(VolumeError) {
        let isInTrash = try await place.trying("look for data of image") { () async throws(RBDError) in
            try await place.context.trashRecord(ofID: imageID) != nil
        }
        guard !isInTrash, let data = try await lostData(place, imageID) else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot \(isDeletion ? "delete" : "mend") image '\(place.id.imageSpec)': "
                + Self.lostHeader(place.id, imageID, data)
        )
    }

    /// What is said of an image whose id object is gone; all else of it may be there.
    static func lostName(_ id: VolumeID, _ imageID: String) -> String {
        // An encoded string: its length in four bytes, then its bytes.
        let length = String(imageID.utf8.count, radix: 8)
        let place = "-p \(id.pool.shellWord)" + (id.namespace.isEmpty ? "" : " -N \(id.namespace.shellWord)")
        return "the pool's directory lists it as '\(imageID)', but its object rbd_id.\(id.image) is gone; to have it "
            + "back with its data: printf '\\\(length)\\0\\0\\0%s' \(imageID.shellWord) | rados \(place) put "
            + "rbd_id.\(id.image.shellWord) -"
    }

    /// What is said of an image whose header is gone and whose data is there.
    static func lostHeader(_ id: VolumeID, _ imageID: String, _ data: LostData) -> String {
        let namespace = id.namespace.isEmpty ? "" : " -N \(id.namespace.shellWord)"
        let place = "-p \(id.pool.shellWord)\(namespace)"
        let dataPlace = "-p \(data.pool?.shellWord ?? "DATA-POOL")\(namespace)"
        let location = data.pool.map { $0.isExactly(id.pool) ? "" : " in pool '\($0)'" } ?? ", by its object map"
        // With a data pool, the number of the header's pool stands before the id.
        let pattern = "^rbd_data[.]([0-9]+[.])?\(imageID)[.]".shellWord
        return
            "its header, \(ImageObject.header(ofID: imageID)), is lost, but it has data, such as \(data.object)\(location); to "
            + "have it back, see 'An image lost its header' in Operations; to give its data up for good: rados "
            + "\(dataPlace) ls | grep -E \(pattern) | xargs -r rados \(dataPlace) rm; then rados \(place) rm "
            + "\(ImageObject.objectMap(ofID: imageID).shellWord), if it has one, and repeat this"
    }

    /// Which objects of an image exist, after a possible creator has had time: two seconds for the header, which takes
    /// milliseconds, and a moment for what is written together with it.
    ///
    /// `nil` if the name has another image by then.
    private func settledParts(_ place: Place, _ imageID: String) async throws(VolumeError) -> ImageParts? {
        let end = ContinuousClock.now + .seconds(2)
        var looksWithHeader = 0
        while true {
            let parts = try await place.trying("look up image") { () async throws(RBDError) in
                try await place.context.imageParts(named: place.id.image, id: imageID)
            }
            if parts.header != nil { looksWithHeader += 1 }
            guard looksWithHeader < 2, .now < end else { return parts }
            try? await Task.sleep(for: .milliseconds(200))
            guard try await place.imageID() == imageID else { return nil }
        }
    }

    /// Throws if the pool's directory lists the name, which has no id object, for an image that is not Nacre's, or is not
    /// to be deleted and has data.
    ///
    /// For a deletion, it writes the trash mark on an image of Nacre's, because the image goes to the trash.
    ///
    /// - Returns: How long the image is to be kept there.
    private func refuseListedStranger(
        _ place: Place,
        isDeletion: Bool,
        noting notes: [String: String],
        at now: Duration
    ) async throws(VolumeError) -> Duration {
        let listed = try await place.trying("look up image") { () async throws(RBDError) -> String? in
            guard let listed = try await place.context.listedID(of: place.id.image),
                try await place.context.trashRecord(ofID: listed) == nil
            else { return nil }
            return listed
        }
        guard let listed, let marks = try await place.marks(listed) else { return .zero }
        try await place.requireOurs("mend image", listed, marks)
        guard isDeletion else {
            guard try await lostData(place, listed) != nil else { return .zero }
            throw VolumeError(
                .failedPrecondition,
                "cannot mend image '\(place.id.imageSpec)': \(Self.lostName(place.id, listed))"
            )
        }
        let kept = try place.retention(marks) ?? retention
        _ = try await place.remark(listed, at: now, isMoving: false, kept > .zero ? notes : [:])
        return kept
    }
}
