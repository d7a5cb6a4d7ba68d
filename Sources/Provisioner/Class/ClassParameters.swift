internal import ExactText
internal import Secrets
internal import Volumes

/// A StorageClass' parameters: Kubernetes' keys, which the controller evaluates, and all others, which the volume
/// service gets.
///
/// See: kubernetes-csi.github.io, "external-provisioner", StorageClass parameters.
struct ClassParameters: Sendable {
    /// What a Secret is for.
    enum SecretRole: String, CaseIterable, Sendable {
        case provisioner
        case controllerPublish = "controller-publish"
        case nodeStage = "node-stage"
        case nodePublish = "node-publish"
        case controllerExpand = "controller-expand"
        case nodeExpand = "node-expand"
        case controllerModify = "controller-modify"

        /// The names from before there was a prefix.
        var oldKey: String? {
            switch self {
            case .provisioner: "csiProvisionerSecret"
            case .controllerPublish: "csiControllerPublishSecret"
            case .nodeStage: "csiNodeStageSecret"
            case .nodePublish: "csiNodePublishSecret"
            case .controllerExpand, .nodeExpand, .controllerModify: nil
            }
        }
    }

    /// How a volume gets to kubelet.
    enum Delivery: String, Sendable {
        /// kubelet runs `nacre-flex`.
        case flexVolume
        /// A `local` PersistentVolume: the node agent provides the mounted directory, or the device of a raw block volume.
        case local

        /// The parameter's value; earlier releases wrote `flexvolume`.
        init?(parameter value: String) {
            self.init(rawValue: value == "flexvolume" ? "flexVolume" : value)
        }
    }

    /// The file system asked for, if any.
    let fileSystem: String?
    /// How a volume gets to kubelet, if the class says so.
    let delivery: Delivery?
    /// What the driver gets to see.
    let driver: [String: String]
    private let secrets: [SecretRole: SecretTemplate]

    static let prefix = "csi.storage.k8s.io/"
    private static let deliveryKey = "nodeDelivery"

    init(_ parameters: [String: String]) throws(VolumeError) {
        var driver: [String: String] = [:]
        var ours: [String: String] = [:]
        var fileSystems: [String: String] = [:]
        var delivery: Delivery?
        for (key, value) in parameters.sorted(by: { $0.key < $1.key }) {
            // Whoever may read a class or a PersistentVolume would read it too.
            guard !CephKey.isIn(key), !CephKey.isIn(value) else {
                throw .invalid(
                    "parameter \(CephKey.masked(key)) holds a cephx key; put it into a Secret, and rotate it"
                )
            }
            if key == Self.prefix + "fstype" || key.lowercased() == "fstype" {
                fileSystems[key] = value
            } else if key == Self.deliveryKey {
                guard let known = Delivery(parameter: value) else {
                    throw .invalid("parameter \(key) '\(value.printable)' is not local or flexVolume")
                }
                delivery = known
            } else if key.startsExactly(with: Self.prefix) || Self.oldSecretKeys.contains(key) {
                ours[key] = value
            } else {
                driver[key] = value
            }
        }
        guard fileSystems.count <= 1 else {
            throw .invalid(
                "parameters \(fileSystems.keys.sorted().joined(separator: " and ")) both name a file system; drop one"
            )
        }
        if let (key, value) = fileSystems.first, !VolumeCapability.fileSystems.contains(value) {
            let known = VolumeCapability.fileSystems.joined(separator: " or ")
            throw .invalid("parameter \(key) '\(value.printable)' is not \(known)")
        }
        fileSystem = fileSystems.values.first
        self.delivery = delivery
        self.driver = driver
        var secrets: [SecretRole: SecretTemplate] = [:]
        let usual = try Self.pair(Self.prefix + "secret-name", Self.prefix + "secret-namespace", &ours)
        for role in SecretRole.allCases {
            let key = Self.prefix + role.rawValue + "-secret-"
            var template = try Self.pair(key + "name", key + "namespace", &ours)
            if template == nil, let old = role.oldKey {
                template = try Self.pair(old + "Name", old + "Namespace", &ours)
            }
            secrets[role] = template ?? usual
        }
        self.secrets = secrets
        if let unknown = ours.keys.sorted().first {
            throw .invalid("parameter \(unknown.printable) is not known; keys with \(Self.prefix) are Kubernetes' own")
        }
    }

    /// The Secret for a role; `nil` if the class names none.
    func secret(for role: SecretRole, _ values: SecretTemplate.Values) throws(VolumeError) -> SecretReference? {
        try secrets[role]?.resolved(values)
    }

    /// The Secret for a role if its name is the same for every claim; `nil` if it contains `${…}`.
    func plainSecret(for role: SecretRole) -> SecretReference? {
        secrets[role].flatMap { try? $0.resolvedWithoutClaim() }
    }

    private static let oldSecretKeys = Set(
        SecretRole.allCases.compactMap(\.oldKey).flatMap { [$0 + "Name", $0 + "Namespace"] }
    )

    /// Removes a pair of keys from `parameters`; both or neither must exist.
    static func pair(
        _ nameKey: String,
        _ namespaceKey: String,
        _ parameters: inout [String: String]
    ) throws(VolumeError) -> SecretTemplate? {
        let name = parameters.removeValue(forKey: nameKey)
        let namespace = parameters.removeValue(forKey: namespaceKey)
        switch (name, namespace) {
        case (nil, nil): return nil
        case (let name?, let namespace?):
            guard !name.isEmpty else { throw .invalid("parameter \(nameKey) is empty; name a Secret or drop the key") }
            guard !namespace.isEmpty else {
                throw .invalid("parameter \(namespaceKey) is empty; name a namespace or drop the key")
            }
            return SecretTemplate(nameKey: nameKey, namespaceKey: namespaceKey, name: name, namespace: namespace)
        case (nil, _): throw .invalid("parameter \(namespaceKey) is given without \(nameKey); give both or none")
        case (_, nil): throw .invalid("parameter \(nameKey) is given without \(namespaceKey); give both or none")
        }
    }
}
