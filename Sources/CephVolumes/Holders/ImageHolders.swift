internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
internal import SystemPackage
public import Volumes

/// Who has which image, and who is kept from it.
public struct ImageHolders: Sendable {
    let access: PoolAccess

    /// Who uses the images of all clusters and pools, including images that are not Nacre's.
    ///
    /// Reads headers alone, opens nothing, and blocks no thread that a fence needs.
    ///
    /// - Parameter deadline: When reading ends; what was not read by then is told as what does not answer. No end without.
    /// - Returns: One holder for each client and image, in the order of the volumes' handles; and why clusters and pools
    ///   could not be looked at, with `.permissionDenied` for a pool of images that this user may not read.
    public func all(until deadline: ContinuousClock.Instant? = nil) async -> [Result<[VolumeHolder], VolumeError>] {
        let clusters = access.configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }
        let answers = await access.asking(clusters) { (cluster) throws(VolumeError) in
            let pools = try await self.access.pools(of: cluster.clusterID)
            let refused = try await self.access.soon(cluster.clusterID) { () async throws(VolumeError) in
                try await self.blocklist(ofCluster: cluster.clusterID)
            }
            return await self.access.atOnce(pools) { (pool) throws(VolumeError) in
                await self.holders(in: pool, of: cluster, refused, until: deadline)
            }
        }
        return answers.flatMap { answer -> [Result<[VolumeHolder], VolumeError>] in
            switch answer {
            case .success(let pools): pools.flatMap { (try? $0.get()) ?? [] }
            case .failure(let error): [.failure(error)]
            }
        }
    }

    /// Who else has a volume's image open, for whom a node may have to wait; `nil` if nobody has, or nobody says.
    ///
    /// Answers within seconds.
    ///
    /// - Parameters:
    ///   - id: The volume.
    ///   - credentials: Whom to ask as; the service's own user without.
    ///   - node: The node whose own clients do not count.
    /// - Returns: Such as `the client at 10.0.0.7:0/123456 has the image open`.
    public func otherUsers(of id: VolumeID, as credentials: Credentials?, than node: String) async -> String? {
        let found = try? await access.looks.run(
            "ask who has volume '\(id)'",
            on: "users \(id)",
            fingerprint: "users",
            deadline: .now + .seconds(3)
        ) { () async throws(VolumeError) -> [ImageClient] in
            let place = try await self.access.place(of: id, as: credentials)
            return try await place.trying("read who has image") { () async throws(RBDError) -> [ImageClient] in
                guard let imageID = try await place.context.imageID(named: id.image) else { return [] }
                return try await place.context.clients(ofImageID: imageID)?.clients ?? []
            }
            .filter { $0.clientID != place.context.cluster.instanceID }
        }
        let others = (found ?? []).filter { client in client.record.map { !$0.node.isExactly(node) } ?? true }
        guard !others.isEmpty else { return nil }
        return
            "\(others.map(\.description).joined(separator: ", ")) \(others.count == 1 ? "has" : "have") the image open"
    }

    /// The clients that a cluster refuses.
    public func blocklist(ofCluster clusterID: String) async throws(VolumeError) -> [String: String] {
        try await commanding(clusterID, "read the blocklist") { (cluster) throws(RADOSError) in
            Dictionary(
                try cluster.blocklist().map { (ClientAddress.plain($0.address), $0.until) },
                uniquingKeysWith: max
            )
        }
    }

    /// Who has one volume's image; `refused` is what the cluster's blocklist says.
    func holders(of id: VolumeID, _ refused: [String: String]) async throws(VolumeError) -> [VolumeHolder] {
        let place = try await access.place(of: id, as: nil)
        let found = try await place.trying("read who has image") { () async throws(RBDError) -> ImageClients? in
            guard let imageID = try await place.context.imageID(named: id.image) else { return nil }
            return try await place.context.clients(ofImageID: imageID)
        }
        guard let found else { throw VolumeError(.notFound, "image '\(id.imageSpec)' does not exist") }
        return Self.holders(id, found, refused, ours: place.context.cluster.instanceID)
    }

    private static func holders(
        _ id: VolumeID,
        _ found: ImageClients,
        _ refused: [String: String],
        ours: UInt64
    ) -> [VolumeHolder] {
        let name = VolumeFacts(metadata: VolumeFacts.metadata(found.metadata, of: id)).name
        return found.clients.filter { $0.clientID != ours }.map { client in
            VolumeHolder(
                id: id,
                name: name,
                imageID: found.imageID,
                client: client,
                refusedUntil: refused[client.address]
            )
        }
    }

    /// What could be read of a pool, and why the rest could not: that a part of it is silent hides no holder of another.
    private func holders(
        in pool: String,
        of cluster: ClusterEntry,
        _ refused: [String: String],
        until deadline: ContinuousClock.Instant?
    ) async -> [Result<[VolumeHolder], VolumeError>] {
        let list = await access.list(pool, of: cluster, until: deadline) {
            (place, last: (name: String, id: String)?) throws(VolumeError) in
            do throws(RBDError) {
                return try await place.context.images(after: last?.name ?? "", limit: 1024)
            } catch {
                throw await place.failure("cannot list pool '\(pool)'", error)
            }
        }
        var answers: [Result<[VolumeHolder], VolumeError>] = []
        if let place = list.place {
            // An image whose name is too long for a handle cannot be a volume.
            let images = list.items.filter { (try? place.id.sibling($0.name)) != nil }
            let read = await place.headers(of: images, "read who has image", until: deadline) {
                (context, id) async throws(RBDError) in
                try await context.clients(ofImageID: id)
            }
            let ours = place.context.cluster.instanceID
            let holders = read.found.flatMap { image, clients -> [VolumeHolder] in
                guard let clients, let id = try? place.id.sibling(image.name) else { return [] }
                return Self.holders(id, clients, refused, ours: ours)
            }
            answers = [.success(holders)] + read.failures.map { .failure($0) }
        }
        return answers + [list.failure].compactMap(\.self).map { .failure($0) }
    }

    /// Runs a call to a cluster's monitors as the service's user; `doing` is such as `read the blocklist`.
    func commanding<R: Sendable>(
        _ clusterID: String,
        _ doing: String,
        _ body: @escaping @Sendable (Cluster) throws(RADOSError) -> R
    ) async throws(VolumeError) -> R {
        let user = try access.service.read()
        let link = try await access.reach(clusterID, as: user)
        do throws(RADOSError) {
            return try await link.asking(body)
        } catch {
            guard error.code == .permissionDenied || error.code == .notPermitted else {
                throw link.failing("cannot \(doing) of cluster '\(clusterID)'", asking: error)
            }
            throw VolumeError(
                .permissionDenied,
                "cannot \(doing) of cluster '\(clusterID)' (\(error.call): \(error.code.name)): \(user.entityName) may not; "
                    + "to add, its mon caps must be 'profile rbd'; to remove, 'allow command \"osd blocklist\"' or "
                    + "'allow rw', as client.admin has"
            )
        }
    }
}
