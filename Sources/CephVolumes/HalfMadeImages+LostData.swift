internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Synchronization
internal import Volumes

extension HalfMadeImages {
    /// For how long it is remembered that an image has no data: longer than a caller waits before it repeats its call.
    private static let memory = Duration.seconds(900)

    /// Data of an image that has lost its header or its name; `nil` only where there is none, however far behind it begins.
    ///
    /// Without an object map, all objects of its pools are looked at, on threads that nothing else needs. In a pool of
    /// many that takes longer than a call may, so the look goes on, and a repetition of the call joins it, or finds what it
    /// found. Once: what was found says nothing of a later time.
    ///
    /// - Parameters:
    ///   - place: The image's pool.
    ///   - imageID: The image's id.
    /// - Returns: One of its data objects.
    /// - Throws: `VolumeError`, with `.deadlineExceeded` where the look has not come to its end yet, and
    ///   `.failedPrecondition` where none was found, and a pool that may have it lets nobody look.
    func lostData(_ place: Place, _ imageID: String) async throws(VolumeError) -> LostData? {
        let pools = try await poolsOfData(place, imageID)
        let near = try await look(place, imageID, in: pools) { (context, pools) async throws(RBDError) in
            try await context.data(ofHeaderless: imageID, in: pools)
        }
        if let near { return near }
        // Another cluster can have an image of that id, and another user may look into more or fewer pools.
        let image = "\(place.id) \(imageID) \(place.credentials)"
        let now = ContinuousClock.now
        let isKnown = emptyImages.withLock { images in
            images = images.filter { $0.value + Self.memory > now }
            return images.removeValue(forKey: image) != nil
        }
        guard !isKnown else { return nil }
        let found = try await access.looks.run(
            "look for data of image '\(place.id.imageSpec)' among all objects of its pools",
            on: "data \(place.id) \(imageID)",
            fingerprint: "\(place.credentials)",
            deadline: now + longestLook
        ) { () async throws(VolumeError) -> LostData? in
            let data = try await self.look(place, imageID, in: pools) { (context, pools) async throws(RBDError) in
                try await context.listedData(ofHeaderless: imageID, in: pools) { self.lister(of: $0, place) }
            }
            if data == nil { self.emptyImages.withLock { $0[image] = .now } }
            return data
        }
        // Its caller has heard it.
        if found == nil { emptyImages.withLock { _ = $0.removeValue(forKey: image) } }
        return found
    }

    /// A thread for the lists of one pool: they go one after the other, and one that is silent holds up no other.
    private func lister(of pool: String, _ place: Place) -> BlockingPool {
        let key = PoolAddress(clusterID: place.id.clusterID, pool: pool)
        return listers.withLock { listers in
            if let there = listers[key] { return there }
            let new = BlockingPool(threads: 1)
            listers[key] = new
            return new
        }
    }

    /// The pools that may have the image's data: its own, and, where nothing says which, those that can hold images' data
    /// and are not another application's.
    private func poolsOfData(_ place: Place, _ imageID: String) async throws(VolumeError) -> [String] {
        let pools = try await place.trying("look for data of image") { () async throws(RBDError) in
            try await place.context.poolsOfData(ofImageID: imageID, named: place.id.image)
        }
        guard pools.count > 1,
            let state = await access.answer(ofCluster: place.id.clusterID, as: place.credentials).state
        else { return pools }
        return pools.filter { $0.isExactly(place.id.pool) || state.pool($0)?.canHaveData != false }
    }

    /// Looks as the image's user, and, where that user may not, as the service's own.
    private func look(
        _ place: Place,
        _ imageID: String,
        in pools: [String],
        _ body: (IOContext, [String]) async throws(RBDError) -> DataLook
    ) async throws(VolumeError) -> LostData? {
        let look = try await place.trying("look for data of image") { () async throws(RBDError) in
            try await body(place.context, pools)
        }
        guard look.data == nil, !look.refusedPools.isEmpty else { return look.data }
        // Who mends an image need not be who made it, and may have lost caps since.
        var refused = look.refusedPools
        if let service = try? await access.place(of: place.id, as: nil), service.credentials != place.credentials {
            let second: DataLook? = try? await body(service.context, refused)
            if let data = second?.data { return data }
            refused = second?.refusedPools ?? refused
        }
        guard let pool = refused.first else { return nil }
        // librbd makes it and no volume of it yet: its maker, who can look into its pools, was killed. A mark that the maker
        // of another image left under this name says nothing of this one.
        if let mark = try await place.begun(.making), !mark.makers(of: imageID).isEmpty { return nil }
        let namespace = place.id.namespace.isEmpty ? "" : " namespace=\(place.id.namespace)"
        let caps = refused.map { "profile rbd pool=\($0)\(namespace)" }.joined(separator: ", ")
        throw VolumeError(
            .failedPrecondition,
            "cannot tell whether image '\(place.id.imageSpec)', which has lost its header or its name, has data in pool "
                + "'\(pool)': Ceph lets neither \(place.credentials) nor the service's own user look there, so nothing was "
                + "changed; repeat this as a user with the caps osd '\(caps)' besides, or give them to the service's own user"
        )
    }
}

extension ClusterState.Pool {
    /// Whether images may have data there: not in a pool of another application, nor in one that takes no overwrites.
    var canHaveData: Bool {
        allowsOverwrites && (applicationNames.isEmpty || applicationNames.contains { $0.isExactly("rbd") })
    }
}
