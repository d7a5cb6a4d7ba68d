internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
public import Volumes

extension RBDImageStore {
    /// How long a client stays blocklisted that a person fenced: 30 days, because a frozen machine may thaw at any
    /// time.
    public static let fenceSeconds: UInt32 = 30 * 86_400

    /// Blocklists a client, breaks its locks, and verifies both.
    ///
    /// The blocklist comes first and the locks second, so that never two clients can write.
    ///
    /// - Parameter client: Whom.
    /// - Returns: The images that it still watches; a remaining lock is thrown as an error.
    /// - Throws: `VolumeError` with `.permissionDenied` that names the missing caps.
    public func fence(_ client: Fence.Client) async throws(VolumeError) -> [VolumeHolder] {
        let address = client.address
        try await commanding(client.clusterID, "blocklist '\(address)'") { (cluster) throws(RADOSError) in
            try cluster.addToBlocklist(address, seconds: Self.fenceSeconds)
        }
        for holder in client.holders {
            guard !holder.client.locks.isEmpty else { continue }
            let place = try await place(of: holder.id, as: nil)
            try await place.waiting("break the locks of image") { (context) throws(RBDError) in
                try context.breakLocks(of: holder.client, ofImageID: holder.imageID)
            }
        }
        guard try await blocklist(ofCluster: client.clusterID)[address] != nil else {
            throw VolumeError(
                .internal,
                "cannot fence '\(address)': cluster '\(client.clusterID)' took it on its blocklist but does not list it"
            )
        }
        var rest: [VolumeHolder] = []
        for id in Set(client.holders.map(\.id)).sorted(by: { "\($0)" < "\($1)" }) {
            do throws(VolumeError) {
                rest += try await holders(of: id).filter { $0.client.address == address }
            } catch {
                // Deleted meanwhile.
                guard error.code == .notFound else { throw error }
            }
        }
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
        await asking(configuration.clusters.sorted { ExactText($0.clusterID) < ExactText($1.clusterID) }) {
            (cluster) throws(VolumeError) in
            try await self.blocklist(ofCluster: cluster.clusterID).sorted { $0.key < $1.key }
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
