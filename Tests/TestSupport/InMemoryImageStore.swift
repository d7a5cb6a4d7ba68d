public import Secrets
import Synchronization
public import Volumes

/// Images in memory, with the half-made states that a killed process leaves on Ceph.
///
/// `VolumeBehaviour` runs on it and on the real cluster alike; that keeps it honest.
public final class InMemoryImageStore: ImageStore {
    /// One image and what is known of it.
    public struct Entry: Sendable {
        /// What a look finds.
        public var state: ImageState
        /// Its metadata.
        public var metadata: [String: String] = [:]
        /// Who has it open.
        public var watchers: [String] = []

        var facts: VolumeFacts { VolumeFacts(metadata: metadata, users: watchers.sorted()) }
    }

    struct State {
        var images: [VolumeID: Entry] = [:]
        var trash: [VolumeID] = []
        var silentPools: Set<String> = []
        /// The ids of images that were asked for.
        var ids: [VolumeID: String] = [:]
        var snapshots: [SnapshotID: Snapshot] = [:]
        /// The notes of snapshots on what was known of their file systems.
        var formats: [SnapshotID: String] = [:]
        /// The image that each clone reads from, by its id.
        var parents: [VolumeID: String] = [:]
    }

    let state = Mutex(State())
    private let clusters: [String: String]

    /// Makes an empty store.
    ///
    /// - Parameter clusters: The clusters there are, each with its RADOS namespace.
    public init(clusters: [String: String] = ["lab": ""]) {
        self.clusters = clusters
    }

    /// All images with their states.
    public var images: [VolumeID: Entry] { state.withLock { $0.images } }

    /// What was moved to the trash, in order.
    public var trash: [VolumeID] { state.withLock { $0.trash } }

    /// Puts the half of an image there, or changes one.
    public func change(_ id: VolumeID, _ body: @Sendable (inout Entry) -> Void) {
        state.withLock { state in
            var entry = state.images[id] ?? Entry(state: .absent)
            body(&entry)
            state.images[id] = entry.state == .absent ? nil : entry
        }
    }

    /// Has the lists go on without a pool of cluster `lab`, or with it again.
    public func silence(_ pool: String, _ isSilent: Bool = true) {
        state.withLock { state in
            if isSilent { state.silentPools.insert(pool) } else { state.silentPools.remove(pool) }
        }
    }

    /// The namespace given at the start.
    public func namespace(ofCluster clusterID: String) throws(VolumeError) -> String {
        guard let namespace = clusters[clusterID] else {
            throw .invalid("cluster '\(clusterID)' is not configured")
        }
        return namespace
    }

    /// What there is under a name.
    public func image(_ id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> ImageState {
        state.withLock { $0.images[id]?.state ?? .absent }
    }

    /// An image's size and the pool of its data.
    public func extent(of id: VolumeID, credentials: Credentials) async throws(VolumeError) -> ImageExtent? {
        guard case .present(let record) = try await image(id, credentials: credentials) else { return nil }
        return ImageExtent(sizeBytes: record.sizeBytes, dataPool: record.dataPool)
    }

    /// There is no shorter way.
    public func isVacant(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool { false }

    /// Makes an image.
    public func createImage(
        _ id: VolumeID,
        sizeBytes: UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        isVacant: Bool,
        credentials: Credentials
    ) async throws(VolumeError) {
        let isNew = state.withLock { state in
            guard state.images[id] == nil else { return false }
            let record = ImageRecord(
                sizeBytes: sizeBytes,
                features: layout.features ?? ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"],
                objectSizeBytes: layout.objectSizeBytes ?? 4 << 20,
                stripeUnitBytes: layout.stripeUnitBytes ?? 4 << 20,
                stripeCount: layout.stripeCount ?? 1,
                dataPool: layout.dataPool
            )
            state.images[id] = Entry(state: .present(record), metadata: Self.placed(metadata, id))
            return true
        }
        guard isNew else { throw VolumeError(.alreadyExists, "image '\(id.imageSpec)' exists") }
    }

    /// Takes a half-made image away.
    public func mendImage(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) {
        state.withLock { state in
            guard case .halfMade = state.images[id]?.state else { return }
            state.images[id] = nil
        }
    }

    /// An image's metadata.
    public func metadata(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [String: String]? {
        state.withLock { $0.images[id]?.metadata }
    }

    /// Writes metadata beside what is there.
    public func setMetadata(
        _ metadata: [String: String],
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError) {
        try refuseIfNotOurs("use image", id)
        let isThere = state.withLock { state in
            let present = state.images[id]?.metadata ?? [:]
            let isPlaced = metadata[ImageMetadataKey.requestName] != nil && ImageOrigin(present, of: id) == .made
            state.images[id]?.metadata.merge(isPlaced ? Self.placed(metadata, id) : metadata) { $1 }
            return state.images[id] != nil
        }
        guard isThere else { throw VolumeError(.notFound, "image '\(id.imageSpec)' is gone") }
    }

    /// Grows an image, which never has a file system.
    public func growImage(
        _ id: VolumeID,
        toBytes sizeBytes: UInt64,
        ifBlank blank: BlankLimit?,
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64 {
        try refuseIfNotOurs("grow image", id)
        if let blank { throw blank.refusal }
        let size = state.withLock { state -> UInt64? in
            guard case .present(var record) = state.images[id]?.state else { return nil }
            record.sizeBytes = max(record.sizeBytes, sizeBytes)
            state.images[id]?.state = .present(record)
            return record.sizeBytes
        }
        guard let size else { throw VolumeError(.notFound, "image '\(id.imageSpec)' is gone") }
        return size
    }

    /// Moves an image to the trash unless it is watched.
    public func trashImage(
        _ id: VolumeID,
        noting notes: [String: String],
        credentials: Credentials
    ) async throws(VolumeError) {
        try refuseIfNotOurs("delete image", id)
        enter(VolumeStep.movingToTrash, id.imageSpec)
        let watchers = state.withLock { state -> [String] in
            guard let entry = state.images[id], entry.watchers.isEmpty else {
                return state.images[id]?.watchers ?? []
            }
            guard !Self.keep(id, in: &state) else { return [] }
            state.images[id] = nil
            state.ids[id] = nil
            state.parents[id] = nil
            if case .present = entry.state { state.trash.append(id) }
            Self.releaseKept(in: &state)
            return []
        }
        guard watchers.isEmpty else {
            throw VolumeError(
                .failedPrecondition,
                "image '\(id.imageSpec)' is open at \(watchers.joined(separator: ", "))"
            )
        }
    }

    static func placed(_ metadata: [String: String], _ id: VolumeID) -> [String: String] {
        metadata.merging([ImageMetadataKey.image: id.imageSpec]) { $1 }
    }

    func refuseIfNotOurs(_ doing: String, _ id: VolumeID) throws(VolumeError) {
        guard let entry = images[id], case .present = entry.state,
            !ImageOrigin(entry.metadata, of: id).isOurs
        else { return }
        throw .notOurs(doing, id.imageSpec, "an image that another program made", entry.metadata)
    }

    /// A page of images.
    public func images(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> ImagePage {
        let start = cursor.map { "\($0.clusterID)/\($0.pool)/\($0.image)" } ?? ""
        let (images, silent) = state.withLock { state in
            let images = state.images.compactMap { id, entry -> ListedImage? in
                guard case .present(let record) = entry.state, ImageName.endsInUUID(id.image),
                    !state.silentPools.contains(id.pool)
                else { return nil }
                return ListedImage(id: id, sizeBytes: record.sizeBytes, facts: entry.facts)
            }
            return (images, state.silentPools.sorted().map { MissingPlace(clusterID: "lab", pool: $0) })
        }
        let path = { (image: ListedImage) in "\(image.id.clusterID)/\(image.id.pool)/\(image.id.image)" }
        let page = images.filter { path($0) > start }.sorted { path($0) < path($1) }.prefix(limit)
        guard !page.isEmpty || silent.isEmpty else {
            throw VolumeError(.unavailable, "pools do not answer").lacking(silent)
        }
        return ImagePage(Array(page), missing: silent.map(\.key))
    }

    /// Only pool `full` has none.
    public func lackOfRoom(in pool: PoolAddress, as credentials: Credentials?) async -> String? {
        pool.pool == "full" ? "pool 'full' is full; add OSDs" : nil
    }

    /// A fixed number, which is no whole number of MiB, as a pool's is not.
    public func availableBytes(in pool: PoolAddress?, as credentials: Credentials?) async throws(VolumeError) -> UInt64
    {
        guard pool?.pool != "missing" else { throw .invalid("there is no pool 'missing'") }
        if pool?.pool == "full" { return 0 }
        if pool?.pool == "small" { return 1 << 30 }
        return (10 << 30) + 471_100
    }

    /// What its metadata says.
    public func facts(of id: VolumeID) async throws(VolumeError) -> VolumeFacts {
        guard let entry = images[id] else { throw VolumeError(.notFound, "image '\(id.imageSpec)' is gone") }
        return entry.facts
    }

    /// As much as is available.
    public func poolBytes(_ pool: PoolAddress, as credentials: Credentials?) async throws(VolumeError) -> UInt64 {
        try await availableBytes(in: pool, as: credentials)
    }

    /// Always well.
    public func condition(of id: VolumeID) async throws(VolumeError) -> VolumeCondition {
        VolumeCondition(isAbnormal: false, message: "image is whole")
    }
}
