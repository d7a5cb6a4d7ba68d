import JSON
import KubernetesAPI
import TestSupport
import Testing

@Suite("From a claim to a bound volume, and back", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct ProvisioningTests {
    @Test(
        "A claim gets a volume of the form that external-provisioner writes, and all of it goes with the claim",
        arguments: Delivery.both
    )
    func life(delivery: Delivery) async throws {
        try await inWorld { world in
            try await world.makeClass(
                parameters: [
                    "csi.storage.k8s.io/fstype": "xfs", "mapOptions": "krbd:rxbounce",
                    "csi.storage.k8s.io/node-stage-secret-name": "node-${pvc.name}",
                    "csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.namespace}",
                    "nodeDelivery": delivery.rawValue,
                ],
                fields: ["mountOptions": ["discard", "noatime"]]
            )
            let controller = try await world.controller()
            let claim = try await world.claim("data", size: "1Gi")
            try await world.waitBound(1)
            let bound = try #require(try await world.claim(named: "data"))
            #expect(bound.volumeName == "pvc-\(claim.metadata.uid)")
            #expect(bound.capacityBytes == 1 << 30)
            let object = try await world.client.call(.get(APIPath.persistentVolume(bound.volumeName)))
            let volume = try #require(PersistentVolume(object))
            #expect(volume.phase == .bound)
            #expect(volume.hasProvisionerFinalizer)
            #expect(volume.claim?.uid == claim.metadata.uid)
            #expect(object["spec", "capacity", "storage"]?.string == "1Gi")
            #expect(object["spec", "mountOptions"] == nil)
            let options: [String: String]
            if delivery == .flexVolume {
                #expect(object["spec", "flexVolume", "fsType"]?.string == "xfs")
                options = try #require(volume.details?.flexOptions)
            } else {
                #expect(object["spec", "local", "fsType"]?.string == "xfs")
                let path = "/run/nacre/node-agent/\(bound.volumeName)/volume"
                #expect(object["spec", "local", "path"]?.string == path)
                let text = try #require(volume.details?.annotations["nacre.io/volume-attributes"])
                options = try JSONValue(parsing: Array(text.utf8)).stringMembers
            }
            #expect(options["mountOptions"] == "discard,noatime")
            #expect(options["mapOptions"] == "krbd:rxbounce")
            #expect(options["nodeSecretName"] == "node-data")
            #expect(options["nodeSecretNamespace"] == world.name)
            #expect(options["image"] == "\(world.name)-\(claim.metadata.uid)")
            #expect(volume.details?.annotations["volume.kubernetes.io/provisioner-deletion-secret-name"] == "ceph")
            #expect(try await world.images() == ["\(world.name)-\(claim.metadata.uid)"])
            try await eventually("the claim's owner is told") {
                try await world.events(about: claim.metadata.uid).contains { $0.hasPrefix("ProvisioningSucceeded") }
            }
            try await world.delete(bound)
            try await world.waitGone()
            #expect(try await controller.stop() == .exited(0))
            #expect(try await world.holder().isEmpty)
        }
    }

    @Test("A class that names no way gets directories, but FlexVolumes while a pod of an earlier agent is there")
    func olderAgents() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let pods = APIPath.pods(world.name)
            // As the pods of deploy/ were before agents showed directories; no node needs to run it.
            let labels: JSONValue = [
                "app.kubernetes.io/name": "nacre", "app.kubernetes.io/component": "nacre-node",
            ]
            let agent: JSONValue = [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "older", "labels": labels],
                "spec": [
                    "nodeSelector": ["nowhere": "at-all"],
                    "containers": [["name": "node", "image": "docker.io/local/busybox:1"]],
                ],
            ]
            let newer = agent.with(
                "metadata",
                ["name": "newer", "labels": labels.with("nacre.io/shows-directories", "true")]
            )
            for pod in [agent, newer] { _ = try await world.client.call(.create(pods, pod)) }
            let controller = try await world.controller()
            let first = try await world.claim("first")
            try await world.waitBound(1)
            try await eventually("the claim's owner is told why") {
                try await world.events(about: first.metadata.uid).contains { $0.hasPrefix("OlderAgent") }
            }
            _ = try await world.client.call(APICall(.delete, "\(pods)/older"))
            try await eventually("the earlier agent is gone") {
                try await world.client.call(.get(pods))["items"]?.elements.count == 1
            }
            // A look holds for a while.
            try await Task.sleep(for: .seconds(10))
            try await world.claim("second")
            try await world.waitBound(2)
            let sources = Dictionary(
                uniqueKeysWithValues: try await world.volumes().map {
                    ($0.claim?.name ?? "", $0.details?.localPath != nil ? "local" : "flexVolume")
                }
            )
            #expect(sources == ["first": "flexVolume", "second": "local"])
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A raw block claim comes as a local volume with its attributes in an annotation")
    func block() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            try await world.claim("raw", spec: ["volumeMode": "Block", "accessModes": ["ReadWriteMany"]])
            try await world.waitBound(1)
            let volume = try #require(try await world.volumes().first)
            #expect(volume.isBlock)
            #expect(volume.details?.localPath == "/var/lib/nacre/vol/\(volume.metadata.name)/dev")
            #expect(volume.details?.annotations["nacre.io/volume-attributes"]?.contains("volumeHandle") ?? false)
            try await world.delete(try #require(try await world.claim(named: "raw")))
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("Retain keeps volume and image; a change of policy is followed by the finalizer and by the deed")
    func policies() async throws {
        try await inWorld { world in
            try await world.makeClass(fields: ["reclaimPolicy": "Retain"])
            let controller = try await world.controller()
            try await world.claim("kept")
            try await world.waitBound(1)
            var volume = try #require(try await world.volumes().first)
            #expect(!volume.hasProvisionerFinalizer)
            func setPolicy(_ policy: String) async throws {
                _ = try await world.client.call(
                    .patch(
                        APIPath.persistentVolume(volume.metadata.name),
                        .merge,
                        ["spec": ["persistentVolumeReclaimPolicy": .string(policy)]]
                    )
                )
            }
            try await setPolicy("Delete")
            try await eventually("it has the finalizer") {
                try await world.volumes().first?.hasProvisionerFinalizer == true
            }
            try await setPolicy("Retain")
            try await eventually("it has none") { try await world.volumes().first?.hasProvisionerFinalizer == false }
            try await world.delete(try #require(try await world.claim(named: "kept")))
            try await eventually("it is released") { try await world.volumes().first?.phase == .released }
            #expect(try await world.images().count == 1)
            volume = try #require(try await world.volumes().first)
            try await setPolicy("Delete")
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A volume that is deleted before its claim goes when the claim does, and not before")
    func volumeFirst() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            let volume = try #require(try await world.volumes().first)
            _ = try await world.client.call(
                .delete(APIPath.persistentVolume(volume.metadata.name), uid: volume.metadata.uid)
            )
            try await Task.sleep(for: .seconds(2))
            #expect(try await world.volumes().first?.metadata.isBeingDeleted == true)
            #expect(try await world.images().count == 1)
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A class that is deleted, or made again with another pool, changes nothing for its volumes")
    func classGone() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            _ = try await world.client.call(APICall(.delete, "\(APIPath.storageClasses)/\(world.name)"))
            try await world.makeClass(parameters: ["pool": "nonesuch"])
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A class that waits for a consumer gets its volume when the scheduler has chosen a node")
    func waiting() async throws {
        try await inWorld { world in
            try await world.makeClass(fields: ["volumeBindingMode": "WaitForFirstConsumer"])
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await Task.sleep(for: .seconds(2))
            #expect(try await world.claim(named: "data")?.phase == .pending)
            #expect(try await world.images().isEmpty)
            _ = try await world.client.call(
                .patch(
                    APIPath.claim(world.name, "data"),
                    .merge,
                    ["metadata": ["annotations": ["volume.kubernetes.io/selected-node": "n1"]]]
                )
            )
            try await world.waitBound(1)
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }

    @Test("A static volume that fits is the binder's to give, and nothing is made beside it")
    func staticVolume() async throws {
        try await inWorld { world in
            try await world.makeClass()
            _ = try await world.client.call(
                .create(
                    APIPath.persistentVolumes,
                    [
                        "apiVersion": "v1", "kind": "PersistentVolume",
                        "metadata": ["name": .string("\(world.name)-static")],
                        "spec": [
                            "capacity": ["storage": "1Gi"], "accessModes": ["ReadWriteOnce"],
                            "storageClassName": .string(world.name), "persistentVolumeReclaimPolicy": "Retain",
                            "hostPath": ["path": "/tmp"],
                        ],
                    ]
                )
            )
            let controller = try await world.controller()
            try await eventually("the static volume is free") { try await world.volumes().first?.phase == .available }
            try await eventually("it leads") { try await world.holder() == "a" }
            try await world.claim("data")
            try await world.waitBound(1)
            #expect(try await world.claim(named: "data")?.volumeName == "\(world.name)-static")
            #expect(try await world.images().isEmpty)
            _ = try await world.client.call(APICall(.delete, APIPath.persistentVolume("\(world.name)-static")))
            try await controller.stop()
        }
    }

    @Test(
        "A claim or a class that cannot be served is told why, and nothing is made",
        arguments: [
            (["selector": ["matchLabels": ["a": "b"]]], [:], "selector"),
            (["accessModes": ["ReadWriteMany"]], [:], "MULTI_NODE_MULTI_WRITER"),
            ([:], ["imageFeature": "layering"], "did you mean imageFeatures?"),
            ([:], ["csi.storage.k8s.io/typo": "x"], "csi.storage.k8s.io/typo"),
            ([:], ["csi.storage.k8s.io/provisioner-secret-name": "nonesuch"], "does not exist"),
            ([:], ["pool": "nonesuch"], "nonesuch"), ([:], ["clusterID": "other"], "cluster 'other' is not in"),
            ([:], ["csi.storage.k8s.io/provisioner-secret-namespace": "${pvc.name}"], "stands for nothing"),
            (["dataSource": ["kind": "PersistentVolumeClaim", "name": "other"]], [:], "claim 'other': there is none"),
            ([:], ["fstype": "xfs", "mkfsOptions": "-f"], "would overwrite"), ([:], ["fstype": "ntfs"], "ntfs"),
        ] as [([String: JSONValue], [String: String], String)]
    )
    func refusals(spec: [String: JSONValue], parameters: [String: String], message: String) async throws {
        try await inWorld { world in
            try await world.makeClass(parameters: parameters)
            let controller = try await world.controller()
            let claim = try await world.claim("bad", spec: spec)
            try await eventually("the claim's owner is told") {
                try await world.events(about: claim.metadata.uid)
                    .contains { $0.hasPrefix("ProvisioningFailed") && $0.contains(message) }
            }
            #expect(try await world.images().isEmpty)
            #expect(try await world.volumes().isEmpty)
            try await controller.stop()
        }
    }

    @Test("A PersistentVolume that claims to be ours and is not is left alone, and so is the image that it names")
    func forged() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("victim")
            try await world.waitBound(1)
            let image = try #require(try await world.images().first)
            let handle = "\(try world.cluster.clusterID)/\(World.pool)//\(image)"
            let object = try await world.client.call(
                .create(
                    APIPath.persistentVolumes,
                    [
                        "apiVersion": "v1", "kind": "PersistentVolume",
                        "metadata": [
                            "name": .string("\(world.name)-forged"),
                            "annotations": ["pv.kubernetes.io/provisioned-by": .string(world.driver)],
                        ],
                        "spec": [
                            "capacity": ["storage": "1Gi"], "accessModes": ["ReadWriteOnce"],
                            "storageClassName": .string(world.name), "persistentVolumeReclaimPolicy": "Delete",
                            "claimRef": [
                                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": .string(world.name),
                                "name": "gone", "uid": "00000000-0000-0000-0000-000000000000",
                            ],
                            "flexVolume": [
                                "driver": "nacre.io/rbd", "options": ["schema": "1", "volumeHandle": .string(handle)],
                            ],
                        ],
                    ]
                )
            )
            let forged = try #require(PersistentVolume(object))
            try await eventually("it is told") {
                try await world.events(about: forged.metadata.uid).contains { $0.hasPrefix("VolumeFailedDelete") }
            }
            #expect(try await world.images() == [image])
            _ = try await world.client.call(APICall(.delete, APIPath.persistentVolume(forged.metadata.name)))
            try await world.delete(claim)
            try await eventually("the true one goes") { try await world.images().isEmpty }
            try await controller.stop()
        }
    }

    @Test("A local volume's claim grows by external-resizer's steps; a FlexVolume's image grows early")
    func expansion() async throws {
        try await inWorld { world in
            try await world.makeClass()
            for delivery in Delivery.both {
                try await world.makeClass(
                    "\(world.name)-\(delivery == .local ? "local" : "flex")",
                    parameters: ["nodeDelivery": delivery.rawValue]
                )
            }
            let controller = try await world.controller()
            let raw = try await world.claim("raw", spec: ["volumeMode": "Block"])
            let flex = try await world.claim("flex", spec: ["storageClassName": .string("\(world.name)-flex")])
            let files = try await world.claim("files", spec: ["storageClassName": .string("\(world.name)-local")])
            try await world.waitBound(3)
            for name in ["raw", "flex", "files"] {
                _ = try await world.client.call(
                    .patch(
                        APIPath.claim(world.name, name),
                        .merge,
                        ["spec": ["resources": ["requests": ["storage": "128Mi"]]]]
                    )
                )
            }
            try await eventually("the raw claim has it") {
                try await world.claim(named: "raw")?.capacityBytes == 128 << 20
            }
            // No pod has it on a node, so the next one finds it grown.
            try await eventually("the claim of a file system has it") {
                let claim = try await world.claim(named: "files")
                return claim?.capacityBytes == 128 << 20 && claim?.details?.conditions.isEmpty ?? true
            }
            let volume = try #require(try await world.volumes().first { $0.claim?.name == "raw" })
            #expect(volume.capacityBytes == 128 << 20)
            #expect(try await world.claim(named: "raw")?.details?.conditions.isEmpty ?? true)
            try await eventually("its owner is told") {
                try await world.events(about: raw.metadata.uid).contains { $0.hasPrefix("VolumeResizeSuccessful") }
            }
            try await eventually("the controller manager has raised the FlexVolume, and waits for a node") {
                let claim = try await world.claim(named: "flex")
                let volume = try await world.volumes().first { $0.claim?.name == "flex" }
                return volume?.capacityBytes == 128 << 20
                    && claim?.details?.conditions.contains { $0["type"]?.string == "FileSystemResizePending" } ?? false
            }
            try await eventually("its image is grown") { world.logText().contains("expanded") }
            for claim in [raw, flex, files] { try await world.delete(claim) }
            try await world.waitGone()
            for delivery in ["flex", "local"] {
                _ = try await world.client.call(
                    APICall(.delete, "\(APIPath.storageClasses)/\(world.name)-\(delivery)")
                )
            }
            try await controller.stop()
        }
    }
}
