internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

extension RBDImageStore {
    /// What there is under a name: two reads at once where there is nothing, and three at once and one more where there is
    /// an image, which is not opened.
    ///
    /// An image that the pool's directory lists, and whose id object is gone, may hold data: it is damaged.
    public func image(_ id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> ImageState {
        let place = try await access.place(of: id, as: credentials)
        let found = try await place.trying("look up image") { () async throws(RBDError) -> ImageState? in
            async let listing = caught { () async throws(RBDError) in try await place.context.listedID(of: id.image) }
            guard let imageID = try await place.context.imageID(named: id.image) else {
                // Another process deleted it: the id must not lead what follows to the old image in the trash.
                ids.forget(id)
                guard let listed = try await listing.get() else { return .absent }
                if let entry = try await place.context.trashRecord(ofID: listed) {
                    // A repetition of the delete ends it; of the volume's own calls none sees an image.
                    guard credentials == nil, entry.state == .moving else { return .absent }
                    return .halfMade("its move to the trash is under way, or was broken off: delete it again")
                }
                // Who makes the volume learns it when it is mended; who only looks learns it here.
                guard credentials != nil else { return .halfMade(HalfMadeImages.lostName(id, listed)) }
                // Without a header it is what a killed create left, and the next one takes it over.
                guard try await place.context.imageHeader(id: listed) != nil else { return .absent }
                return .damaged(HalfMadeImages.lostName(id, listed))
            }
            // What the directory said may be older than the id, so it is asked again.
            let parts = try await place.context.imageParts(named: id.image, id: imageID)
            guard let header = parts.header else {
                // Who makes the volume learns it when it is mended; who only looks learns it here.
                let nothing = ImageState.halfMade("it has an id but no header")
                guard credentials == nil else { return nothing }
                let pools = try await place.context.poolsOfData(ofImageID: imageID, named: id.image)
                guard let data = try await place.context.data(ofHeaderless: imageID, in: pools).data else {
                    return nothing
                }
                return .damaged(HalfMadeImages.lostHeader(id, imageID, data))
            }
            ids.remember(imageID, of: id)
            guard parts.hasObjectMap || !header.features.contains(.objectMap) else {
                return .halfMade("it has no object map")
            }
            guard parts.isListed else { return .halfMade("the pool's directory does not list it") }
            // One that was taken away between the reads, and whose maker comes late, is no volume.
            guard try await place.context.imageID(named: id.image) == imageID else {
                return .halfMade("its name leads to another by now")
            }
            guard header.dataPoolID < 0 else { return nil }
            return .present(Self.record(header, dataPool: nil))
        }
        if let found { return found }
        return try await imageWithDataPool(place)
    }

    /// An image's size and the pool of its data: two reads.
    public func extent(of id: VolumeID, credentials: Credentials) async throws(VolumeError) -> ImageExtent? {
        let place = try await access.place(of: id, as: credentials)
        let header = try await place.trying("look up image") { () async throws(RBDError) -> ImageHeader? in
            guard let imageID = try await place.context.imageID(named: id.image) else { return nil }
            return try await place.context.imageHeader(id: imageID)
        }
        guard let header else { return nil }
        return ImageExtent(sizeBytes: header.sizeBytes, dataPool: try await dataPool(of: header, place))
    }

    /// The rare case: the name of another pool needs the cluster map.
    private func imageWithDataPool(_ place: Place) async throws(VolumeError) -> ImageState {
        guard let imageID = ids[place.id] else { return .absent }
        let header = try await place.trying("look up image") { () async throws(RBDError) in
            try await place.context.imageHeader(id: imageID)
        }
        guard let header else { return .halfMade("it has an id but no header") }
        return .present(Self.record(header, dataPool: try await dataPool(of: header, place)))
    }

    /// The name of the pool that an image's data is in, where that is another than its header's.
    private func dataPool(of header: ImageHeader, _ place: Place) async throws(VolumeError) -> String? {
        guard header.dataPoolID >= 0 else { return nil }
        return try await place.blocking("look up the data pool of image") { (context) throws(RBDError) in
            do throws(RADOSError) {
                return try context.cluster.poolName(id: header.dataPoolID)
            } catch {
                throw RBDError(error)
            }
        }
    }

    /// Whether the pool's directory has nothing under a name, and an image can be made there object by object: one read; if
    /// the pool was not looked at within a second, two at once, and one more in a RADOS namespace.
    ///
    /// The name itself is not read: the first write of `createPlainImage` takes it only if it is free.
    public func isVacant(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool {
        let place = try await access.place(of: id, as: credentials)
        guard place.allows(objectCalls) else { return false }
        let isVacant = try await place.trying("look up image") { () async throws(RBDError) in
            async let isUnlisted = caught { () async throws(RBDError) in
                try await place.context.directoryLacks(id.image)
            }
            let isPlain = try await isPlain(place)
            return try await isUnlisted.get() && isPlain
        }
        // Another process deleted it: the id must not lead what follows to the old image in the trash.
        if isVacant { ids.forget(id) }
        return isVacant
    }

    private func isPlain(_ place: Place) async throws(RBDError) -> Bool {
        guard !plainPools.contains(place) else { return true }
        let begin = ContinuousClock.now
        guard try await place.context.takesPlainImages() else { return false }
        plainPools.note(place, at: begin)
        return true
    }

    /// Makes an image object by object, or with `rbd_create4` where it is not a plain one.
    public func createImage(
        _ id: VolumeID,
        sizeBytes: UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        isVacant: Bool,
        credentials: Credentials
    ) async throws(VolumeError) {
        let place = try await access.place(of: id, as: credentials)
        let options = Self.options(layout)
        if let dataPool = layout.dataPool { try await checkAccess(to: dataPool, place) }
        let imageID = try await place.trying("create image", creating: layout) { () async throws(RBDError) -> String? in
            guard place.allows(objectCalls) else { return nil }
            return try await place.context.createPlainImage(
                id.image,
                sizeBytes: sizeBytes,
                options: options,
                metadata: place.placed(metadata),
                isPlainPlace: isVacant ? true : nil,
                named: { enter(VolumeStep.writingHeader, id.imageSpec) }
            )
        }
        if let imageID {
            access.note(place)
            return ids.remember(imageID, of: id)
        }
        // A mark would say of an image that has the name already, and is not listed yet, that it is being made.
        if isVacant, try await place.imageID() != nil {
            throw VolumeError(.alreadyExists, "image '\(id.imageSpec)' exists")
        }
        try await place.begin(.making)
        do throws(VolumeError) {
            try await place.waiting("create image", creating: layout) { (context) throws(RBDError) in
                try context.createImage(id.image, sizeBytes: sizeBytes, options: options)
            }
        } catch {
            // To whoever looks for the image that exists, there is none.
            guard error.code == .alreadyExists, let other = await otherImage(of: id, place) else { throw error }
            throw VolumeError(.failedPrecondition, "cannot create image '\(id.imageSpec)': \(other)")
        }
        enter(VolumeStep.settingMetadata, id.imageSpec)
        try await setMetadata(metadata, of: id, credentials: credentials)
        try await place.end(.making)
    }

    /// What has the name of an image that is not there, for a person; nothing when nothing has.
    public func namesake(of id: VolumeID, credentials: Credentials?) async -> String? {
        guard let place = try? await access.place(of: id, as: credentials) else { return nil }
        return await otherImage(of: id, place)
    }

    private func otherImage(of id: VolumeID, _ place: Place) async -> String? {
        guard (try? await place.context.holdsOldImage(named: id.image)) == true else { return nil }
        return "an image of format 1 has its name, which nacre neither makes nor uses; move it away: rbd mv "
            + "\(id.imageSpec.shellWord) NEW-NAME, or take its data over: rbd export and rbd import"
    }

    /// librbd makes an image without looking whether this user may do anything in the pool of its data; who may not finds
    /// out when the image is deleted, and its data stays.
    func checkAccess(to dataPool: String, _ place: Place) async throws(VolumeError) {
        let context: IOContext
        do throws(RADOSError) {
            context = try await place.link.context(pool: dataPool, namespace: place.id.namespace)
        } catch {
            throw ErrorMapping.openingPool(dataPool, of: place.id.clusterID, error, namedBy: "dataPool")
        }
        let data = Place(
            id: try VolumeID(
                clusterID: place.id.clusterID,
                pool: dataPool,
                namespace: place.id.namespace,
                image: place.id.image
            ),
            link: place.link,
            context: context,
            credentials: place.credentials,
            looks: place.looks
        )
        // No object has that name: what is asked is whether this user may write there.
        _ = try await data.trying("create data of image") { () async throws(RBDError) in
            do throws(RADOSError) {
                return try await context.remove("rbd_data.nacre.probe")
            } catch {
                throw RBDError(error)
            }
        }
    }

    static func options(_ layout: ImageLayout) -> ImageOptions {
        var options = ImageOptions()
        if let names = layout.features {
            options.features = ImageFeatures(
                ImageFeatures.named.filter { names.contains($0.name) }.map(\.feature)
            )
        }
        options.objectSizeBytes = layout.objectSizeBytes
        options.stripeUnitBytes = layout.stripeUnitBytes
        options.stripeCount = layout.stripeCount
        options.dataPool = layout.dataPool
        return options
    }

    /// An image's metadata: one read of its id where that is not known, and one of its header.
    ///
    /// Nacre's own are all there, also behind many keys of others, which takes another read.
    public func metadata(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [String: String]? {
        let place = try await access.place(of: id, as: credentials)
        let there = try await place.trying("read the metadata of image") { () async throws(RBDError) in
            try await found(id, place)
        }
        // More than one read brings: some of ours may be behind them.
        guard let (imageID, present) = there, present.count >= 64 else { return there?.metadata }
        return present.merging(try await place.marks(imageID) ?? [:]) { $1 }
    }

    /// An image's id and its metadata; an id that was remembered and leads nowhere is asked for again.
    private func found(
        _ id: VolumeID,
        _ place: Place
    ) async throws(RBDError) -> (imageID: String, metadata: [String: String])? {
        for isSecondRound in [false, true] {
            var imageID = isSecondRound ? nil : ids[id]
            if imageID == nil { imageID = try await place.context.imageID(named: id.image) }
            guard let imageID, let metadata = try await place.context.metadata(ofImageID: imageID) else { continue }
            return (imageID, metadata)
        }
        return nil
    }

    /// Writes metadata with one class call, unless it is there.
    public func setMetadata(
        _ metadata: [String: String],
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError) {
        let place = try await access.place(of: id, as: credentials)
        async let isMarked = caught { () async throws(VolumeError) in try await place.isBegun(.making) }
        let there = try await place.trying("read the metadata of image") { () async throws(RBDError) in
            try await found(id, place)
        }
        guard let (imageID, present) = there else {
            ids.forget(id)
            throw VolumeError(.notFound, "cannot set metadata of image '\(id.imageSpec)': it is not there")
        }
        var marks = present
        // Behind many keys of others, ours are not among the first that were read.
        if !ImageOrigin(marks, of: id).isOurs { marks = try await place.marks(imageID) ?? [:] }
        // A create was killed at its very end, and the image had its marks: if it loses its header, it may have data.
        if ImageOrigin(marks, of: id).isOurs, case .success(true) = await isMarked { try await place.end(.making) }
        try await place.requireOurs("use image", imageID, marks)
        var metadata = metadata
        // What an image was adopted for, and what an earlier release made, it stays.
        if metadata[ImageMetadataKey.requestName] != nil, ImageOrigin(marks, of: id) == .made {
            metadata = place.placed(metadata)
        }
        ids.remember(imageID, of: id)
        guard !metadata.allSatisfy({ present[$0.key]?.isExactly($0.value) == true }) else { return }
        try await place.trying("set metadata of image") { () async throws(RBDError) in
            try await place.context.setMetadata(metadata, ofImageID: imageID)
        }
    }

    static func record(_ header: ImageHeader, dataPool: String?) -> ImageRecord {
        ImageRecord(
            sizeBytes: header.sizeBytes,
            features: header.features.names,
            objectSizeBytes: header.objectSizeBytes,
            stripeUnitBytes: header.stripeUnitBytes,
            stripeCount: header.stripeCount,
            dataPool: dataPool
        )
    }
}
