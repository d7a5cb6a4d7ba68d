import JSON
import KubernetesAPI
import Testing
import Volumes

@testable import Provisioner

@Suite("Volumes that come back from what is on their images")
struct RecoveryPlanTests {
    private static let uid = "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"
    private static let name = "pvc-\(uid)"
    private static let cluster = "11111111-2222-4333-8444-555555555555"

    private static func storageClass(_ parameters: [String: String] = [:], policy: String = "Delete") throws
        -> StorageClass
    {
        try #require(
            StorageClass([
                "metadata": ["name": "fast", "uid": "s", "resourceVersion": "1"], "provisioner": "rbd.nacre.io",
                "reclaimPolicy": .string(policy), "mountOptions": ["noatime", "nodiscard"],
                "allowedTopologies": [
                    [
                        "matchLabelExpressions": [
                            ["key": "zone", "values": ["a", "b"]], ["key": "rack", "values": ["1"]],
                        ]
                    ]
                ],
                "parameters": JSONValue(
                    parameters.merging([
                        "clusterID": "lab", "pool": "rbd", "mounter": "fuse",
                        "csi.storage.k8s.io/secret-name": "ceph", "csi.storage.k8s.io/secret-namespace": "db",
                    ]) { $1 }
                ),
            ])
        )
    }

    private static func claim(_ mode: String, _ modes: [String]) throws -> PersistentVolumeClaim {
        try #require(
            PersistentVolumeClaim([
                "metadata": ["name": "data", "namespace": "db", "uid": .string(uid), "resourceVersion": "7"],
                "spec": [
                    "accessModes": JSONValue(modes), "storageClassName": "fast", "volumeMode": .string(mode),
                    "resources": ["requests": ["storage": "64Mi"]],
                ],
            ])
        )
    }

    private func image(
        _ uuid: String = RecoveryPlanTests.uid,
        sizeBytes: UInt64 = 64 << 20,
        with more: [String: String?] = [:]
    ) throws -> FoundImage {
        var metadata: [String: String] = [
            "nacre.io/request-name": "pvc-\(uuid)", "nacre.io/image": "rbd/csi-vol-\(uuid)",
            "nacre.io/file-system": "ext4",
            "nacre.io/node-parameters": #"{"mounter":"fuse"}"#, "nacre.io/kubernetes-cluster": Self.cluster,
            "csi.storage.k8s.io/pvc/namespace": "db", "csi.storage.k8s.io/pvc/name": "data",
            "csi.storage.k8s.io/pv/name": "pvc-\(uuid)",
        ]
        for (key, value) in more { metadata[key] = value }
        return FoundImage(
            id: try VolumeID(clusterID: "lab", pool: "rbd", namespace: "", image: "csi-vol-\(uuid)"),
            sizeBytes: sizeBytes,
            metadata: metadata
        )
    }

    private func record(
        _ storageClass: StorageClass,
        _ delivery: ClassParameters.Delivery = .local,
        modes: [String] = ["ReadWriteOnce"],
        isBlock: Bool = false
    ) -> VolumeRecord {
        let secret = SecretReference(name: "ceph", namespace: "db")
        return VolumeRecord(
            accessModes: modes,
            isBlock: isBlock,
            storageClass: storageClass,
            delivery: delivery,
            secrets: [.provisioner: secret, .nodeStage: secret, .controllerExpand: secret],
            flexDriver: "nacre.io/rbd"
        )
    }

    @Test(
        "The PersistentVolume is the one that the volume was made with",
        arguments: [
            ("Filesystem", ClassParameters.Delivery.local, "Delete"), ("Filesystem", .flexVolume, "Retain"),
            ("Block", .local, "Delete"),
        ]
    )
    func isWhatItWas(mode: String, delivery: ClassParameters.Delivery, policy: String) throws {
        let storageClass = try Self.storageClass(policy: policy)
        let modes = mode == "Block" ? ["ReadWriteOnce"] : ["ReadWriteOncePod"]
        let claim = try Self.claim(mode, modes)
        let written = record(storageClass, delivery, modes: modes, isBlock: mode == "Block").text
        #expect(VolumeRecord(written)?.text == written)
        let found = try image(
            with: ["nacre.io/kubernetes-volume": written, "nacre.io/file-system": mode == "Block" ? "block" : "xfs"]
        )
        let items = RecoveryPlan.items([found], RecoveryWish(clusters: [Self.cluster]))
        let item = try #require(items.first)
        #expect(item.standing == .missing)
        let objects = try #require(item.objects)

        var others = ["mounter": "fuse", "clusterID": "lab", "pool": "rbd", "image": "csi-vol-\(Self.uid)"]
        if mode != "Block" { others["mountOptions"] = "noatime,nodiscard" }
        let secret = SecretReference(name: "ceph", namespace: "db")
        let made = VolumeObject(
            name: Self.name,
            claim: claim,
            storageClass: storageClass,
            capacityBytes: 64 << 20,
            fileSystem: mode == "Block" ? "ext4" : "xfs",
            delivery: delivery,
            attributes: VolumeAttributes(
                handle: "lab/rbd//csi-vol-\(Self.uid)",
                nodeSecret: secret,
                expandSecret: secret,
                others: others
            ),
            deletionSecret: secret,
            settings: DriverSettings()
        )
        .json
        for part in [
            "capacity", "accessModes", "persistentVolumeReclaimPolicy", "storageClassName", "volumeMode", "flexVolume",
            "local", "nodeAffinity",
        ] {
            #expect(objects.volume["spec", part] == made["spec", part], "\(part)")
        }
        #expect(objects.volume["metadata", "finalizers"] == made["metadata", "finalizers"])
        var annotations = made["metadata", "annotations"]?.stringMembers ?? [:]
        // A binding by the controller is one that it may undo.
        annotations["pv.kubernetes.io/bound-by-controller"] = nil
        #expect(objects.volume["metadata", "annotations"]?.stringMembers == annotations)
        #expect(objects.volume["spec", "claimRef", "uid"] == nil)
        #expect(objects.claim["spec", "volumeName"]?.string == Self.name)
        #expect(objects.claim["spec", "accessModes"]?.strings == modes)
        #expect(objects.claim["metadata", "namespace"]?.string == "db")
    }

    @Test("What is not wanted, and what cannot be told, is said of each image")
    func refusals() throws {
        let kept: [String: String?] = ["nacre.io/kubernetes-volume": record(try Self.storageClass()).text]
        func reason(_ image: FoundImage, _ wish: RecoveryWish? = nil) throws -> String {
            try #require(RecoveryPlan.items([image], wish ?? RecoveryWish(clusters: [Self.cluster])).first?.reason)
        }
        #expect(try reason(image(Self.uid, sizeBytes: 0)).contains("no header"))
        #expect(try reason(image(with: ["nacre.io/request-name": nil])).contains("unknown origin"))
        #expect(try reason(image(with: ["nacre.io/image": "rbd/other"])).contains("of which it is a copy"))
        #expect(try reason(image(with: ["csi.storage.k8s.io/pvc/name": nil])).contains("made for no claim"))
        #expect(try reason(image(with: ["nacre.io/branch": "{}"])).contains("is a branch"))
        #expect(
            try reason(image(with: kept.merging(["nacre.io/kubernetes-cluster": "2"]) { $1 })).contains(
                "--of-cluster 2"
            )
        )
        #expect(try reason(image()).contains("--class"))

        // A class that leaves the file system open: the image does not name one.
        let open = try image(with: kept.merging(["nacre.io/file-system": nil]) { $1 })
        let objects = RecoveryPlan.items([open], RecoveryWish(clusters: [Self.cluster])).first?.objects
        #expect(objects?.volumeMode == "Filesystem" && objects?.volume["spec", "local", "fsType"]?.string == "ext4")

        let stray = try image(with: kept.merging(["nacre.io/kubernetes-cluster": nil]) { $1 })
        #expect(try reason(stray).contains("--image csi-vol-\(Self.uid)"))
        let named = RecoveryWish(clusters: [], images: [stray.id.image])
        #expect(RecoveryPlan.items([stray], named).first?.standing == .missing)
    }

    @Test("An image of an earlier release gets the class that a person names, and says that it is assumed")
    func earlier() throws {
        let storageClass = try Self.storageClass(["nodeDelivery": "flexVolume"], policy: "Retain")
        var wish = RecoveryWish(clusters: [Self.cluster], storageClass: storageClass)
        let item = try #require(RecoveryPlan.items([try image()], wish).first)
        #expect(item.standing == .missing)
        #expect(item.notes.contains { $0.contains("are assumed") })
        let spec = try #require(item.objects?.volume["spec"])
        #expect(spec["persistentVolumeReclaimPolicy"]?.string == "Retain")
        #expect(spec["accessModes"]?.strings == ["ReadWriteOnce"])
        #expect(spec["flexVolume", "options", "nodeSecretName"]?.string == "ceph")

        let blank = try image(with: ["nacre.io/file-system": nil])
        #expect(RecoveryPlan.items([blank], wish).first?.reason?.contains("--volume-mode") == true)
        wish.volumeMode = "Block"
        #expect(RecoveryPlan.items([blank], wish).first?.objects?.volumeMode == "Block")
        // What the image says comes first.
        #expect(RecoveryPlan.items([try image()], wish).first?.objects?.volumeMode == "Filesystem")
    }

    @Test("Of two images of one claim none is taken, until a person names one")
    func doubled() throws {
        let kept: [String: String?] = ["nacre.io/kubernetes-volume": record(try Self.storageClass()).text]
        let other = "6b1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"
        let images = [try image(with: kept), try image(other, with: kept)]
        let items = RecoveryPlan.items(images, RecoveryWish(clusters: [Self.cluster]))
        #expect(items.count == 2)
        #expect(items[0].reason?.contains("'csi-vol-\(other)'") == true)
        #expect(items[1].reason?.contains("'csi-vol-\(Self.uid)'") == true)
        let wish = RecoveryWish(clusters: [Self.cluster], images: ["csi-vol-\(other)"])
        let chosen = RecoveryPlan.items(images, wish)
        #expect(chosen.count == 1 && chosen[0].standing == .missing)
    }

    @Test("A PersistentVolume of another driver for the same image is seen")
    func foreign() throws {
        var present = PresentVolumes()
        present.insert([
            "metadata": ["name": "old", "uid": "u", "resourceVersion": "1"],
            "spec": [
                "csi": [
                    "driver": "rbd.csi.ceph.com",
                    "volumeHandle": .string("0001-0009-rook-ceph-0000000000000002-\(Self.uid)"),
                ]
            ],
        ])
        #expect(present.foreign(of: "lab/rbd//csi-vol-\(Self.uid)")?.name == "old")
        #expect(present.foreign(of: "lab/rbd//csi-vol-6b1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10") == nil)
    }
}
