import JSON
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

@Suite("Branches")
struct BranchTests {
    private static let source = "lab/rbd//csi-vol-00000000-0000-4000-8000-000000000001"
    private static let claim = ClaimName(namespace: "test", name: "data")
    private static let over: Int64 = 1_700_000_000
    private static let mark = BranchMark(name: "review", source: source, claim: claim, expires: over)

    private static func volume(
        _ mark: BranchMark = mark,
        handle: String? = nil,
        policy: String = "Delete",
        annotations: [String: JSONValue] = [:]
    ) -> JSONValue {
        let handle = handle ?? "lab/rbd//csi-vol-\(mark.volume.dropFirst(4))"
        var all = JSONValue(mark.annotations).with("pv.kubernetes.io/provisioned-by", "rbd.nacre.io")
        for (key, value) in annotations { all = all.with(key, value) }
        return [
            "metadata": [
                "name": .string(mark.volume), "uid": "v", "resourceVersion": "9",
                "labels": ["nacre.io/branch": "review"],
                "annotations": all, "finalizers": [.string(PersistentVolume.provisionerFinalizer)],
            ],
            "spec": [
                "persistentVolumeReclaimPolicy": .string(policy), "claimRef": ["namespace": "test", "name": "data"],
                "flexVolume": [
                    "driver": "nacre.io/rbd", "options": ["schema": "1", "volumeHandle": .string(handle)],
                ],
            ],
            "status": ["phase": "Bound"],
        ]
    }

    /// The bodies of the deletions that a round sends, for a server with that volume and an image that says that.
    private func deletions(_ volume: JSONValue, imageSays text: String?, at now: Int64) async throws -> [JSONValue] {
        let list: JSONValue = ["metadata": ["resourceVersion": "1"], "items": .array([volume])]
        let page = String(decoding: list.bytes, as: UTF8.self)
        let bodies = Mutex<[String]>([])
        let server = try ScriptedServer { request, connection in
            if request.method == "DELETE" { bodies.withLock { $0.append(request.body) } }
            connection.answer(200, request.target.contains("labelSelector=nacre.io%2Fbranch") ? page : "{}")
        }
        let service = VolumeService(store: InMemoryImageStore())
        if let text {
            _ = try await service.createVolume(
                CreateVolumeRequest(
                    name: Self.mark.volume,
                    range: CapacityRange(requiredBytes: 1 << 20, limitBytes: 0),
                    capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
                    parameters: ["clusterID": "lab", "pool": "rbd"].merging(
                        text.isEmpty ? [:] : [ImageMetadataKey.branch: text]
                    ) { $1 },
                    credentials: Credentials(userID: "u", userKey: Secret("k"))
                ),
                deadline: .now + .seconds(60)
            )
        }
        let shop = try Workshop.forTests(service, server: server.url)
        try await BranchExpiry(shop).round(at: now)
        return try bodies.withLock(\.self).map { try JSONValue(parsing: Array($0.utf8)) }
    }

    @Test("A branch goes when its time is over, and not a second before; its claim goes with it")
    func expires() async throws {
        let text = Self.mark.imageText
        #expect(try await deletions(Self.volume(), imageSays: text, at: Self.over - 1).isEmpty)
        let sent = try await deletions(Self.volume(), imageSays: text, at: Self.over)
        #expect(sent.count == 1)
        #expect(sent.first?["propagationPolicy"]?.string == "Foreground")
        #expect(sent.first?["preconditions", "uid"]?.string == "v")
        #expect(sent.first?["preconditions", "resourceVersion"]?.string == "9")
        // A person prolonged it.
        let longer = Self.volume(annotations: ["nacre.io/branch-expires": "2030-01-01T00:00:00Z"])
        #expect(try await deletions(longer, imageSays: text, at: Self.over).isEmpty)
        // Its image was never made.
        #expect(try await deletions(Self.volume(), imageSays: nil, at: Self.over).count == 1)
    }

    @Test("What is not marked as that branch by object and image stays")
    func unmarked() async throws {
        let text = Self.mark.imageText
        #expect(try await deletions(Self.volume(), imageSays: "", at: Self.over).isEmpty)
        let other = BranchMark(name: "other", source: Self.source, claim: Self.claim, expires: Self.over)
        #expect(try await deletions(Self.volume(), imageSays: other.imageText, at: Self.over).isEmpty)
        #expect(try await deletions(Self.volume(policy: "Retain"), imageSays: text, at: Self.over).isEmpty)
        let foreign = Self.volume(annotations: ["pv.kubernetes.io/provisioned-by": "other.io"])
        #expect(try await deletions(foreign, imageSays: text, at: Self.over).isEmpty)
        let vague = Self.volume(annotations: ["nacre.io/branch-expires": "soon"])
        #expect(try await deletions(vague, imageSays: text, at: Self.over).isEmpty)
        // Its label is on a volume whose image is another's.
        let forged = Self.volume(handle: Self.source)
        #expect(try await deletions(forged, imageSays: text, at: Self.over).isEmpty)
    }

    private static func sourceVolume() throws -> PersistentVolume {
        var options: [String: String] = [:]
        options["schema"] = "1"
        options["volumeHandle"] = source
        options["nodeSecretName"] = "ceph"
        options["nodeSecretNamespace"] = "db"
        options["clusterID"] = "lab"
        options["pool"] = "rbd"
        options["image"] = "csi-vol-00000000-0000-4000-8000-000000000001"
        options["mountOptions"] = "noatime"
        let attributes = String(decoding: JSONValue(options).bytes, as: UTF8.self)
        return try #require(
            PersistentVolume([
                "metadata": [
                    "name": "pvc-00000000-0000-4000-8000-000000000001", "uid": "s", "resourceVersion": "1",
                    "annotations": [
                        "pv.kubernetes.io/provisioned-by": "rbd.nacre.io",
                        "nacre.io/volume-attributes": .string(attributes),
                        "volume.kubernetes.io/provisioner-deletion-secret-name": "ceph",
                        "volume.kubernetes.io/provisioner-deletion-secret-namespace": "db",
                    ],
                ],
                "spec": [
                    "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "fast", "volumeMode": "Filesystem",
                    "accessModes": ["ReadWriteOnce"], "capacity": ["storage": "1Gi"],
                    "claimRef": ["namespace": "db", "name": "data", "uid": "u"],
                    "local": [
                        "path": "/run/nacre/node-agent/pvc-00000000-0000-4000-8000-000000000001/volume",
                        "fsType": "xfs",
                    ],
                ],
            ])
        )
    }

    @Test("A branch's objects are its source's, with an image, a claim and a time of their own")
    func objects() throws {
        let source = try Self.sourceVolume()
        let identity = ClusterIdentity(server: "http://127.0.0.1:1", namespace: nil, fixed: ClusterIdentity.Parts())
        let client = try KubernetesClient(identity, userAgent: "t")
        let making = try BranchMaking(client, of: source, name: "review", into: "test", expires: Self.over)
        #expect(making.mark == Self.mark)
        let id = try VolumeID(parsing: "lab/rbd//csi-vol-\(making.mark.volume.dropFirst(4))")
        let made = making.volume(id, sizeBytes: 1 << 30)
        #expect(made["spec", "persistentVolumeReclaimPolicy"]?.string == "Delete")
        #expect(made["spec", "claimRef"]?.stringMembers["namespace"] == "test")
        #expect(made["spec", "claimRef", "uid"] == nil)
        #expect(made["spec", "local", "path"]?.string == "/run/nacre/node-agent/\(making.mark.volume)/volume")
        #expect(made["spec", "local", "fsType"]?.string == "xfs")
        let text = try #require(made["metadata", "annotations", "nacre.io/volume-attributes"]?.string)
        let own = try JSONValue(parsing: Array(text.utf8)).stringMembers
        #expect(own["volumeHandle"] == "\(id)" && own["image"] == id.image && own["nodeSecretName"] == "ceph")
        let metadata = (made["metadata"] ?? [:]).with("uid", "b").with("resourceVersion", "1")
        let object = try #require(PersistentVolume(made.with("metadata", metadata)))
        #expect(BranchMark(object) == making.mark)
        #expect(VolumeObject.deletionSecret(in: object.details?.annotations ?? [:])?.name == "ceph")

        let claim = making.claimObject(of: object)
        #expect(claim["metadata", "ownerReferences"]?.elements.first?["uid"]?.string == "b")
        #expect(claim["spec", "volumeName"]?.string == making.mark.volume)
        #expect(claim["spec", "resources", "requests", "storage"]?.string == "1Gi")

        let request = try making.request(
            Credentials(userID: "u", userKey: Secret("k")),
            cluster: "k",
            sizeBytes: 1 << 30
        )
        #expect(request.source == .volume(Self.source))
        #expect(request.parameters["image"] == nil && request.parameters["mountOptions"] == nil)
        #expect(request.parameters[ImageMetadataKey.branch] == making.mark.imageText)
        #expect(try VolumeParameters(request.parameters).trashRetention?.seconds == 0)
        #expect(Self.mark.isOf(image: making.mark.imageText))
    }

    @Test(
        "A PersistentVolume that goes while the image is made is made again, and the claim is the new one's",
        arguments: [false, true]
    )
    func goneMeanwhile(isSlow: Bool) async throws {
        let server = try ObjectServer()
        server.put("/api/v1/namespaces/test", ["metadata": ["name": "test"]])
        let identity = ClusterIdentity(server: server.url, namespace: nil, fixed: ClusterIdentity.Parts())
        let client = try KubernetesClient(identity, userAgent: "t")
        var making = try BranchMaking(
            client,
            of: try Self.sourceVolume(),
            name: "review",
            into: "test",
            expires: 4_000_000_000
        )
        let id = try VolumeID(parsing: "lab/rbd//csi-vol-\(making.mark.volume.dropFirst(4))")
        let path = APIPath.persistentVolume(making.mark.volume)
        let wasThere = try await making.check()
        #expect(!wasThere)
        try await making.begin(id, sizeBytes: 1 << 30)
        let first = try #require(server.object(path)?["metadata", "uid"]?.string)
        // Somebody deletes it; the controller takes its finalizer off.
        server.delete(path)
        #expect(server.object(path) != nil)
        let letGo = Task {
            if isSlow { try await Task.sleep(for: .milliseconds(100)) }
            server.patch(path, ["metadata": ["finalizers": .null]])
            server.delete(path)
        }
        if !isSlow { try await letGo.value }
        let isWhole = try await making.end(pause: .milliseconds(10))
        #expect(!isWhole, "its image may be gone, too")
        try await letGo.value
        try await making.begin(id, sizeBytes: 1 << 30)
        let second = try #require(server.object(path)?["metadata", "uid"]?.string)
        #expect(first != second)
        let isMade = try await making.end()
        #expect(isMade)
        let claim = try #require(server.object(APIPath.claim("test", "data")))
        #expect(claim["metadata", "ownerReferences"]?.elements.first?["uid"]?.string == second)
        let isThere = try await making.end()
        #expect(isThere, "the same again")
    }

    @Test("A branch that is made again has the time that is asked for, not that of the one that went")
    func timeOfTheOneThatWent() async throws {
        let server = try ObjectServer()
        server.put("/api/v1/namespaces/test", ["metadata": ["name": "test"]])
        let identity = ClusterIdentity(server: server.url, namespace: nil, fixed: ClusterIdentity.Parts())
        let client = try KubernetesClient(identity, userAgent: "t")
        let source = try Self.sourceVolume()
        var earlier = try BranchMaking(client, of: source, name: "review", into: "test", expires: 3_000_000_000)
        var making = try BranchMaking(client, of: source, name: "review", into: "test", expires: 4_000_000_000)
        let id = try VolumeID(parsing: "lab/rbd//csi-vol-\(making.mark.volume.dropFirst(4))")
        let path = APIPath.persistentVolume(making.mark.volume)
        // A command that was killed left the PersistentVolume.
        try await earlier.begin(id, sizeBytes: 1 << 30)
        let wasThere = try await making.check()
        #expect(!wasThere)
        try await making.begin(id, sizeBytes: 1 << 30)
        #expect(making.mark.expires == 3_000_000_000, "what is there keeps its time")
        // Its time is over while the image is made, and the controller deletes it.
        server.patch(path, ["metadata": ["finalizers": .null]])
        server.delete(path)
        let isWhole = try await making.end(pause: .milliseconds(10))
        #expect(!isWhole)
        try await making.begin(id, sizeBytes: 1 << 30)
        #expect(making.mark.expires == 4_000_000_000)
        let until = server.object(path)?["metadata", "annotations"]?.stringMembers["nacre.io/branch-expires"]
        #expect(until == "2096-10-02T07:06:40Z")
        let isMade = try await making.end()
        #expect(isMade)
        let claim = server.object(APIPath.claim("test", "data"))
        #expect(claim?["metadata", "annotations"]?.stringMembers["nacre.io/branch-expires"] == until)
    }
}
