import ArgumentParser
import CephVolumes
import CommandNames
import ExactText
import KubernetesAPI
import Provisioner
import Volumes

/// Searches for orphaned images: lists Ceph first and Kubernetes then, so that a volume that is created meanwhile is
/// not an orphan.
struct OrphanSearch {
    let client: KubernetesClient
    let session: Session
    let backend: DirectBackend
    let cluster: String?
    let pool: String?

    init(_ options: OrphansOptions, _ session: Session, _ backend: DirectBackend, pool: String?) throws {
        client = try ClusterAccess(kubeconfigOrEnvironment: options.kubeconfig, context: options.context).client()
        self.session = session
        self.backend = backend
        self.pool = pool
        cluster = options.cluster
    }

    /// The present orphans, in the order of their handles, and why some may be missing that are meant.
    func orphans() async throws -> (found: [Orphan], missing: VolumeError?) {
        let list = try await session.during("listing images") {
            try await session.volumes(limit: nil, deadline: $0).within(pool: pool, cluster: cluster)
        }
        let volumes = list.volumes.filter { ImageName.endsInUUID($0.id.image) }
        guard !volumes.isEmpty else { return ([], list.missing) }
        let (client, kubernetes) = (client, ClusterUID())
        let named = try await session.during("reading what claims and PersistentVolumes name") { deadline in
            try await answered(by: deadline) { () -> NamedVolumes in
                let named = try await NamedVolumes.read(client)
                try await kubernetes.read(client)
                return named
            }
        }
        var orphans: [Orphan] = []
        for volume in volumes.filter({ !named.names($0.id.image) }).sorted(by: { "\($0.id)" < "\($1.id)" }) {
            let (store, id) = (backend.store, volume.id)
            let metadata = try await session.during("looking at '\(id)'") { deadline in
                try await answered(by: deadline) { try await store.metadata(of: id, credentials: nil) }
            }
            guard let metadata else { continue }
            orphans.append(Orphan(volume: volume, metadata: metadata, ours: kubernetes.text))
        }
        return (orphans, list.missing)
    }

    /// Why pools that are meant were not looked into, because Ceph refuses them; `nil` if there are none.
    func refusal() async -> String? {
        Session.refusal(
            await backend.refusedPools().filter {
                pool?.isExactly($0.pool) ?? true && cluster?.isExactly($0.clusterID) ?? true
            }
        )
    }
}

/// An image that no object of this Kubernetes cluster names, and its metadata.
struct Orphan {
    /// Whose an image is, by its own word.
    enum Origin: String, Encodable {
        /// This cluster's controller made it.
        case ours = "this cluster"
        /// Another cluster's did.
        case stranger = "another cluster"
        /// It does not say.
        case unknown
        /// What it says is of the image that it is a copy of.
        case copy = "a copy"
    }

    let volume: Volume
    let origin: Origin
    /// The cluster's uid.
    let cluster: String?
    /// The claim that had it.
    let claim: ClaimName?
    /// The image's metadata.
    let metadata: [String: String]

    init(volume: Volume, metadata: [String: String], ours: String?) {
        self.volume = volume
        self.metadata = metadata
        cluster = metadata[ImageMetadataKey.kubernetesCluster]
        claim = ClaimName(metadata: metadata)
        guard ImageOrigin(metadata, of: volume.id) != .copied else {
            origin = .copy
            return
        }
        origin = cluster == nil ? .unknown : cluster == ours ? .ours : .stranger
    }

    /// Why this command may not remove the image; `nil` if it may.
    var refusal: String? {
        switch origin {
        case .ours: nil
        case .stranger:
            "image '\(volume.id.image)' is of another Kubernetes cluster, \(cluster ?? ""), which may use it; remove it there"
        case .copy:
            "image '\(volume.id.image)' is no volume's: it \(VolumeError.lack(metadata)); whoever made it knows what it is for"
        case .unknown:
            "image '\(volume.id.image)' does not say which cluster it is of, so it may be anybody's; if it is yours, "
                + "nacre volume delete removes it"
        }
    }
}

/// What would be removed, as a table and for scripts.
struct OrphanPlan: Encodable {
    struct Image: Encodable {
        let volumeId: String
        let image: String
        let capacityBytes: UInt64
        let origin: Orphan.Origin
        let kubernetesCluster: String?
        let claim: String?
    }

    let images: [Image]

    init(_ orphans: [Orphan]) {
        images = orphans.map { orphan in
            Image(
                volumeId: "\(orphan.volume.id)",
                image: orphan.volume.id.imageSpec,
                capacityBytes: orphan.volume.capacityBytes,
                origin: orphan.origin,
                kubernetesCluster: orphan.cluster,
                claim: orphan.claim?.description
            )
        }
    }

    var lines: [String] {
        guard !images.isEmpty else { return ["no image is without a claim and a PersistentVolume"] }
        let ours = images.filter { $0.origin == .ours }
        let others = images.filter { $0.origin != .ours }
        var lines: [String] = []
        if !ours.isEmpty {
            var table = Table("VOLUME", "BYTES", "ITS CLAIM WAS")
            table.rows = ours.map { [$0.volumeId, "\($0.capacityBytes)", $0.claim ?? "not noted"] }
            lines =
                table.lines() + [
                    "if this cluster was restored from a backup, these may hold data that was written after it: to have one back, "
                        + "make a PersistentVolume of its old name, pvc-UUID, with its volume as volumeHandle and its claim as claimRef"
                ]
        }
        guard !others.isEmpty else { return lines }
        var table = Table("NOT KNOWN TO BE OURS", "BYTES", "ITS CLAIM WAS", "OF CLUSTER")
        table.rows = others.map {
            [$0.volumeId, "\($0.capacityBytes)", $0.claim ?? "not noted", $0.kubernetesCluster ?? "not noted"]
        }
        return lines + table.lines()
    }
}
