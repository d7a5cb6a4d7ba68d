internal import JSON
internal import KubernetesAPI
internal import Volumes

/// The PersistentVolume of a claim, as external-provisioner would write it, with Nacre's source.
struct VolumeObject {
    var name: String
    var claim: PersistentVolumeClaim
    var storageClass: StorageClass
    var capacityBytes: UInt64
    var fileSystem: String
    var delivery: ClassParameters.Delivery
    var attributes: VolumeAttributes
    var deletionSecret: SecretReference?
    var settings: DriverSettings

    static let deletionSecretNameKey = "volume.kubernetes.io/provisioner-deletion-secret-name"
    static let deletionSecretNamespaceKey = "volume.kubernetes.io/provisioner-deletion-secret-namespace"
    static let boundByControllerKey = "pv.kubernetes.io/bound-by-controller"

    /// The Secret for the deletion according to a PersistentVolume's annotations; `nil` if they name none.
    static func deletionSecret(in annotations: [String: String]) -> SecretReference? {
        guard let name = annotations[deletionSecretNameKey], !name.isEmpty,
            let namespace = annotations[deletionSecretNamespaceKey], !namespace.isEmpty
        else { return nil }
        return SecretReference(name: name, namespace: namespace)
    }

    var json: JSONValue {
        var annotations: [String: String] = [
            PersistentVolume.provisionedByKey: storageClass.provisioner,
            Self.deletionSecretNameKey: deletionSecret?.name ?? "",
            Self.deletionSecretNamespaceKey: deletionSecret?.namespace ?? "",
            Self.boundByControllerKey: "yes",
        ]
        if delivery == .local { annotations[VolumeAttributes.annotation] = attributes.annotationText }
        let metadata: JSONValue = ["name": .string(name), "annotations": JSONValue(annotations)]
        // Only volumes with the policy Delete have the finalizer, until their image is gone.
        let finalizers: JSONValue? =
            storageClass.reclaimPolicy == .delete ? [.string(PersistentVolume.provisionerFinalizer)] : nil
        return [
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": metadata.with("finalizers", finalizers), "spec": spec,
        ]
    }

    private var spec: JSONValue {
        let spec: JSONValue = [
            "capacity": ["storage": .string(Quantity.text(Int64(clamping: capacityBytes)))],
            "accessModes": JSONValue(claim.details?.accessModes ?? []),
            "persistentVolumeReclaimPolicy": .string(storageClass.reclaimPolicy.name),
            "storageClassName": .string(storageClass.metadata.name),
            "volumeMode": .string(claim.isBlock ? "Block" : "Filesystem"),
            "claimRef": [
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": .string(claim.metadata.namespace), "name": .string(claim.metadata.name),
                "uid": .string(claim.metadata.uid), "resourceVersion": .string(claim.metadata.resourceVersion),
            ],
        ]
        switch delivery {
        case .flexVolume:
            // kubelet refuses a FlexVolume with mountOptions, so they are in the options.
            var options = attributes.options
            // kubelet's call does not contain the access mode.
            if claim.details?.accessModes == ["ReadWriteOncePod"] { options["accessMode"] = "ReadWriteOncePod" }
            let flex: JSONValue = [
                "driver": .string(settings.flexDriver), "fsType": .string(fileSystem),
                "options": JSONValue(options),
            ]
            return spec.with("flexVolume", flex).with("nodeAffinity", affinity)
        case .local:
            let source: JSONValue =
                claim.isBlock
                ? ["path": .string(settings.devicePath(of: name))]
                : ["path": .string(settings.mountPath(of: name)), "fsType": .string(fileSystem)]
            // A local volume must have a node affinity; this one matches every node. The node agent mounts, so the class'
            // mountOptions are with its attributes: kubelet would add them to its bind.
            return spec.with("local", source).with("nodeAffinity", affinity ?? Self.anywhere)
        }
    }

    private static let anywhere: JSONValue = [
        "required": [
            "nodeSelectorTerms": [
                ["matchExpressions": [["key": "kubernetes.io/os", "operator": "In", "values": ["linux"]]]]
            ]
        ]
    ]

    /// The class' topologies, because other nodes may not reach the cluster.
    private var affinity: JSONValue? {
        let terms = storageClass.allowedTopologies.filter { !$0.labels.isEmpty }.map { term -> JSONValue in
            let expressions = term.labels.sorted { $0.key < $1.key }.map { key, values -> JSONValue in
                ["key": .string(key), "operator": "In", "values": JSONValue(values)]
            }
            return ["matchExpressions": .array(expressions)]
        }
        return terms.isEmpty ? JSONValue?.none : ["required": ["nodeSelectorTerms": .array(terms)]]
    }
}
