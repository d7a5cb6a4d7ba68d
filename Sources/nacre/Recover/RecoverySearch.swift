import CephVolumes
import ExactText
import KubernetesAPI
import Provisioner
import Secrets
import Timestamps
import Volumes

/// Reads a pool's images and what Kubernetes has, and says what a recovery would make.
struct RecoverySearch {
    let options: RecoverOptions
    let credentials: Credentials
    let session: Session
    let backend: DirectBackend
    /// `nil` where no Kubernetes was named: the plan is then of Ceph alone.
    let client: KubernetesClient?

    /// So many images are looked at at once.
    private static let atOnce = 32
    /// What the image of a deleted volume is called whose snapshots are still used.
    private static let keptPrefix = "csi-kept-"

    init(
        _ options: RecoverOptions,
        _ credentials: Credentials,
        _ session: Session,
        _ backend: DirectBackend,
        _ client: KubernetesClient?
    ) {
        self.options = options
        self.credentials = credentials
        self.session = session
        self.backend = backend
        self.client = client
    }

    /// An item for each image, and for each that is kept or in the trash.
    func items() async throws -> [RecoveryItem] {
        let images = try await images()
        for name in options.images where !images.contains(where: { $0.id.image.isExactly(name) }) {
            throw CommandFailure(.notFound, "there is no image '\(name)' of a volume in pool '\(options.pool)'")
        }
        var items = RecoveryPlan.items(images, try await wish())
        if let client { try await compare(&items, client) }
        guard options.images.isEmpty else { return items }
        return items + (try await keptImages()) + (try await deletedVolumes(items))
    }

    /// The pool's images that have names of volumes, all of them: one that is not seen may be the other one of a claim.
    private func images() async throws -> [FoundImage] {
        let (pool, cluster) = (options.pool, options.cluster)
        let list = try await session.during("listing images") {
            try await session.volumes(limit: nil, deadline: $0).within(pool: pool, cluster: cluster)
        }
        if list.volumes.isEmpty, let lack = await backend.lackOfClusters() { throw lack }
        if let missing = list.missing { throw missing }
        let refused = await backend.refusedPools().filter {
            pool.isExactly($0.pool) && cluster?.isExactly($0.clusterID) ?? true
        }
        if let refusal = Session.refusal(refused) { throw CommandFailure(.notPermitted, refusal) }
        if list.volumes.isEmpty, let absence = await backend.absence(ofPool: pool, deadline: session.budget.deadline) {
            throw absence
        }
        let store = backend.store
        var images: [FoundImage] = []
        var rest = list.volumes.filter { ImageName.endsInUUID($0.id.image) }[...]
        while !rest.isEmpty {
            let batch = Array(rest.prefix(Self.atOnce))
            rest = rest.dropFirst(Self.atOnce)
            images += try await session.during("reading what images say of themselves") { deadline in
                try await answered(by: deadline) { try await Self.read(batch, store) }
            }
        }
        return images
    }

    private static func read(_ volumes: [Volume], _ store: RBDImageStore) async throws -> [FoundImage] {
        try await withThrowingTaskGroup(of: FoundImage?.self) { group in
            for volume in volumes {
                group.addTask {
                    var metadata: [String: String] = [:]
                    // Without a header there is nothing to read.
                    if volume.capacityBytes > 0 {
                        guard let read = try await store.metadata(of: volume.id, credentials: nil) else { return nil }
                        metadata = read
                    }
                    return FoundImage(
                        id: volume.id,
                        sizeBytes: volume.capacityBytes,
                        metadata: metadata,
                        createdAt: volume.facts.createdAt,
                        users: volume.facts.users
                    )
                }
            }
            return try await group.reduce(into: []) { found, image in
                if let image { found.append(image) }
            }
        }
    }

    /// What the person wants, with the class that he named as Kubernetes has it.
    private func wish() async throws -> RecoveryWish {
        var wish = RecoveryWish(
            clusters: options.clusters,
            images: options.images,
            accessModes: options.accessModes.isEmpty ? ["ReadWriteOnce"] : options.accessModes.map(\.rawValue),
            volumeMode: options.volumeMode?.rawValue,
            reclaimPolicy: options.reclaimPolicy?.rawValue
        )
        guard let client else {
            guard options.className == nil else {
                throw CommandFailure(.usage, "--class is read from Kubernetes: name that by --kubeconfig or KUBECONFIG")
            }
            return wish
        }
        let uid = try await session.during("asking which Kubernetes this is") { deadline in
            try await answered(by: deadline) {
                let present = ClusterUID()
                try await present.read(client)
                return present.text
            }
        }
        if let uid { wish.clusters.append(uid) }
        if let name = options.className {
            guard let found = try await storageClass(name, client) else {
                throw CommandFailure(.notFound, "there is no StorageClass '\(name)': kubectl get storageclasses")
            }
            wish.storageClass = found
        }
        return wish
    }

    private func storageClass(_ name: String, _ client: KubernetesClient) async throws -> StorageClass? {
        try await session.during("reading class '\(name)'") { deadline in
            try await answered(by: deadline) { () async throws -> StorageClass? in
                do throws(KubernetesError) {
                    return StorageClass(try await client.call(.get(APIPath.storageClass(name))))
                } catch {
                    guard error.status?.isNotFound ?? false else { throw error }
                    return nil
                }
            }
        }
    }

    /// Compares what would be made with what is there.
    private func compare(_ items: inout [RecoveryItem], _ client: KubernetesClient) async throws {
        let present = try await session.during("reading the PersistentVolumes") { deadline in
            try await answered(by: deadline) { try await PresentVolumes.read(client) }
        }
        var lacks = ClusterLacks(client)
        for index in items.indices {
            guard let objects = items[index].objects else { continue }
            let restoration = ObjectRestoration(client, objects, handle: "\(items[index].image.id)", elsewhere: "")
            do {
                let isThere = try await session.during("looking for what is in the way") { deadline in
                    try await answered(by: deadline) { try await restoration.check(among: present) }
                }
                // Of two images of one claim, it may be told by now which one the claim has.
                if isThere { items[index].standing = .present }
            } catch let error as VolumeError where error.code == .failedPrecondition {
                if items[index].standing == .missing { items[index].standing = .blocked(error.message) }
            }
            guard let record = items[index].record, items[index].standing == .missing else { continue }
            let (known, title) = (lacks, "looking for classes and Secrets")
            lacks = try await session.during(title) { deadline in
                try await answered(by: deadline) {
                    var lacks = known
                    try await lacks.look(for: record)
                    return lacks
                }
            }
            items[index].notes += lacks.words(for: record)
        }
    }

    /// Images of deleted volumes that are kept for their snapshots.
    private func keptImages() async throws -> [RecoveryItem] {
        var items: [RecoveryItem] = []
        for cluster in clusters {
            let (store, pool) = (backend.store, PoolAddress(clusterID: cluster.clusterID, pool: options.pool))
            let kept = try await session.during("looking for kept images") { deadline in
                try await answered(by: deadline) {
                    try await store.imageNames(startingWith: Self.keptPrefix, in: pool)
                }
            }
            for name in kept {
                guard
                    let id = try? VolumeID(
                        clusterID: cluster.clusterID,
                        pool: options.pool,
                        namespace: cluster.radosNamespace,
                        image: name
                    )
                else { continue }
                items.append(
                    Self.passedOver(
                        FoundImage(id: id, sizeBytes: 0, metadata: [:]),
                        "its volume was deleted, and it is kept for its snapshots; see nacre snapshot list"
                    )
                )
            }
        }
        return items
    }

    /// Volumes that were deleted and are in the trash still.
    private func deletedVolumes(_ items: [RecoveryItem]) async throws -> [RecoveryItem] {
        let (store, options, credentials) = (backend.store, options, credentials)
        let answers = try await session.during("reading the trash") { deadline in
            try await answered(by: deadline) {
                try await store.trash.deletedVolumes(
                    clusterID: options.cluster,
                    pool: options.pool,
                    credentials: credentials,
                    until: deadline
                )
            }
        }
        let (deleted, missing) = Session.gathered(answers)
        if let missing { session.note("the trash was not read whole: \(missing.message)") }
        return deleted.map { volume in
            Self.passedOver(
                FoundImage(id: volume.id, sizeBytes: 0, metadata: volume.metadata),
                "it was deleted at \(Timestamp.text(volume.deletedAt)) and is in the trash; if that was a mistake: nacre volume "
                    + "undelete \(volume.id) --image-id \(volume.imageID)"
            )
        }
    }

    private static func passedOver(_ image: FoundImage, _ reason: String) -> RecoveryItem {
        RecoveryItem(image: image, standing: .passedOver(reason))
    }

    private var clusters: [ClusterEntry] {
        backend.configuration.clusters.filter { options.cluster?.isExactly($0.clusterID) ?? true }
    }
}
