import JSON
import KubernetesAPI
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import Provisioner

@Suite("Volumes that nobody wants any more")
struct VolumeReconcilerTests {
    private static let uid = "00000000-0000-4000-8000-000000000001"
    private static let name = "pvc-\(uid)"

    private static func volume(
        phase: String = "Released",
        claim: JSONValue? = ["namespace": "db", "name": "data", "uid": .string(uid)],
        policy: String = "Delete",
        name: String = name,
        handle: String = "lab/rbd//csi-vol-\(uid)"
    ) -> JSONValue {
        let spec: JSONValue = [
            "persistentVolumeReclaimPolicy": .string(policy),
            "flexVolume": [
                "driver": "nacre.io/rbd", "options": ["schema": "1", "volumeHandle": .string(handle)],
            ],
        ]
        return [
            "metadata": [
                "name": .string(name), "uid": "v", "resourceVersion": "1",
                "annotations": ["pv.kubernetes.io/provisioned-by": "rbd.nacre.io"],
                "finalizers": [.string(PersistentVolume.provisionerFinalizer)],
            ],
            "spec": spec.with("claimRef", claim), "status": ["phase": .string(phase)],
        ]
    }

    private static func claim(uid: String, volume: String = "") -> String {
        #"{"metadata":{"name":"data","namespace":"db","uid":"\#(uid)","resourceVersion":"1"},"#
            + #""spec":{"volumeName":"\#(volume)"},"status":{"phase":"Bound"}}"#
    }

    private static let gone =
        #"{"kind":"Status","code":404,"reason":"NotFound","message":"gone","details":{"name":"data"}}"#

    /// Reconciles a volume with an API server that has it, and gives this answer for its claim; returns whether the
    /// image was deleted.
    private func isDeleted(
        _ volume: JSONValue,
        claim: (status: Int, body: String),
        requestName: String = name
    ) async throws -> Bool {
        let text = String(decoding: volume.bytes, as: UTF8.self)
        let server = try ScriptedServer { request, connection in
            if request.method != "GET" {
                connection.answer(200, text)
            } else if request.target.contains("/persistentvolumeclaims/") {
                connection.answer(claim.status, claim.body)
            } else {
                connection.answer(200, text)
            }
        }
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let made = try await service.createVolume(
            CreateVolumeRequest(
                name: requestName,
                range: CapacityRange(requiredBytes: 1 << 20, limitBytes: 0),
                capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                parameters: ["clusterID": "lab", "pool": "rbd"],
                credentials: Credentials(userID: "u", userKey: Secret("k"))
            ),
            deadline: .now + .seconds(60)
        )
        let shop = try Workshop.forTests(service, server: server.url)
        let object = try #require(PersistentVolume(volume))
        shop.volumes.put(object)
        _ = await VolumeReconciler(shop).reconcile(object.metadata.name)
        return store.images[made.id] == nil
    }

    @Test("The image goes when the server says by name that the claim is gone, or has another of that name")
    func released() async throws {
        #expect(try await isDeleted(Self.volume(), claim: (404, Self.gone)))
        #expect(try await isDeleted(Self.volume(phase: "Bound"), claim: (404, Self.gone)))
        #expect(try await isDeleted(Self.volume(), claim: (200, Self.claim(uid: "other"))))
        #expect(try await isDeleted(Self.volume(), claim: (200, Self.claim(uid: "other", volume: "v2"))))
    }

    @Test(
        "Nothing less than that lets it go",
        arguments: [
            (404, "404 page not found"),
            (404, #"{"kind":"Status","code":404,"reason":"NotFound","message":"no path"}"#),
            (404, #"{"kind":"Status","code":404,"reason":"NotFound","message":"m","details":{"name":"x"}}"#),
            (200, "{}"), (200, #"{"metadata":{"name":"data"}}"#), (200, ""), (200, "<html>"), (403, ""), (500, ""),
            (200, claim(uid: uid, volume: name)), (200, claim(uid: uid)), (200, claim(uid: "other", volume: name)),
        ]
    )
    func notReleased(status: Int, body: String) async throws {
        for phase in ["Released", "Bound"] {
            #expect(try await !isDeleted(Self.volume(phase: phase), claim: (status, body)), "\(phase)")
        }
    }

    @Test("A volume whose claim a person has taken out of it stays, though its phase says released")
    func freedByHand() async throws {
        #expect(try await !isDeleted(Self.volume(claim: nil), claim: (404, Self.gone)))
        let named: JSONValue = ["namespace": "db", "name": "data"]
        #expect(try await !isDeleted(Self.volume(claim: named), claim: (404, Self.gone)))
        #expect(try await !isDeleted(Self.volume(policy: "Retain"), claim: (404, Self.gone)))
    }

    @Test("A volume that went from claim to claim goes with the last one")
    func changedHands() async throws {
        let other: JSONValue = ["namespace": "db", "name": "data", "uid": "00000000-0000-4000-8000-00000000000f"]
        #expect(try await isDeleted(Self.volume(claim: other), claim: (404, Self.gone)))
    }

    @Test("A forged volume deletes no image: neither one of another name, nor one that was made for another name")
    func forged() async throws {
        let other = "pvc-00000000-0000-4000-8000-000000000002"
        #expect(try await !isDeleted(Self.volume(name: other), claim: (404, Self.gone)))
        let image = try ImageName.image(forRequest: "data", prefix: "csi-vol-")
        let forged = Self.volume(
            name: "pvc-\(image.dropFirst("csi-vol-".count))",
            handle: "lab/rbd//\(image)"
        )
        #expect(try await !isDeleted(forged, claim: (404, Self.gone), requestName: "data"))
    }

    @Test("An image learns which claim and which Kubernetes have it, and that a person keeps what its class deletes")
    func notes() async throws {
        let other = "00000000-0000-4000-8000-00000000000f"
        let claim: JSONValue = ["namespace": "new", "name": "logs", "uid": .string(other)]
        let bound = Self.volume(phase: "Bound", claim: claim, policy: "Retain")
        var spec = bound["spec"] ?? [:]
        spec = spec.with("storageClassName", "fast")
        let metadata = (bound["metadata"] ?? [:]).with("finalizers", [])
        let volume = bound.with("spec", spec).with("metadata", metadata)
        let text = String(decoding: volume.bytes, as: UTF8.self)
        let server = try ScriptedServer { request, connection in
            let isCluster = request.target.contains("/namespaces/kube-system")
            connection.answer(
                200,
                isCluster ? #"{"metadata":{"name":"kube-system","uid":"theirs","resourceVersion":"1"}}"# : text
            )
        }
        let storageClass = try #require(
            StorageClass([
                "metadata": ["name": "fast", "uid": "s", "resourceVersion": "1"], "provisioner": "rbd.nacre.io",
                "reclaimPolicy": "Delete",
            ])
        )
        let record = VolumeRecord(
            accessModes: ["ReadWriteOnce"],
            isBlock: true,
            storageClass: storageClass,
            delivery: .local,
            secrets: [:],
            flexDriver: "nacre.io/rbd"
        )
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let credentials = Credentials(userID: "u", userKey: Secret("k"))
        let made = try await service.createVolume(
            CreateVolumeRequest(
                name: Self.name,
                range: CapacityRange(requiredBytes: 1 << 20, limitBytes: 0),
                capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                parameters: [
                    "clusterID": "lab", "pool": "rbd", ImageMetadataKey.kubernetesCluster: "ours",
                    ImageMetadataKey.kubernetesVolume: record.text, "csi.storage.k8s.io/pvc/name": "data",
                    "csi.storage.k8s.io/pvc/namespace": "db",
                ],
                credentials: credentials
            ),
            deadline: .now + .seconds(60)
        )
        let shop = try Workshop.forTests(service, server: server.url)
        try await shop.cluster.read(shop.client)
        shop.classes.put(storageClass)
        let object = try #require(PersistentVolume(volume))
        shop.volumes.put(object)
        let reconciler = VolumeReconciler(shop)
        #expect(reconciler.isDue(object))
        _ = await reconciler.reconcile(object.metadata.name)
        let found = try #require(try await store.metadata(of: made.id, credentials: credentials))
        #expect(ClaimName(metadata: found)?.description == "new/logs")
        #expect(found[ImageMetadataKey.kubernetesCluster] == "theirs")
        #expect(found[ImageMetadataKey.kubernetesVolume].flatMap { VolumeRecord($0) }?.reclaimPolicy == "Retain")
        #expect(!reconciler.isDue(object), "once is enough")
    }

    @Test("A kept volume without an image is told of once, and noted on its image when that is there again")
    func noImage() async throws {
        let bound = Self.volume(phase: "Bound", policy: "Retain")
        let spec = (bound["spec"] ?? [:]).with("storageClassName", "fast")
        let volume = bound.with("spec", spec).with("metadata", (bound["metadata"] ?? [:]).with("finalizers", []))
        let text = String(decoding: volume.bytes, as: UTF8.self)
        let reasons = Mutex<[String]>([])
        let server = try ScriptedServer { request, connection in
            if request.method == "POST", let event = try? JSONValue(parsing: Array(request.body.utf8)) {
                reasons.withLock { $0.append(event["reason"]?.string ?? "") }
            }
            connection.answer(200, text)
        }
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let shop = try Workshop.forTests(service, server: server.url)
        let storageClass = try #require(
            StorageClass([
                "metadata": ["name": "fast", "uid": "s", "resourceVersion": "1"], "provisioner": "rbd.nacre.io",
                "reclaimPolicy": "Delete",
            ])
        )
        shop.classes.put(storageClass)
        let object = try #require(PersistentVolume(volume))
        shop.volumes.put(object)
        let claim: JSONValue = [
            "metadata": ["name": "data", "namespace": "db", "uid": .string(Self.uid), "resourceVersion": "1"],
            "spec": ["volumeName": .string(Self.name)], "status": ["phase": "Bound"],
        ]
        shop.claims.put(try #require(PersistentVolumeClaim(claim)))
        let reconciler = VolumeReconciler(shop)
        for _ in 0..<2 {
            #expect(reconciler.isDue(object), "the next sweep looks again")
            guard case .done = await reconciler.reconcile(object.metadata.name) else {
                Issue.record("it is tried again before the next sweep")
                return
            }
        }
        // nacre volume undelete.
        let record = VolumeRecord(
            accessModes: ["ReadWriteOnce"],
            isBlock: true,
            storageClass: storageClass,
            delivery: .flexVolume,
            secrets: [:],
            flexDriver: "nacre.io/rbd"
        )
        let credentials = Credentials(userID: "u", userKey: Secret("k"))
        let made = try await service.createVolume(
            CreateVolumeRequest(
                name: Self.name,
                range: CapacityRange(requiredBytes: 1 << 20, limitBytes: 0),
                capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                parameters: [
                    "clusterID": "lab", "pool": "rbd", ImageMetadataKey.kubernetesVolume: record.text,
                ],
                credentials: credentials
            ),
            deadline: .now + .seconds(60)
        )
        _ = await reconciler.reconcile(object.metadata.name)
        let found = try #require(try await store.metadata(of: made.id, credentials: credentials))
        #expect(found[ImageMetadataKey.kubernetesVolume].flatMap { VolumeRecord($0) }?.reclaimPolicy == "Retain")
        #expect(!reconciler.isDue(object))
        shop.events.finish()
        await shop.events.run()
        let told = reasons.withLock(\.self)
        #expect(told == ["VolumeImageMissing"])
    }
}
