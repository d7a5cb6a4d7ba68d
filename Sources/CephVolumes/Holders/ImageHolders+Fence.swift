internal import ExactText
internal import RADOS
internal import RBD
public import Volumes

extension ImageHolders {
    /// How long a client stays blocklisted that a person fenced: 30 days, because a frozen machine may thaw at any
    /// time.
    public static let fenceSeconds: UInt32 = 30 * 86_400

    /// Blocklists a client, breaks its locks, and verifies both.
    ///
    /// The blocklist comes first and the locks second, so that never two clients can write. No lock is broken unless the
    /// cluster lists the client.
    ///
    /// - Parameters:
    ///   - client: Whom.
    ///   - deadline: When the caller stops waiting; a second call does what is left.
    /// - Returns: The images that it still watches; a remaining lock is thrown as an error.
    /// - Throws: `VolumeError` with `.permissionDenied` that names the missing caps, and with `.deadlineExceeded`.
    public func fence(
        _ client: Fence.Client,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> [VolumeHolder] {
        try await access.looks.run(
            "fence '\(client.address)'",
            on: "fence \(client.clusterID) \(client.address)",
            // A call that found it with more images breaks those locks too.
            fingerprint: Set(client.holders.map { "\($0.id) \($0.imageID)" }).sorted().joined(separator: " "),
            deadline: deadline
        ) { () async throws(VolumeError) in try await self.fence(client) }
    }

    /// Fences several clients at once: one that cannot be fenced keeps no other from it.
    ///
    /// - Returns: For each of them, in their order, what `fence` of one returns or throws.
    public func fence(
        _ clients: [Fence.Client],
        deadline: ContinuousClock.Instant
    ) async -> [Result<[VolumeHolder], VolumeError>] {
        await access.atOnce(clients) { (client) throws(VolumeError) in try await self.fence(client, deadline: deadline)
        }
    }

    private func fence(_ client: Fence.Client) async throws(VolumeError) -> [VolumeHolder] {
        let address = client.address
        try await commanding(client.clusterID, "blocklist '\(address)'") { (cluster) throws(RADOSError) in
            try cluster.addToBlocklist(address, seconds: Self.fenceSeconds)
        }
        let refused = try await blocklist(ofCluster: client.clusterID)
        guard refused[address] != nil else {
            throw VolumeError(
                .internal,
                "cannot fence '\(address)': cluster '\(client.clusterID)' took it on its blocklist but does not list it"
            )
        }
        // That one image does not answer keeps no other locked.
        let broken = await access.atOnce(client.holders.filter { !$0.client.locks.isEmpty }) {
            (holder) throws(VolumeError) in
            let place = try await self.access.place(of: holder.id, as: nil)
            try await place.trying("break the locks of image") { () async throws(RBDError) in
                try await place.context.breakLocks(of: holder.client, ofImageID: holder.imageID)
            }
        }
        for outcome in broken { try outcome.get() }
        let ids = Set(client.holders.map(\.id)).sorted { "\($0)" < "\($1)" }
        let left = await access.atOnce(ids) { (id) throws(VolumeError) -> [VolumeHolder] in
            do throws(VolumeError) {
                return try await self.holders(of: id, refused).filter { $0.client.address == address }
            } catch {
                // Deleted meanwhile.
                guard error.code == .notFound else { throw error }
                return []
            }
        }
        var rest: [VolumeHolder] = []
        for look in left { rest += try look.get() }
        if let locked = rest.first(where: { !$0.client.locks.isEmpty }) {
            throw VolumeError(
                .internal,
                "'\(address)' is blocklisted, but still has the lock of image '\(locked.id.imageSpec)'; repeat the command"
            )
        }
        return rest
    }

    /// Lets a client in again.
    ///
    /// - Parameters:
    ///   - address: As the cluster's blocklist has it.
    ///   - clusterID: The cluster's key in config.json.
    /// - Throws: `VolumeError` with `.permissionDenied` that names the missing caps.
    public func unfence(_ address: String, ofCluster clusterID: String) async throws(VolumeError) {
        try await commanding(clusterID, "take '\(address)' off the blocklist") { (cluster) throws(RADOSError) in
            try cluster.removeFromBlocklist(address)
        }
        guard try await blocklist(ofCluster: clusterID)[address] == nil else {
            throw VolumeError(.internal, "'\(address)' is still on the blocklist of cluster '\(clusterID)'")
        }
    }

    /// The clients that each cluster refuses, by address, or why that cluster cannot be read.
    public func blocklists() async -> [Result<[BlockedClient], VolumeError>] {
        await access.asking(access.configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) })
        {
            (cluster) throws(VolumeError) in
            try await self.access.soon(cluster.clusterID) { () async throws(VolumeError) in
                try await self.blocklist(ofCluster: cluster.clusterID)
            }
            .sorted { $0.key < $1.key }
            .map { BlockedClient(clusterID: cluster.clusterID, address: $0.key, until: $0.value) }
        }
    }
}

/// A client that a cluster refuses.
public struct BlockedClient: Sendable, Hashable {
    /// The cluster's key in config.json.
    public let clusterID: String
    /// Its address.
    public let address: String
    /// Until when, as Ceph writes it.
    public let until: String
}
