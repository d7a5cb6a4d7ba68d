internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
public import Volumes

extension RBDImageStore {
    /// Who uses the images of all clusters and pools, including images that are not Nacre's.
    ///
    /// Reads headers alone and opens nothing.
    ///
    /// - Returns: One holder for each client and image, in the order of the volumes' handles; and why clusters and pools
    ///   could not be looked at, with `.permissionDenied` for a pool of images that this user may not read.
    public func holders() async -> [Result<[VolumeHolder], VolumeError>] {
        let clusters = configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }
        let answers = await asking(clusters) { (cluster) throws(VolumeError) in
            let pools = try await self.pools(of: cluster.clusterID)
            let refused = try await self.blocklist(ofCluster: cluster.clusterID)
            return await self.atOnce(pools) { (pool) throws(VolumeError) in
                try await self.holders(in: pool, of: cluster, refused)
            }
        }
        return answers.flatMap { answer -> [Result<[VolumeHolder], VolumeError>] in
            switch answer {
            case .success(let pools): pools
            case .failure(let error): [.failure(error)]
            }
        }
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

    /// Who has one volume's image.
    public func holders(of id: VolumeID) async throws(VolumeError) -> [VolumeHolder] {
        let place = try await place(of: id, as: nil)
        let refused = try await blocklist(ofCluster: id.clusterID)
        let found = try await place.blocking("read who has image") { (context) throws(RBDError) in
            guard let imageID = try context.idOfImage(named: id.image) else { return ImageClients?.none }
            return try context.clients(ofImageID: imageID)
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
        found.clients.filter { $0.clientID != ours }
            .map { VolumeHolder(id: id, imageID: found.imageID, client: $0, refusedUntil: refused[$0.address]) }
    }

    private func holders(
        in pool: String,
        of cluster: ClusterEntry,
        _ refused: [String: String]
    ) async throws(VolumeError) -> [VolumeHolder] {
        var holders: [VolumeHolder] = []
        var last = ""
        while true {
            let start = last
            let part = try await looking(into: pool, of: cluster) { (place) throws(VolumeError) -> HolderPage in
                let names: [(name: String, id: String)]
                do throws(RBDError) {
                    names = try await place.context.images(after: start, limit: 256)
                } catch {
                    throw await place.failure("cannot list pool '\(pool)'", error)
                }
                return HolderPage(
                    holders: try await self.holders(of: names, in: place, refused),
                    last: names.last?.name
                )
            }
            guard let part, let final = part.last else { return holders }
            holders += part.holders
            last = final
        }
    }

    /// A part of a pool's holders, and the last image looked at.
    private struct HolderPage: Sendable {
        let holders: [VolumeHolder]
        let last: String?
    }

    /// Who uses these images; all are read at once on the cluster's threads.
    private func holders(
        of names: [(name: String, id: String)],
        in place: Place,
        _ refused: [String: String]
    ) async throws(VolumeError) -> [VolumeHolder] {
        let found = await withTaskGroup(of: Found.self) { group in
            for (index, name) in names.enumerated() {
                // An image whose name is too long for a handle cannot be a volume.
                guard let id = try? place.id.sibling(name.name) else { continue }
                group.addTask {
                    let outcome: Result<ImageClients?, VolumeError>
                    do throws(VolumeError) {
                        outcome = .success(
                            try await place.blocking("read who has image") { (context) throws(RBDError) in
                                try context.clients(ofImageID: name.id)
                            }
                        )
                    } catch {
                        outcome = .failure(error)
                    }
                    return Found(index: index, id: id, outcome: outcome)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var holders: [VolumeHolder] = []
        let ours = place.context.cluster.instanceID
        for image in found.sorted(by: { $0.index < $1.index }) {
            guard let clients = try image.outcome.get() else { continue }
            holders += Self.holders(image.id, clients, refused, ours: ours)
        }
        return holders
    }

    private struct Found: Sendable {
        let index: Int
        let id: VolumeID
        let outcome: Result<ImageClients?, VolumeError>
    }

    /// Runs a call to a cluster's monitors as the service's user; `doing` is such as `read the blocklist`.
    func commanding<R: Sendable>(
        _ clusterID: String,
        _ doing: String,
        _ body: @escaping @Sendable (Cluster) throws(RADOSError) -> R
    ) async throws(VolumeError) -> R {
        let user = try service.read()
        let link = try await reach(clusterID, as: user)
        do throws(RADOSError) {
            return try await link.threads.run { () throws(RADOSError) in try body(link.connection) }
        } catch {
            guard error.code == .permissionDenied || error.code == .notPermitted else {
                throw ErrorMapping.failing("cannot \(doing) of cluster '\(clusterID)'", RBDError(error))
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
