public import Secrets
internal import Synchronization
public import Volumes

extension InMemoryImageStore {
    /// All snapshots.
    public var allSnapshots: [Snapshot] { state.withLock { Array($0.snapshots.values) } }

    /// Takes a snapshot, or finds it.
    public func takeSnapshot(
        _ name: String,
        of id: VolumeID,
        notes: SnapshotNotes,
        credentials: Credentials
    ) async throws(VolumeError) -> Snapshot {
        guard case .present(let record) = try await image(id, credentials: credentials) else {
            throw VolumeError(.notFound, "volume '\(id)' does not exist: there is no image '\(id.imageSpec)'")
        }
        try refuseIfNotOurs("take a snapshot of image", id)
        let snapshotID = try SnapshotID(of: id, imageID: imageID(of: id), name: name)
        let snapshot = state.withLock { state -> Snapshot? in
            let same = state.snapshots.keys.first { other in
                other.clusterID == id.clusterID && other.pool == id.pool && other.namespace == id.namespace
                    && other.name == name
            }
            if let same {
                guard same == snapshotID, let found = state.snapshots[same], found.name == notes.name else {
                    return nil
                }
                return found
            }
            let new = Snapshot(
                id: snapshotID,
                source: id,
                sourceHandle: notes.source,
                sizeBytes: record.sizeBytes,
                created: .seconds(1_764_000_000 + Int64(state.snapshots.count)),
                name: notes.name,
                notes: notes.others
            )
            state.snapshots[snapshotID] = new
            state.formats[snapshotID] = state.images[id]?.metadata[ImageMetadataKey.format]
            return new
        }
        guard let snapshot else {
            throw VolumeError(.alreadyExists, "snapshot '\(notes.name)' exists, of another volume; choose another name")
        }
        return snapshot
    }

    /// A snapshot.
    public func snapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError) -> Snapshot? {
        state.withLock { $0.snapshots[id] }
    }

    /// A snapshot of that name in the volume's pool, if it was requested so.
    public func begunSnapshot(
        _ name: String,
        requested requestName: String,
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError) -> SnapshotID? {
        state.withLock { state in
            state.snapshots.values.first { other in
                other.id.clusterID == id.clusterID && other.id.pool == id.pool && other.id.namespace == id.namespace
                    && other.id.name == name && other.name == requestName && other.sourceHandle == id.description
            }?.id
        }
    }

    /// Removes a snapshot.
    public func removeSnapshot(_ id: SnapshotID, credentials: Credentials?) async throws(VolumeError) {
        enter(SnapshotStep.removingSnapshot, id.description)
        state.withLock { state in
            state.snapshots[id] = nil
            state.formats[id] = nil
            Self.releaseKept(in: &state)
        }
    }

    /// The snapshots of a volume.
    public func snapshots(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [Snapshot] {
        state.withLock { state in
            state.snapshots.values.filter { $0.source == id }.sorted { $0.created < $1.created }
        }
    }

    /// A part of all snapshots.
    public func snapshots(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> SnapshotList {
        let path = { (snapshot: Snapshot) in
            "\(snapshot.id.clusterID)/\(snapshot.id.pool)/\(snapshot.id.name)"
        }
        let start = cursor.map { "\($0.clusterID)/\($0.pool)/\($0.image)" } ?? ""
        let all = allSnapshots.filter { path($0) > start }.sorted { path($0) < path($1) }
        return SnapshotList(Array(all.prefix(limit)))
    }

    /// What a volume can be made from.
    public func cloneSource(
        _ origin: CloneOrigin,
        credentials: Credentials
    ) async throws(VolumeError) -> CloneSource? {
        switch origin {
        case .volume(let id):
            guard case .present(let record) = try await image(id, credentials: credentials) else { return nil }
            try refuseIfNotOurs("clone image", id)
            return CloneSource(sizeBytes: record.sizeBytes, metadata: images[id]?.metadata ?? [:])
        case .snapshot(let id):
            return state.withLock { state in
                guard let snapshot = state.snapshots[id] else { return nil }
                let image = state.ids.first { $0.value == id.imageID }?.key
                let metadata = image.flatMap { state.images[$0]?.metadata } ?? [:]
                return CloneSource(sizeBytes: snapshot.sizeBytes, metadata: metadata)
            }
        }
    }

    /// Makes an image with what its source's says of its file system.
    public func cloneImage(
        _ id: VolumeID,
        of origin: CloneOrigin,
        sized: @Sendable (UInt64) throws(VolumeError) -> UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64 {
        enter(SnapshotStep.cloningImage, id.imageSpec)
        guard let source = try await cloneSource(origin, credentials: credentials) else {
            throw VolumeError(.notFound, "\(origin) is gone")
        }
        let sizeBytes = try sized(source.sizeBytes)
        try await createImage(
            id,
            sizeBytes: sizeBytes,
            layout: layout,
            metadata: metadata,
            isVacant: false,
            credentials: credentials
        )
        state.withLock { state in
            switch origin {
            case .snapshot(let snapshot):
                state.parents[id] = snapshot.imageID
                let format = state.formats[snapshot]
                state.images[id]?.metadata[ImageMetadataKey.format] = format
            case .volume(let volume):
                state.parents[id] = Self.imageID(of: volume, in: &state)
                let format = state.images[volume]?.metadata[ImageMetadataKey.format]
                state.images[id]?.metadata[ImageMetadataKey.format] = format
            }
        }
        return sizeBytes
    }

    /// Nothing is half made here.
    public func removeHalfMadeClone(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool {
        false
    }

    /// Nothing is left.
    public func endClone(_ id: VolumeID, of origin: CloneOrigin, credentials: Credentials) async throws(VolumeError) {}

    /// The id of an image, which it keeps when it is renamed.
    func imageID(of id: VolumeID) -> String { state.withLock { Self.imageID(of: id, in: &$0) } }

    private static func imageID(of id: VolumeID, in state: inout State) -> String {
        if let known = state.ids[id] { return known }
        let new = String(UInt64.random(in: 0x1000...0xffff_ffff), radix: 16)
        state.ids[id] = new
        return new
    }

    /// Renames an image that has snapshots or clones; returns whether it has.
    static func keep(_ id: VolumeID, in state: inout State) -> Bool {
        guard let imageID = state.ids[id], isNeeded(imageID, in: state), var entry = state.images[id],
            let kept = try? VolumeID(
                clusterID: id.clusterID,
                pool: id.pool,
                namespace: id.namespace,
                image: KeptMark.name(ofImageID: imageID)
            )
        else { return false }
        entry.metadata[ImageMetadataKey.kept] =
            KeptMark(volume: id.description, image: kept.imageSpec, deletedAt: 1_764_000_000, user: "tester").text
        state.images[id] = nil
        state.ids[id] = nil
        state.images[kept] = entry
        state.ids[kept] = imageID
        state.parents[kept] = state.parents[id]
        state.parents[id] = nil
        for snapshot in state.snapshots.keys where snapshot.imageID == imageID {
            state.snapshots[snapshot]?.source = nil
        }
        return true
    }

    /// Moves kept images to the trash that nothing needs any more.
    static func releaseKept(in state: inout State) {
        while let unneeded = state.images.keys.first(where: { id in
            id.image.hasPrefix(KeptMark.namePrefix) && !(state.ids[id].map { isNeeded($0, in: state) } ?? false)
        }) {
            state.images[unneeded] = nil
            state.ids[unneeded] = nil
            state.parents[unneeded] = nil
            state.trash.append(unneeded)
        }
    }

    private static func isNeeded(_ imageID: String, in state: State) -> Bool {
        state.snapshots.keys.contains { $0.imageID == imageID } || state.parents.values.contains(imageID)
    }
}
