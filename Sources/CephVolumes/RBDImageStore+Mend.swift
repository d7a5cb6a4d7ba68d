internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
public import Volumes

extension RBDImageStore {
    /// Brings a half-made image to an end.
    ///
    /// | what is left | what is done |
    /// | --- | --- |
    /// | a directory entry, no id | the entry is removed |
    /// | the same, with a header | the image goes to the trash |
    /// | the same, with a header and data | throws: the id object is lost; for a deletion the image goes to the trash |
    /// | an id, no header | waits, because another process may be creating it; then removes everything |
    /// | an id, no header, data in any pool | throws: the header is lost, and the image can be had back |
    /// | a header, not listed, or with another's id | it is listed: the image may hold data |
    /// | a header, listed by another name that leads to it | `rbd rename` is brought to its end: the name is free |
    /// | a header, no object map | `rbd_rebuild_object_map`: the image may hold data |
    /// | all | nothing: another process was faster |
    public func mendImage(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) {
        try await mend(id, credentials: credentials, isDeletion: false)
    }

    /// As `mendImage`; with `isDeletion`, an image that has lost its id object goes to the trash, with Nacre's mark.
    func mend(_ id: VolumeID, credentials: Credentials, isDeletion: Bool) async throws(VolumeError) {
        let place = try await place(of: id, as: credentials)
        guard let imageID = try await imageID(place) else {
            let now = Duration.sinceEpoch
            try await refuseListedStranger(place, isDeletion: isDeletion, at: now)
            return try await place.trying("mend image") { () async throws(RBDError) in
                try await place.context.mendListing(of: id.image, at: now)
            }
        }
        guard let parts = try await settledParts(place, imageID) else { return }
        guard let header = parts.header else {
            try await refuseIfHeaderIsLost(place, imageID)
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
    private func refuseIfHeaderIsLost(_ place: Place, _ imageID: String) async throws(VolumeError) {
        let data = try await place.trying("look for data of image") { () async throws(RBDError) -> LostData? in
            guard try await place.context.trashRecord(ofID: imageID) == nil else { return nil }
            return try await place.context.data(ofHeaderless: imageID)
        }
        guard let data else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot mend image '\(place.id.imageSpec)': \(Self.lostHeader(place.id, imageID, data))"
        )
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
            guard try await self.imageID(place) == imageID else { return nil }
        }
    }

    /// Throws if the pool's directory lists the name, which has no id object, for an image that is not Nacre's, or is not
    /// to be deleted and has data.
    ///
    /// For a deletion, it writes the trash mark on an image of Nacre's, because the image goes to the trash.
    private func refuseListedStranger(
        _ place: Place,
        isDeletion: Bool,
        at now: Duration
    ) async throws(VolumeError) {
        let listed = try await place.trying("look up image") { () async throws(RBDError) -> String? in
            guard let listed = try await place.context.listedID(of: place.id.image),
                try await place.context.trashRecord(ofID: listed) == nil
            else { return nil }
            return listed
        }
        guard let listed, let marks = try await place.marks(listed) else { return }
        try await place.requireOurs("mend image", listed, marks)
        guard isDeletion else {
            let data = try await place.trying("look for data of image") { () async throws(RBDError) in
                try await place.context.data(ofHeaderless: listed)
            }
            guard data != nil else { return }
            throw VolumeError(
                .failedPrecondition,
                "cannot mend image '\(place.id.imageSpec)': \(Self.lostName(place.id, listed))"
            )
        }
        _ = try await remark(place, listed, at: now)
    }

    func imageID(_ place: Place) async throws(VolumeError) -> String? {
        try await place.trying("look up image") { () async throws(RBDError) in
            try await place.context.imageID(named: place.id.image)
        }
    }
}
