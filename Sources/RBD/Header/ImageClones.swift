internal import Blocking
internal import ExactText
internal import RADOS
internal import SystemPackage

/// An image that was cloned from a snapshot of another, and needs it.
public struct ImageClone: Sendable, Hashable {
    /// The name of its pool, or its number where the pool has none any more.
    public let pool: String
    /// The RADOS namespace it is in.
    public let namespace: String
    /// Its id.
    public let id: String
    /// Its name; `nil` where this user may not read it, or nobody knows it.
    public let name: String?
    /// Whether it lies in the trash.
    public let isInTrash: Bool
    /// Whether it has snapshots of its own, which need the snapshot too.
    public let hasSnapshots: Bool
    /// Whether they need it also when the image itself was flattened: it has not the feature deep-flatten.
    public let keepsBond: Bool
}

extension IOContext {
    /// The images that were cloned from snapshots of an image.
    ///
    /// A clone of format 2 stands on the header of its parent, one of format 1 in the list of its own pool, whichever that
    /// is. Two reads at most for each snapshot without clones of format 1, and one for each pool of the cluster and each
    /// protected snapshot.
    ///
    /// Implements the class calls `rbd.children_list` and `rbd.get_children`. Similar to: rbd children --all.
    ///
    /// - Parameters:
    ///   - snapshots: The image's snapshots.
    ///   - id: The image's id.
    /// - Returns: The clones that were found, each once, and whether a list could not be read.
    func clones(
        of snapshots: [ImageSnapshot],
        ofImageID id: String
    ) async -> (found: [ImageClone], isPartial: Bool) {
        var isPartial = false
        var places: [ClonePlace] = []
        for snapshot in snapshots where snapshot.cloneCount > 0 {
            guard let children = try? await children(of: snapshot.id, ofImageID: id) else {
                isPartial = true
                continue
            }
            places += children
        }
        let protected = snapshots.filter(\.isProtected).map(\.id)
        if !protected.isEmpty {
            guard let pools = try? cluster.poolNames() else { return ([], true) }
            for answer in await oldClones(of: protected, ofImageID: id, in: pools.sortedExactly()) {
                if let found = answer { places += found } else { isPartial = true }
            }
        }
        var seen: Set<ClonePlace> = []
        places = places.filter { seen.insert($0).inserted }
        var found: [ImageClone] = []
        let looked = Array(places.prefix(Self.mostClones))
        let limit = ContinuousClock.now + Self.patience
        let known = await withTaskGroup(of: (Int, ImageClone?).self) { group -> [Int: ImageClone] in
            for (index, place) in looked.enumerated() {
                group.addTask { (index, await bounded(until: limit) { await self.clone(at: place) }) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (index, place) in looked.enumerated() { found.append(known[index] ?? ImageClone(place, name: nil)) }
        return (found, isPartial || places.count > Self.mostClones)
    }

    /// How many clones are looked at: a person goes on from there.
    private static var mostClones: Int { 16 }
    /// How long a pool is waited for: one that is silent must not hold up what is asked for.
    private static var patience: Duration { .seconds(5) }

    /// The clones of format 1 in each of some pools, all asked at once; `nil` for what is not answered.
    private func oldClones(
        of snapshots: [UInt64],
        ofImageID id: String,
        in pools: [String]
    ) async -> [[ClonePlace]?] {
        let limit = ContinuousClock.now + Self.patience
        let answers = await withTaskGroup(of: OldClones.self) { group in
            for (index, pool) in pools.enumerated() {
                group.addTask {
                    let found = await bounded(until: limit) { () async -> [ClonePlace]? in
                        var places: [ClonePlace] = []
                        for snapshot in snapshots {
                            guard let ids = try? await self.oldClones(of: snapshot, ofImageID: id, in: pool) else {
                                return nil
                            }
                            places += ids.map { ClonePlace(pool: pool, namespace: self.namespace, id: $0) }
                        }
                        return places
                    }
                    return OldClones(index: index, places: found ?? nil)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return answers.sorted { $0.index < $1.index }.map(\.places)
    }

    private struct OldClones: Sendable {
        let index: Int
        let places: [ClonePlace]?
    }

    /// Where a clone is.
    struct ClonePlace: Sendable, Hashable {
        let pool: String
        let namespace: String
        let id: String

        static func == (one: Self, other: Self) -> Bool {
            one.pool.isExactly(other.pool) && one.namespace.isExactly(other.namespace) && one.id.isExactly(other.id)
        }

        func hash(into hasher: inout Hasher) {
            for part in [pool, namespace, id] { hasher.combine(ExactText(part)) }
        }
    }

    /// Clones of format 2.
    ///
    /// See: cls_rbd_types.h, `ChildImageSpec`.
    func children(of snapshot: UInt64, ofImageID id: String) async throws(RBDError) -> [ClonePlace] {
        var input = Encoder()
        input.append(snapshot)
        let call = ClassCall("rbd", "children_list", input: input.bytes)
        let header = ImageObject.header(ofID: id)
        guard let answers = try await classCalls([call], on: header) else { return [] }
        var decoder = Decoder(answers[0])
        let malformed = RBDError(call: "rbd.children_list", code: .ioError, subject: "\(label)/\(header)")
        guard let count = decoder.number(UInt32.self) else { throw malformed }
        var places: [ClonePlace] = []
        // Many clones lie in few pools.
        var names: [Int64: String] = [self.poolID: pool]
        for _ in 0..<count {
            guard var child = decoder.structure(), let poolID = child.number(Int64.self),
                let id = child.string(), let namespace = child.string()
            else { throw malformed }
            if names[poolID] == nil { names[poolID] = (try? await cluster.nameOfPool(poolID)) ?? "\(poolID)" }
            places.append(ClonePlace(pool: names[poolID] ?? "\(poolID)", namespace: namespace, id: id))
        }
        return places
    }

    /// Clones of format 1 that lie in a pool, which are in the namespace of their parent.
    private func oldClones(
        of snapshot: UInt64,
        ofImageID id: String,
        in pool: String
    ) async throws(RBDError) -> [String] {
        var input = Encoder()
        input.append(poolID)
        input.append(id)
        input.append(snapshot)
        let call = ClassCall("rbd", "get_children", input: input.bytes)
        guard let context = try await context(inPool: pool, namespace) else { return [] }
        guard let answers = try await context.classCalls([call], on: ImageObject.children) else { return [] }
        var decoder = Decoder(answers[0])
        guard let count = decoder.number(UInt32.self) else {
            throw RBDError(call: "rbd.get_children", code: .ioError, subject: "\(pool)/\(ImageObject.children)")
        }
        return (0..<count).compactMap { _ in decoder.string() }
    }

    /// What is known of a clone; what this user may not read is left out.
    private func clone(at place: ClonePlace) async -> ImageClone {
        guard let context = try? await context(inPool: place.pool, place.namespace) else {
            return ImageClone(place, name: nil)
        }
        let named = try? await context.listedName(of: place.id)
        let trashed = named == nil ? try? await context.trashRecord(ofID: place.id) : nil
        let own = try? await context.ownSnapshots(place.id)
        return ImageClone(
            place,
            name: named ?? trashed?.name,
            isInTrash: trashed != nil,
            hasSnapshots: own?.areThere ?? false,
            keepsBond: own?.keepBond ?? false
        )
    }

    /// Whether an image has snapshots, and whether a flatten leaves their parent to them.
    ///
    /// See: librbd's operation/FlattenRequest.cc, `detach_child`.
    private func ownSnapshots(_ id: String) async throws(RBDError) -> (areThere: Bool, keepBond: Bool) {
        var input = Encoder()
        input.append(UInt64.max - 1)  // CEPH_NOSNAP
        input.append(true)
        let calls = [ClassCall("rbd", "get_snapcontext"), ClassCall("rbd", "get_features", input: input.bytes)]
        guard let answers = try await classCalls(calls, on: ImageObject.header(ofID: id)) else { return (false, false) }
        var decoder = Decoder(answers[0])
        var features = Decoder(answers[1])
        guard decoder.number(UInt64.self) != nil, let count = decoder.number(UInt32.self), count > 0 else {
            return (false, false)
        }
        let bits = features.number(UInt64.self).map { ImageFeatures(rawValue: $0) }
        return (true, bits?.contains(.deepFlatten) == false)
    }
}

extension ImageClone {
    fileprivate init(
        _ place: IOContext.ClonePlace,
        name: String?,
        isInTrash: Bool = false,
        hasSnapshots: Bool = false,
        keepsBond: Bool = false
    ) {
        self.init(
            pool: place.pool,
            namespace: place.namespace,
            id: place.id,
            name: name,
            isInTrash: isInTrash,
            hasSnapshots: hasSnapshots,
            keepsBond: keepsBond
        )
    }
}
