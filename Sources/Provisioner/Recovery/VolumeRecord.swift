internal import JSON
internal import KubernetesAPI

/// What a PersistentVolume says and nothing else on its image does, as the image keeps it from its creation on.
///
/// It names Secrets and holds none. With the image's name, size and other metadata it makes the PersistentVolume again:
/// see `KeptObjects.init(record:image:claim:name:)`.
package struct VolumeRecord: Sendable, Hashable {
    /// The StorageClass' name.
    package var className: String
    /// Who made the volume: `rbd.nacre.io`.
    var provisioner: String
    /// `ReadWriteOnce`, …, as the claim gave them.
    package var accessModes: [String]
    /// Whether it is a raw device; which file system was asked for stands elsewhere on the image, if one was.
    var isBlock: Bool
    /// `Delete` or `Retain`.
    package var reclaimPolicy: String
    /// How it gets to kubelet.
    var delivery: ClassParameters.Delivery
    /// What a FlexVolume source names as its driver.
    var flexDriver: String
    /// The class' mount options.
    var mountOptions: [String]
    /// The Secret of the user that deletes the image.
    var deletionSecret: SecretReference?
    /// The Secret of the node's user.
    var nodeSecret: SecretReference?
    /// The Secret of the user that grows the image.
    var expandSecret: SecretReference?
    /// Where the volume may be used.
    var topologies: [StorageClass.TopologyTerm]

    /// What `VolumeMaker` knows before it makes the volume.
    init(
        accessModes: [String],
        isBlock: Bool,
        storageClass: StorageClass,
        delivery: ClassParameters.Delivery,
        secrets: [ClassParameters.SecretRole: SecretReference],
        flexDriver: String
    ) {
        className = storageClass.metadata.name
        provisioner = storageClass.provisioner
        self.accessModes = accessModes
        self.isBlock = isBlock
        reclaimPolicy = storageClass.reclaimPolicy.name
        self.delivery = delivery
        self.flexDriver = flexDriver
        mountOptions = storageClass.mountOptions
        deletionSecret = secrets[.provisioner]
        nodeSecret = secrets[.nodeStage]
        expandSecret = secrets[.controllerExpand] ?? secrets[.provisioner]
        topologies = storageClass.allowedTopologies
    }

    /// `delivery` in words: `local` or `flexVolume`.
    package var deliveryName: String { delivery.rawValue }

    /// The Secrets that it names, each once.
    package var secrets: [SecretReference] {
        [nodeSecret, expandSecret, deletionSecret].compactMap(\.self).reduce(into: []) { names, secret in
            if !names.contains(secret) { names.append(secret) }
        }
    }

    /// Reads what an image keeps; `nil` for anything that is not whole.
    package init?(_ text: String) {
        guard let object = try? JSONValue(parsing: Array(text.utf8)), let className = object["class"]?.string,
            let provisioner = object["provisioner"]?.string, let policy = object["reclaimPolicy"]?.string,
            let mode = object["volumeMode"]?.string,
            let delivery = (object["delivery"]?.string).flatMap({ ClassParameters.Delivery(parameter: $0) })
        else { return nil }
        self.className = className
        self.provisioner = provisioner
        self.delivery = delivery
        reclaimPolicy = policy
        isBlock = mode == "Block"
        accessModes = object["accessModes"]?.strings ?? []
        flexDriver = object["flexDriver"]?.string ?? DriverSettings().flexDriver
        mountOptions = object["mountOptions"]?.strings ?? []
        deletionSecret = Self.secret(object["deletionSecret"])
        nodeSecret = Self.secret(object["nodeSecret"])
        expandSecret = Self.secret(object["expandSecret"])
        topologies = (object["topologies"]?.elements ?? []).map { term in
            var labels: [String: [String]] = [:]
            for label in term.elements {
                guard let key = label["key"]?.string else { continue }
                labels[key] = label["values"]?.strings ?? []
            }
            return StorageClass.TopologyTerm(labels: labels)
        }
        guard !accessModes.isEmpty else { return nil }
    }

    /// What the image keeps: JSON on one line, without what is empty.
    package var text: String {
        var object: JSONValue = [
            "class": .string(className), "provisioner": .string(provisioner), "accessModes": JSONValue(accessModes),
            "volumeMode": isBlock ? "Block" : "Filesystem", "reclaimPolicy": .string(reclaimPolicy),
            "delivery": .string(delivery.rawValue),
        ]
        if delivery == .flexVolume { object = object.with("flexDriver", .string(flexDriver)) }
        if !mountOptions.isEmpty { object = object.with("mountOptions", JSONValue(mountOptions)) }
        object = object.with("deletionSecret", Self.json(deletionSecret))
            .with("nodeSecret", Self.json(nodeSecret))
            .with("expandSecret", Self.json(expandSecret))
        if !topologies.isEmpty {
            let terms = topologies.map { JSONValue.array(Self.expressions($0)) }
            object = object.with("topologies", .array(terms))
        }
        return String(decoding: object.bytes, as: UTF8.self)
    }

    private static func secret(_ value: JSONValue?) -> SecretReference? {
        guard let name = value?["name"]?.string, let namespace = value?["namespace"]?.string else { return nil }
        return SecretReference(name: name, namespace: namespace)
    }

    private static func expressions(_ term: StorageClass.TopologyTerm) -> [JSONValue] {
        term.labels.sorted { $0.key < $1.key }.map { key, values in
            ["key": .string(key), "values": JSONValue(values)]
        }
    }

    private static func json(_ secret: SecretReference?) -> JSONValue? {
        guard let secret else { return JSONValue?.none }
        return ["name": .string(secret.name), "namespace": .string(secret.namespace)]
    }

    /// The class as it was, as far as a PersistentVolume shows it.
    var storageClass: StorageClass? {
        let terms = topologies.map { term -> JSONValue in ["matchLabelExpressions": .array(Self.expressions(term))] }
        return StorageClass([
            "metadata": ["name": .string(className), "uid": "recovered", "resourceVersion": "0"],
            "provisioner": .string(provisioner), "mountOptions": JSONValue(mountOptions),
            "reclaimPolicy": .string(reclaimPolicy), "allowedTopologies": .array(terms),
        ])
    }
}
