internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import SystemPackage
public import Volumes

extension RBDImageStore {
    /// A page of images, pool by pool, read from the pools' directories in the order of their names.
    public func images(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> ImagePage {
        // Without the service's own user nothing can be listed anywhere.
        _ = try access.service.read()
        var page = ImagePage([], missing: cursor?.missing ?? [])
        let passedOver = page.missing
        let clusters = access.configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }
            .filter { cluster in
                cursor.map { ExactText(cluster.clusterID) >= ExactText($0.clusterID) } ?? true
                    && !passedOver.containsExactly(cluster.clusterID)
            }
        let answers = await access.asking(clusters) { (cluster) throws(VolumeError) in
            try await self.access.pools(of: cluster.clusterID)
        }
        for (cluster, answer) in zip(clusters, answers) {
            guard page.images.count < limit else {
                // Its absence is known now; the next page would wait for it once more.
                if case .failure(let error) = answer, !error.isMended {
                    note(error, of: MissingPlace(clusterID: cluster.clusterID), in: &page)
                }
                continue
            }
            do throws(VolumeError) {
                let before = page
                do throws(VolumeError) {
                    try await list(try answer.get(), of: cluster, after: cursor, limit: limit, onto: &page)
                } catch {
                    // Ceph had blocklisted the client: the next call has another.
                    guard error.isMended else { throw error }
                    page = before
                    let pools = try await access.pools(of: cluster.clusterID)
                    try await list(pools, of: cluster, after: cursor, limit: limit, onto: &page)
                }
            } catch {
                note(error, of: MissingPlace(clusterID: cluster.clusterID), in: &page)
            }
        }
        guard page.images.isEmpty, !page.missing.isEmpty else { return page }
        throw absence(of: page.missing)
    }

    /// Records that a list goes on without a cluster or a pool.
    private func note(_ error: VolumeError, of absence: MissingPlace, in page: inout ImagePage) {
        absences.withLock { $0[ExactText(absence.key)] = error }
        page.missing.append(absence.key)
    }

    /// What a list ends with that lacks clusters or pools.
    ///
    /// - Parameters:
    ///   - missing: Their keys, of the page.
    ///   - what: What the list is of, for the message.
    /// - Returns: The error, with the code of the first of their reasons.
    public func absence(of missing: [String], ofWhat what: String = "volumes") -> VolumeError {
        let places = missing.map { MissingPlace(key: $0) }
        let names = places.map(\.words).joined(separator: ", ")
        let what = "cannot list the \(what) of \(names)"
        let errors = absences.withLock { absences in missing.compactMap { absences[ExactText($0)] } }
        guard let first = errors.first else {
            return VolumeError(.unavailable, "\(what): list them again").lacking(places)
        }
        // What is wrong is in config.json, not in the request.
        let code = first.code == .invalidArgument ? VolumeError.Code.unavailable : first.code
        let reasons = errors.reduce(into: [String]()) { reasons, error in
            if !reasons.containsExactly(error.message) { reasons.append(error.message) }
        }
        let more = reasons.count > 4 ? "; and \(reasons.count - 4) more" : ""
        return VolumeError(code, "\(what): \(reasons.prefix(4).joined(separator: "; "))\(more)").lacking(places)
    }

    private func list(
        _ pools: [String],
        of cluster: ClusterEntry,
        after cursor: ImageCursor?,
        limit: Int,
        onto page: inout ImagePage
    ) async throws(VolumeError) {
        let position = cursor.flatMap { cluster.clusterID.isExactly($0.clusterID) ? $0 : nil }
        let passedOver = page.missing
        let pools = pools.filter { pool in
            position.map { ExactText(pool) >= ExactText($0.pool) } ?? true
                && !passedOver.containsExactly(MissingPlace(clusterID: cluster.clusterID, pool: pool).key)
        }
        enter(VolumeStep.listing)
        // At first all directories together, so that all pools that do not answer cost one time limit. A page that goes on in
        // this cluster knows of those, and may be full long before the last pool.
        var rest = pools[...]
        var together = position == nil ? pools.count : 1
        while !rest.isEmpty, page.images.count < limit {
            let batch = Array(rest.prefix(together))
            rest = rest.dropFirst(together)
            together *= 4
            let answers = await access.looking(intoEach: batch, of: cluster) { (pool, place) throws(VolumeError) in
                let start = position.map { pool.isExactly($0.pool) ? $0.image : "" } ?? ""
                return Directory(place: place, after: start, names: try await self.names(in: place, after: start))
            }
            for (pool, answer) in zip(batch, answers) {
                do throws(VolumeError) {
                    guard let directory = try answer.get(), page.images.count < limit else { continue }
                    try await list(directory, of: cluster, limit: limit, onto: &page.images)
                } catch {
                    guard !error.isMended else { throw error }
                    // What this user may not read is told by `refusedPools`, and no fault of the list.
                    if error.code == .permissionDenied { continue }
                    note(error, of: MissingPlace(clusterID: cluster.clusterID, pool: pool), in: &page)
                }
            }
        }
    }

    /// A part of a pool's directory.
    private struct Directory: Sendable {
        let place: Place
        let after: String
        let names: [(name: String, id: String)]
    }

    private func names(in place: Place, after name: String) async throws(VolumeError) -> [(name: String, id: String)] {
        do throws(RBDError) {
            return try await place.context.images(after: name, limit: 256)
        } catch {
            throw await place.failure("cannot list pool '\(place.id.pool)'", error)
        }
    }

    private func list(
        _ directory: Directory,
        of cluster: ClusterEntry,
        limit: Int,
        onto images: inout [ListedImage]
    ) async throws(VolumeError) {
        let pool = directory.place.id.pool
        var names = directory.names
        while let final = names.last {
            let ours = names.filter { ImageName.endsInUUID($0.name) }
            let wanted = Array(ours.prefix(limit - images.count))
            images +=
                try await access.looking(into: pool, of: cluster) { (place) throws(VolumeError) in
                    try await self.summaries(of: wanted, in: place)
                } ?? []
            guard images.count < limit else { return }
            // One of them may be half-made and be omitted: what was not looked at must not be passed over then.
            let last = wanted.count < ours.count ? wanted.last?.name ?? final.name : final.name
            names =
                try await access.looking(into: pool, of: cluster) { (place) throws(VolumeError) in
                    try await self.names(in: place, after: last)
                } ?? []
        }
    }

    /// The summaries of images, all read at once.
    ///
    /// An image without a header is among them, of no bytes, if its name leads to it: it was never finished, or it has lost
    /// its header, and who looks for it by name must find it. One that is on its way to the trash, or out of it, is not.
    private func summaries(
        of names: [(name: String, id: String)],
        in place: Place
    ) async throws(VolumeError) -> [ListedImage] {
        let context = place.context
        let found = await withTaskGroup(of: (Int, Result<ImageSummary?, RBDError>).self) { group in
            for (index, name) in names.enumerated() {
                group.addTask {
                    // Not returned from inside the `do`: optimised by Swift 6.3.1, a child task's closure that
                    // returns a tuple from there returns another index.
                    let summary: Result<ImageSummary?, RBDError>
                    do throws(RBDError) {
                        summary = .success(try await context.summary(ofImageID: name.id))
                    } catch {
                        summary = .failure(error)
                    }
                    return (index, summary)
                }
            }
            return await group.reduce(into: [Int: Result<ImageSummary?, RBDError>]()) { $0[$1.0] = $1.1 }
        }
        var images: [ListedImage] = []
        for (index, name) in names.enumerated() {
            switch found[index] {
            case .success(let summary?):
                // An image whose name is too long for a handle cannot be Nacre's.
                guard let id = try? place.id.sibling(name.name) else { continue }
                let facts = VolumeFacts(summary, of: id, ours: context.cluster.instanceID)
                images.append(ListedImage(id: id, sizeBytes: summary.sizeBytes, facts: facts))
            case .failure(let error):
                throw await place.failure("cannot read image '\(context.label)/\(name.name)'", error)
            case .success(nil):
                guard let id = try? place.id.sibling(name.name), try await isHeaderless(name, in: place) else {
                    continue
                }
                images.append(ListedImage(id: id, sizeBytes: 0))
            case nil: continue
            }
        }
        return images
    }

    private func isHeaderless(_ listed: (name: String, id: String), in place: Place) async throws(VolumeError) -> Bool {
        do throws(RBDError) {
            guard try await place.context.imageID(named: listed.name) == listed.id,
                try await place.context.trashRecord(ofID: listed.id) == nil
            else { return false }
            // Its maker may have written it since.
            return try await place.context.imageHeader(id: listed.id) == nil
        } catch {
            throw await place.failure("cannot read image '\(place.context.label)/\(listed.name)'", error)
        }
    }

    /// What is known of one image.
    public func facts(of id: VolumeID) async throws(VolumeError) -> VolumeFacts {
        let place = try await access.place(of: id, as: nil)
        let summary = try await place.trying("look at image") { () async throws(RBDError) -> ImageSummary? in
            guard let imageID = try await place.context.imageID(named: id.image) else { return nil }
            return try await place.context.summary(ofImageID: imageID)
        }
        guard let summary else { throw VolumeError(.notFound, "image '\(id.imageSpec)' does not exist") }
        var facts = VolumeFacts(summary, of: id, ours: place.context.cluster.instanceID)
        // One that is written there and cannot be read is not the service's.
        if summary.metadata[ImageMetadataKey.trashRetention] == nil {
            facts.trashSeconds = trash.retention.components.seconds
        }
        return facts
    }

}

extension VolumeFacts {
    /// Summarises an image; this process's own watch, of an operation under way, does not count as use.
    init(_ summary: ImageSummary, of id: VolumeID, ours: UInt64) {
        let nodes = Set(summary.holders.map(\.node))
        let known = Set(summary.holders.map(\.address))
        let others = summary.watchers.filter { $0.clientID != ours && !known.contains($0.address) }
        self.init(
            metadata: Self.metadata(summary.metadata, of: id),
            createdAt: summary.createdAt,
            users: nodes.sorted() + Set(others.map(\.address)).sorted()
        )
    }

    /// Those of an image's metadata that count for it.
    ///
    /// What the marks of another image say does not count for its copy, and one that was adopted has its own name.
    static func metadata(_ metadata: [String: String], of id: VolumeID) -> [String: String] {
        switch ImageOrigin(metadata, of: id) {
        case .copied: return metadata.filter { $0.key.isExactly(ImageMetadataKey.format) }
        case .adopted:
            guard metadata[ImageMetadataKey.requestName] != nil else { return metadata }
            let name = ImageOrigin.requestName(metadata, of: id) ?? id.image
            return metadata.merging([ImageMetadataKey.requestName: name]) { $1 }
        case .made, .foreign: return metadata
        }
    }
}
