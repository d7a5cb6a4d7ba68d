import JSON
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

/// An API server with one bound claim, `db/data`, its image in memory, and the reconcilers of snapshots.
final class SnapshotStage: Sendable {
    static let claimUID = "00000000-0000-4000-8000-000000000001"
    static let claimPath = "/api/v1/namespaces/db/persistentvolumeclaims/data"
    static let snapshots = "\(ObjectServer.snapshotAPI)/namespaces/db/volumesnapshots"
    static let contents = "\(ObjectServer.snapshotAPI)/volumesnapshotcontents"
    static let classes = "\(ObjectServer.snapshotAPI)/volumesnapshotclasses"
    static let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"

    let server: ObjectServer
    let store = InMemoryImageStore()
    let service: VolumeService
    let shop: Workshop
    let handle: String
    private let holder = SnapshotCacheHolder()
    private let common = Mutex<CommonController?>(nil)
    /// The names of contents that the watch has not told of yet.
    private let unseen = Mutex<Set<String>>([])

    init(policy: String = "Delete", isDefault: Bool = true) async throws {
        let server = try ObjectServer()
        let service = VolumeService(store: store)
        self.server = server
        self.service = service
        shop = try Workshop.forTests(service, server: server.url)
        let name = "pvc-\(Self.claimUID)"
        handle = try await Self.makeVolume(service)
        putClaim()
        server.put(
            APIPath.persistentVolume(name),
            [
                "metadata": [
                    "name": .string(name),
                    "annotations": ["pv.kubernetes.io/provisioned-by": "rbd.nacre.io"],
                ],
                "spec": [
                    "capacity": ["storage": "1Gi"], "volumeMode": "Block", "storageClassName": "fast",
                    "claimRef": ["namespace": "db", "name": "data", "uid": .string(Self.claimUID)],
                    "flexVolume": [
                        "driver": "nacre.io/rbd", "options": ["schema": "1", "volumeHandle": .string(handle)],
                    ],
                ],
                "status": ["phase": "Bound"],
            ]
        )
        putClass("snap", policy: policy, isDefault: isDefault)
        try await look()
    }

    /// The claim, bound to its volume.
    func putClaim() {
        server.put(
            Self.claimPath,
            [
                "metadata": ["name": "data", "namespace": "db", "uid": .string(Self.claimUID)],
                "spec": [
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Block",
                    "volumeName": .string("pvc-\(Self.claimUID)"), "resources": ["requests": ["storage": "1Gi"]],
                ],
                "status": ["phase": "Bound", "capacity": ["storage": "1Gi"]],
            ]
        )
    }

    func putClass(_ name: String, policy: String = "Delete", isDefault: Bool = true, driver: String = "rbd.nacre.io") {
        let metadata: JSONValue = ["name": .string(name)]
        let annotations: JSONValue = ["snapshot.storage.kubernetes.io/is-default-class": "true"]
        server.put(
            "\(Self.classes)/\(name)",
            [
                "metadata": isDefault ? metadata.with("annotations", annotations) : metadata,
                "driver": .string(driver), "deletionPolicy": .string(policy),
            ]
        )
    }

    /// A VolumeSnapshot of a claim, or of a content.
    func putSnapshot(_ name: String = "s", claim: String? = "data", content: String? = nil, class named: String? = nil)
    {
        var source: JSONValue = [:]
        source = source.with("persistentVolumeClaimName", claim.map { .string($0) })
            .with("volumeSnapshotContentName", content.map { .string($0) })
        let spec: JSONValue = ["source": source]
        server.put(
            "\(Self.snapshots)/\(name)",
            [
                "metadata": ["name": .string(name), "namespace": "db"],
                "spec": spec.with("volumeSnapshotClassName", named.map { .string($0) }),
            ]
        )
    }

    /// A claim that is to be filled.
    func putWish(_ name: String, from source: JSONValue, mode: String = "Block", size: String = "1Gi") throws
        -> PersistentVolumeClaim
    {
        let path = "/api/v1/namespaces/db/persistentvolumeclaims/\(name)"
        server.put(
            path,
            [
                "metadata": ["name": .string(name), "namespace": "db"],
                "spec": [
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": .string(mode),
                    "resources": ["requests": ["storage": .string(size)]], "dataSource": source,
                ],
                "status": ["phase": "Pending"],
            ]
        )
        return try #require(server.object(path).flatMap { PersistentVolumeClaim($0) })
    }

    func snapshot(_ name: String = "s") -> VolumeSnapshot? {
        server.object("\(Self.snapshots)/\(name)").flatMap { VolumeSnapshot($0) }
    }

    var allContents: [VolumeSnapshotContent] { server.all(Self.contents).compactMap { VolumeSnapshotContent($0) } }

    var claim: PersistentVolumeClaim? { server.object(Self.claimPath).flatMap { PersistentVolumeClaim($0) } }

    /// A new controller, which has looked whether the common one is there.
    func look() async throws {
        let new = CommonController(shop)
        _ = await new.look()
        common.withLock { $0 = new }
    }

    /// Reads all objects into the caches, as watches would.
    private func refresh() {
        let caches = SnapshotCaches()
        for object in server.all("\(ObjectServer.snapshotAPI)/volumesnapshots") {
            if let snapshot = VolumeSnapshot(object) { caches.snapshots.put(snapshot) }
        }
        let unseen = unseen.withLock(\.self)
        for content in allContents where !unseen.contains(content.metadata.name) { caches.contents.put(content) }
        for object in server.all(Self.classes) {
            if let named = VolumeSnapshotClass(object) { caches.classes.put(named) }
        }
        caches.snapshots.markSynced()
        caches.contents.markSynced()
        caches.classes.markSynced()
        holder.current = caches
        for key in shop.claims.keys { shop.claims.remove(key) }
        for object in server.all(APIPath.persistentVolumeClaims) {
            if let claim = PersistentVolumeClaim(object) { shop.claims.put(claim) }
        }
        for object in server.all(APIPath.persistentVolumes) {
            if let volume = PersistentVolume(object) { shop.volumes.put(volume) }
        }
    }

    /// Keeps a content out of the cache, as a watch that is late.
    func hide(_ name: String) { unseen.withLock { _ = $0.insert(name) } }

    /// A content for a snapshot that is there.
    func putContent(_ name: String, _ handle: String, for snapshot: String = "again", policy: String = "Delete") {
        server.put(
            "\(Self.contents)/\(name)",
            [
                "metadata": ["name": .string(name)],
                "spec": [
                    "driver": "rbd.nacre.io", "deletionPolicy": .string(policy),
                    "source": ["snapshotHandle": .string(handle)],
                    "volumeSnapshotRef": ["namespace": "db", "name": .string(snapshot)],
                ],
            ]
        )
    }

    private static func makeVolume(_ service: VolumeService) async throws -> String {
        let made = try await service.createVolume(
            CreateVolumeRequest(
                name: "pvc-\(claimUID)",
                range: try CapacityRange(requiredBytes: 1 << 30, limitBytes: 0),
                capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                parameters: ["clusterID": "lab", "pool": "rbd"],
                credentials: Credentials(userID: "u", userKey: Secret("k"))
            ),
            deadline: .now + .seconds(10)
        )
        return made.id.description
    }

    /// Makes the volume again, by the same handle.
    func makeVolume() async throws {
        let again = try await Self.makeVolume(service)
        #expect(again == handle)
    }

    /// Deletes the volume, as the service does for whoever deletes its PersistentVolume.
    func deleteVolume() async throws {
        let credentials = Credentials(userID: "u", userKey: Secret("k"))
        try await service.deleteVolume(handle, credentials: credentials, deadline: .now + .seconds(10))
    }

    /// Works once on each VolumeSnapshot, one after the other or all at once, as a queue's workers do.
    func workOnSnapshots(atOnce: Bool = false) async throws {
        let current = common.withLock(\.self)
        let work = SnapshotReconciler(shop, holder, try #require(current))
        refresh()
        let keys = holder.current?.snapshots.keys.sorted() ?? []
        await withTaskGroup { group in
            for key in keys {
                group.addTask { _ = await work.reconcile(key) }
                if !atOnce { await group.waitForAll() }
            }
        }
    }

    /// Works once on each content.
    func workOnContents() async {
        let work = ContentReconciler(shop, holder)
        refresh()
        for name in holder.current?.contents.keys.sorted() ?? [] { _ = await work.reconcile(name) }
    }

    /// Works, by new reconcilers, until nothing changes any more.
    func settle() async throws {
        let current = common.withLock(\.self)
        let common = try #require(current)
        let snapshotWork = SnapshotReconciler(shop, holder, common)
        let contentWork = ContentReconciler(shop, holder)
        for _ in 0..<40 {
            let before = server.version
            refresh()
            guard let caches = holder.current else { return }
            for key in caches.snapshots.keys.sorted() { _ = await snapshotWork.reconcile(key) }
            refresh()
            for name in holder.current?.contents.keys.sorted() ?? [] { _ = await contentWork.reconcile(name) }
            if server.version == before { return }
        }
        Issue.record("it goes round in circles: \(server.writes) writes")
    }
}
