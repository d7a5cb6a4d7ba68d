import JSON
import KubernetesAPI
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import Provisioner

/// An API server with one claim and the Secret of one class, and the reconciler for the claim.
private final class Stage: Sendable {
    struct World: Sendable {
        var hasSecret = true
        var hasClaim = true
        /// Whether PersistentVolumes can be created.
        var takesVolumes = true
        /// `Block` or `Filesystem`.
        var mode = "Block"
        /// What the server says to a list of the agents that show no directories: its status, and the agents' nodes.
        var olderAgents = (status: 200, nodes: [String]())
        /// The queries of those lists.
        var surveys: [String] = []
        var volume: String?
        var deletions = 0
    }

    static let uid = "00000000-0000-4000-8000-000000000001"
    static let name = "pvc-\(uid)"
    let world = Mutex(World())
    let store = InMemoryImageStore()
    private let server = Mutex<ScriptedServer?>(nil)
    private let parts = Mutex<(shop: Workshop, reconciler: ClaimReconciler)?>(nil)

    init(policy: String = "Delete", parameters: [String: String] = [:], mode: String = "Block") throws {
        world.withLock { $0.mode = mode }
        let server = try ScriptedServer { [unowned self] request, connection in
            let (status, body) = world.withLock { Self.answer(request, &$0) }
            connection.answer(status, body)
        }
        let shop = try Workshop.forTests(VolumeService(store: store), server: server.url)
        shop.classes.put(
            try #require(
                StorageClass([
                    "metadata": ["name": "fast", "uid": "s", "resourceVersion": "1"], "provisioner": "rbd.nacre.io",
                    "reclaimPolicy": .string(policy),
                    "parameters": JSONValue(
                        parameters.merging([
                            "clusterID": "lab", "pool": "rbd",
                            "csi.storage.k8s.io/provisioner-secret-name": "ceph",
                            "csi.storage.k8s.io/provisioner-secret-namespace": "db",
                        ]) { $1 }
                    ),
                ])
            )
        )
        shop.claims.put(try #require(PersistentVolumeClaim(Self.claim(mode))))
        self.server.withLock { $0 = server }
        let reconciler = ClaimReconciler(shop, CapacityReport(shop) { () throws(KubernetesError) in nil })
        parts.withLock { $0 = (shop, reconciler) }
    }

    static func claim(_ mode: String) -> JSONValue {
        [
            "metadata": ["name": "data", "namespace": "db", "uid": .string(uid), "resourceVersion": "1"],
            "spec": [
                "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": .string(mode),
                "resources": ["requests": ["storage": .string(mode == "Block" ? "1Mi" : "64Mi")]],
            ],
            "status": ["phase": "Pending"],
        ]
    }

    private static func gone(_ name: String) -> (Int, String) {
        (404, #"{"kind":"Status","code":404,"reason":"NotFound","details":{"name":"\#(name)"}}"#)
    }

    private static func answer(_ request: ScriptedServer.Request, _ world: inout World) -> (Int, String) {
        let target = request.target
        if target.contains("/secrets/") {
            return world.hasSecret ? (200, #"{"data":{"userID":"dQ==","userKey":"aw=="}}"#) : gone("ceph")
        }
        if target.contains("/persistentvolumeclaims/") {
            return world.hasClaim ? (200, String(decoding: claim(world.mode).bytes, as: UTF8.self)) : gone("data")
        }
        if target.contains("/namespaces/nacre/pods?") {
            world.surveys.append(target)
            guard world.olderAgents.status == 200 else {
                let reason = world.olderAgents.status == 403 ? "Forbidden" : "InternalError"
                return (
                    world.olderAgents.status,
                    #"{"kind":"Status","code":\#(world.olderAgents.status),"reason":"\#(reason)"}"#
                )
            }
            let pods = world.olderAgents.nodes.map { node -> JSONValue in
                ["metadata": ["name": .string("agent-\(node)")], "spec": ["nodeName": .string(node)]]
            }
            let list: JSONValue = ["kind": "PodList", "metadata": ["resourceVersion": "1"], "items": .array(pods)]
            return (200, String(decoding: list.bytes, as: UTF8.self))
        }
        switch request.method {
        case "POST":
            guard world.takesVolumes else { return (403, #"{"kind":"Status","code":403,"reason":"Forbidden"}"#) }
            world.volume = request.body.replacing(
                #""metadata":{"#,
                with: #""metadata":{"uid":"v","resourceVersion":"1","#,
                maxReplacements: 1
            )
            return (201, world.volume ?? "")
        case "DELETE": world.deletions += 1
        default: break
        }
        return world.volume.map { (200, $0) } ?? gone(name)
    }

    func reconcile() async throws -> WorkQueue.Outcome {
        try await #require(parts.withLock { $0?.reconciler }).reconcile("db/data")
    }

    /// Deletes the claim, from the server and from the watch.
    func deleteClaim() throws {
        world.withLock { $0.hasClaim = false }
        try #require(parts.withLock { $0?.shop }).claims.remove("db/data")
    }
}

@Suite("Claims that go while their volumes are made")
struct ClaimReconcilerTests {
    private func isDone(_ outcome: WorkQueue.Outcome) -> Bool {
        if case .done = outcome { return true }
        return false
    }

    @Test("A volume that was made and never bound is taken back when its class deletes, and stays when it retains")
    func neverBound() async throws {
        for policy in ["Delete", "Retain"] {
            let stage = try Stage(policy: policy)
            // The claim is deleted between the creation of the PersistentVolume and the binding.
            stage.world.withLock { $0.hasClaim = false }
            #expect(isDone(try await stage.reconcile()), "\(policy)")
            let isKept = policy == "Retain"
            #expect(stage.store.images.isEmpty == !isKept, "\(policy)")
            #expect(stage.world.withLock { $0.deletions == 0 } == isKept, "\(policy)")
        }
    }

    @Test("An image whose volume could not be saved goes with its claim, though the Secret is gone by then")
    func secretGone() async throws {
        let stage = try Stage()
        stage.world.withLock { $0.takesVolumes = false }
        #expect(!isDone(try await stage.reconcile()))
        #expect(stage.store.images.count == 1)
        stage.world.withLock { $0.hasSecret = false }
        try stage.deleteClaim()
        // A Secret is cached for a while.
        try await Task.sleep(for: .seconds(1))
        #expect(isDone(try await stage.reconcile()))
        #expect(stage.store.images.isEmpty && stage.store.trash.count == 1)
    }

    @Test("With a class that retains such an image stays")
    func retained() async throws {
        let stage = try Stage(policy: "Retain")
        stage.world.withLock { $0.takesVolumes = false }
        #expect(!isDone(try await stage.reconcile()))
        try stage.deleteClaim()
        #expect(isDone(try await stage.reconcile()))
        #expect(stage.store.images.count == 1)
    }

    @Test("Nothing is made in order to be taken back, and what was never begun is not asked about")
    func nothingMade() async throws {
        let begun = try Stage()
        begun.world.withLock { $0.takesVolumes = false }
        #expect(!isDone(try await begun.reconcile()))
        for id in begun.store.images.keys { begun.store.change(id) { $0.state = .absent } }
        try begun.deleteClaim()
        #expect(isDone(try await begun.reconcile()))
        #expect(begun.store.images.isEmpty && begun.store.trash.isEmpty)

        let never = try Stage()
        never.world.withLock { $0.hasSecret = false }
        #expect(!isDone(try await never.reconcile()))
        try never.deleteClaim()
        #expect(isDone(try await never.reconcile()))
        #expect(never.store.images.isEmpty && never.store.trash.isEmpty)
    }

    @Test("The PersistentVolume says the retention and the size factor that the image has, not those of its class")
    func imagesOwn() async throws {
        let stage = try Stage(parameters: ["trashRetention": "7d", "poolSizeFactor": "2"])
        stage.world.withLock { $0.takesVolumes = false }
        #expect(!isDone(try await stage.reconcile()))
        // As a person does it before the class is asked again.
        for id in stage.store.images.keys {
            stage.store.change(id) {
                $0.metadata[ImageMetadataKey.trashRetention] = "86400"
                $0.metadata[ImageMetadataKey.poolSizeFactor] = nil
            }
        }
        stage.world.withLock { $0.takesVolumes = true }
        _ = try await stage.reconcile()
        let written = try #require(stage.world.withLock { $0.volume })
        let volume = try #require(PersistentVolume(try JSONValue(parsing: Array(written.utf8))))
        let attributes = try #require(volume.details.flatMap { VolumeAttributes($0, flexDriver: "") })
        #expect(
            attributes.others["trashRetention"] == "1d" && attributes.others["poolSizeFactor"] == nil,
            "\(attributes)"
        )
        #expect(stage.store.images.count == 1)
    }

    /// The source of the PersistentVolume that a claim gets, or `none`.
    private func source(
        _ named: String?,
        _ agents: (status: Int, nodes: [String]),
        mode: String = "Filesystem"
    ) async throws -> (source: String, surveys: [String]) {
        let stage = try Stage(parameters: named.map { ["nodeDelivery": $0] } ?? [:], mode: mode)
        stage.world.withLock { $0.olderAgents = agents }
        _ = try await stage.reconcile()
        let (written, surveys) = stage.world.withLock { ($0.volume, $0.surveys) }
        guard let written else { return ("none", surveys) }
        let spec = try JSONValue(parsing: Array(written.utf8))["spec"]
        return (["local", "flexVolume"].first { spec?[$0] != nil } ?? "", surveys)
    }

    @Test("A class that names no way gets directories, and FlexVolumes while an agent of an earlier release runs")
    func delivery() async throws {
        let (byDefault, surveys) = try await source(nil, (200, []))
        #expect(byDefault == "local")
        #expect(surveys.count == 1 && surveys.first?.contains("nacre.io%2Fshows-directories") ?? false, "\(surveys)")
        #expect(try await source(nil, (200, ["n1"])).source == "flexVolume")
        // Without the right to look the start says so, and what is newest is taken.
        #expect(try await source(nil, (403, [])).source == "local")
        // An API server that fails is asked again, and nothing is made on a guess.
        #expect(try await source(nil, (500, [])).source == "none")
    }

    @Test("What a class names, and a raw block volume, is made whatever agents there are, and nobody looks")
    func namedDelivery() async throws {
        for (named, mode, wanted) in [
            ("local", "Filesystem", "local"), ("flexVolume", "Filesystem", "flexVolume"), (nil, "Block", "local"),
            ("flexVolume", "Block", "local"),
        ] {
            let (source, surveys) = try await source(named, (200, ["n1"]), mode: mode)
            #expect(source == wanted && surveys.isEmpty, "\(named ?? "nothing"), \(mode): \(source)")
        }
    }

    @Test("A claim that only the cache has lost keeps what was made for it")
    func cacheIsWrong() async throws {
        let stage = try Stage()
        stage.world.withLock { $0.takesVolumes = false }
        #expect(!isDone(try await stage.reconcile()))
        try stage.deleteClaim()
        stage.world.withLock { $0.hasClaim = true }
        #expect(!isDone(try await stage.reconcile()))
        #expect(stage.store.images.count == 1)
    }
}
