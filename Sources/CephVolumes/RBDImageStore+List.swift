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
        _ = try service.read()
        var page = ImagePage([], missing: cursor?.missing ?? [])
        let clusters = configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }
            .filter { cluster in
                cursor.map { ExactText(cluster.clusterID) >= ExactText($0.clusterID) } ?? true
                    && !page.missing.containsExactly(cluster.clusterID)
            }
        let answers = await asking(clusters) { (cluster) throws(VolumeError) in
            try await self.pools(of: cluster.clusterID)
        }
        for (cluster, answer) in zip(clusters, answers) {
            guard page.images.count < limit else {
                // Its absence is known now; the next page would wait for it once more.
                if case .failure(let error) = answer, !error.isMended { note(error, of: cluster, in: &page) }
                continue
            }
            do throws(VolumeError) {
                let before = page.images.count
                do throws(VolumeError) {
                    try await list(try answer.get(), of: cluster, after: cursor, limit: limit, onto: &page.images)
                } catch {
                    // Ceph had blocklisted the client: the next call has another.
                    guard error.isMended else { throw error }
                    page.images.removeSubrange(before...)
                    let pools = try await pools(of: cluster.clusterID)
                    try await list(pools, of: cluster, after: cursor, limit: limit, onto: &page.images)
                }
            } catch {
                note(error, of: cluster, in: &page)
            }
        }
        guard page.images.isEmpty, let missing = page.missing.first else { return page }
        throw absence(of: page.missing, as: absences.withLock { $0[ExactText(missing)] })
    }

    /// Records that a list goes on without a cluster.
    private func note(_ error: VolumeError, of cluster: ClusterEntry, in page: inout ImagePage) {
        absences.withLock { $0[ExactText(cluster.clusterID)] = error }
        page.missing.append(cluster.clusterID)
    }

    /// What a list ends with that lacks clusters.
    private func absence(of clusters: [String], as error: VolumeError?) -> VolumeError {
        let names = clusters.map { "'\($0.printable)'" }.joined(separator: ", ")
        let what = "cannot list the volumes of cluster\(clusters.count == 1 ? "" : "s") \(names)"
        guard let error else { return VolumeError(.unavailable, "\(what): list them again") }
        // What is wrong is in config.json, not in the request.
        let code = error.code == .invalidArgument ? VolumeError.Code.unavailable : error.code
        return VolumeError(code, "\(what): \(error.message)")
    }

    /// Asks clusters at once: those that do not answer delay the others together by one time limit, in every call.
    func asking<R: Sendable>(
        _ clusters: [ClusterEntry],
        _ body: @escaping @Sendable (ClusterEntry) async throws(VolumeError) -> R
    ) async -> [Result<R, VolumeError>] {
        let found = await withTaskGroup(of: Answer<R>.self) { group in
            for (index, cluster) in clusters.enumerated() {
                group.addTask {
                    let outcome: Result<R, VolumeError>
                    do throws(VolumeError) {
                        outcome = .success(try await body(cluster))
                    } catch {
                        outcome = .failure(error)
                    }
                    return Answer(index: index, outcome: outcome)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return found.sorted { $0.index < $1.index }.map(\.outcome)
    }

    private struct Answer<R: Sendable>: Sendable {
        let index: Int
        let outcome: Result<R, VolumeError>
    }

    private func list(
        _ pools: [String],
        of cluster: ClusterEntry,
        after cursor: ImageCursor?,
        limit: Int,
        onto images: inout [ListedImage]
    ) async throws(VolumeError) {
        let isFirstCluster = cursor.map { cluster.clusterID.isExactly($0.clusterID) } ?? false
        for pool in pools {
            guard images.count < limit else { return }
            if isFirstCluster, let cursor, ExactText(pool) < ExactText(cursor.pool) { continue }
            let isFirstPool = isFirstCluster && cursor.map { pool.isExactly($0.pool) } ?? false
            let start = isFirstPool ? cursor?.image ?? "" : ""
            images += try await self.images(in: pool, of: cluster, after: start, limit: limit - images.count)
        }
    }

    private func images(
        in pool: String,
        of cluster: ClusterEntry,
        after start: String,
        limit: Int
    ) async throws(VolumeError) -> [ListedImage] {
        // A pool whose name cannot stand in a handle has no volumes.
        guard let anchor = VolumeID(anyIn: pool, of: cluster) else { return [] }
        let place: Place
        do throws(VolumeError) {
            place = try await self.place(of: anchor, as: nil)
        } catch {
            // A pool that was removed since it was listed has no images.
            guard error.code != .invalidArgument else { return [] }
            throw error
        }
        var images: [ListedImage] = []
        var last = start
        while images.count < limit {
            let names: [(name: String, id: String)]
            do throws(RBDError) {
                names = try await place.context.images(after: last, limit: 256)
            } catch {
                // Pools of other applications, which this user may not read, hold no volumes of Nacre's.
                guard error.code != .notPermitted, error.code != .permissionDenied else { return images }
                throw await place.failure("cannot list pool '\(pool)'", error)
            }
            guard let final = names.last else { break }
            let ours = names.filter { ImageName.endsInUUID($0.name) }
            let wanted = ours.prefix(limit - images.count)
            images += try await summaries(of: Array(wanted), in: place)
            // One of them may have no header and be omitted: what was not looked at must not be passed over then.
            last = wanted.count < ours.count ? wanted.last?.name ?? final.name : final.name
        }
        return images
    }

    /// The summaries of images, all read at once; an image without a header is omitted.
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
            case .success(nil), nil: continue
            }
        }
        return images
    }

    /// What is known of one image.
    public func facts(of id: VolumeID) async throws(VolumeError) -> VolumeFacts {
        let place = try await place(of: id, as: nil)
        let summary = try await place.trying("look at image") { () async throws(RBDError) -> ImageSummary? in
            guard let imageID = try await place.context.imageID(named: id.image) else { return nil }
            return try await place.context.summary(ofImageID: imageID)
        }
        guard let summary else { throw VolumeError(.notFound, "image '\(id.imageSpec)' does not exist") }
        var facts = VolumeFacts(summary, of: id, ours: place.context.cluster.instanceID)
        // One that is written there and cannot be read is not the service's.
        if summary.metadata[ImageMetadataKey.trashRetention] == nil {
            facts.trashSeconds = retention.components.seconds
        }
        return facts
    }

    /// The pools of all clusters that answer, in the order of their names, without Ceph's own.
    ///
    /// - Throws: `VolumeError` where there is no service user, or the first cluster's if none answers.
    public func poolNames() async throws(VolumeError) -> [String] {
        _ = try service.read()
        let answers = await asking(configuration.clusters) { (cluster) throws(VolumeError) in
            try await self.pools(of: cluster.clusterID)
        }
        let found = answers.compactMap { try? $0.get() }
        if found.isEmpty, let first = answers.first { return try first.get() }
        return Set(found.joined().map(ExactText.init)).sorted().map(\.text)
    }

    /// The pools of a cluster, in the order of their names, without Ceph's own.
    func pools(of clusterID: String, as credentials: Credentials? = nil) async throws(VolumeError) -> [String] {
        let user = if let credentials { credentials } else { try service.read() }
        let link = try await connections.link(to: clusterID, as: user)
        do throws(RADOSError) {
            let names = try await link.asking { (cluster) throws(RADOSError) in try cluster.poolNames() }
            return names.filter { !$0.startsExactly(with: ".") }.sortedExactly()
        } catch {
            throw ErrorMapping.failing("cannot list the pools of cluster '\(clusterID)'", RBDError(error))
        }
    }
}

extension VolumeFacts {
    /// Summarises an image; this process's own watch, of an operation under way, does not count as use.
    ///
    /// What the marks of another image say does not count for its copy.
    init(_ summary: ImageSummary, of id: VolumeID, ours: UInt64) {
        let nodes = Set(summary.holders.map(\.node))
        let known = Set(summary.holders.map(\.address))
        let others = summary.watchers.filter { $0.clientID != ours && !known.contains($0.address) }
        self.init(
            metadata: ImageOrigin(summary.metadata, of: id) == .copied
                ? summary.metadata.filter { $0.key.isExactly(ImageMetadataKey.format) } : summary.metadata,
            createdAt: summary.createdAt,
            users: nodes.sorted() + Set(others.map(\.address)).sorted()
        )
    }
}

extension VolumeID {
    /// A handle that stands for a pool alone; `nil` if none can name the pool.
    init?(anyIn pool: String, of cluster: ClusterEntry) {
        do throws(VolumeError) {
            try self.init(
                clusterID: cluster.clusterID,
                pool: pool,
                namespace: cluster.radosNamespace,
                image: "list"
            )
        } catch {
            return nil
        }
    }

    /// Another image of the same pool.
    func sibling(_ image: String) throws(VolumeError) -> VolumeID {
        try VolumeID(clusterID: clusterID, pool: pool, namespace: namespace, image: image)
    }
}
