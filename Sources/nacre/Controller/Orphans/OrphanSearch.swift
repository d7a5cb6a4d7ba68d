import ArgumentParser
import CephVolumes
import Crypto
import KubernetesAPI
import Provisioner
import Volumes

/// Looks for images that nobody has: Ceph is listed first, then Kubernetes, so that what is made meanwhile is somebody's.
struct OrphanSearch {
    let client: KubernetesClient
    let session: Session
    let cluster: String?
    let pool: String?

    init(_ options: OrphansOptions, _ session: Session, pool: String?) throws {
        var words: [String] = []
        if let path = options.kubeconfig { words += ["--kubeconfig", path] }
        if let context = options.context { words += ["--context", context] }
        let identity = try ClusterAccess(try ControllerOptions.parse(words)).identity()
        client = try KubernetesClient(identity, userAgent: "nacre/\(Nacre.version)")
        self.session = session
        self.pool = pool
        cluster = options.cluster
    }

    /// The orphans there are now, in the order of their handles.
    func orphans() async throws -> [Volume] {
        let backend = session.backend
        var volumes: [Volume] = []
        var token = ""
        repeat {
            let start = token
            let page = try await session.during("listing images") {
                try await backend.list(maxEntries: 500, startingToken: start, deadline: $0)
            }
            volumes += page.volumes.filter { volume in
                ImageName.endsInUUID(volume.id.image) && (cluster ?? volume.id.clusterID) == volume.id.clusterID
                    && (pool ?? volume.id.pool) == volume.id.pool
            }
            token = page.nextToken
        } while !token.isEmpty
        guard !volumes.isEmpty else { return [] }
        let named = try await NamedVolumes.read(client)
        return volumes.filter { !named.names($0.id.image) }.sorted { "\($0.id)" < "\($1.id)" }
    }
}

/// What would be removed, for a person and for a script.
struct OrphanPlan: Encodable {
    struct Image: Encodable {
        let volumeId: String
        let image: String
        let capacityBytes: UInt64
    }

    let images: [Image]
    let planHash: String

    init(_ orphans: [Volume]) {
        images = orphans.map { Image(volumeId: "\($0.id)", image: $0.id.imageSpec, capacityBytes: $0.capacityBytes) }
        let text = images.map { "\($0.volumeId) \($0.capacityBytes)\n" }.joined()
        planHash = SHA256.hash(data: Array(text.utf8)).prefix(16).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0\(digits)" : digits
        }.joined()
    }

    var lines: [String] {
        guard !images.isEmpty else { return ["no image is without a claim and a PersistentVolume"] }
        var table = Table("VOLUME", "BYTES")
        table.rows = images.map { [$0.volumeId, "\($0.capacityBytes)"] }
        return table.lines() + ["plan hash: \(planHash)"]
    }
}
