internal import ExactText

/// What is known of a volume beyond its handle and size: its image's metadata, and who uses it.
///
/// CSI has no fields for it. The answers to ListVolumes and ControllerGetVolume have it in `volumeContext`, under the
/// metadata's own keys, and in `publishedNodeIds`.
public struct VolumeFacts: Sendable, Hashable {
    /// The name under which it was requested; `nil` if Nacre did not make the image.
    public var name: String?
    /// The claim that it was made for, `namespace/name`.
    public var claim: String?
    /// When its image was made, in seconds since 1970.
    public var createdAt: Int64?
    /// The file system that was requested, or else the one that a node made: `ext4`, `xfs`, or `block` for none.
    public var fileSystem: String?
    /// For how long it stays in Ceph's trash once it is deleted, in seconds; `nil` if that is unknown.
    public var trashSeconds: Int64?
    /// The parameters that a node needs, as they were given when it was made.
    public var nodeParameters: [String: String]
    /// The uid of the namespace `kube-system` of the Kubernetes cluster that uses it.
    public var kubernetesCluster: String?
    /// What it was made from, the handle of a snapshot or of a volume; `nil` if it was made empty.
    public var source: String?
    /// Who uses it: nodes by their names, other clients by their addresses; sorted.
    public var users: [String]

    /// Reads an image's metadata, or a `volumeContext` that `context` wrote.
    public init(metadata: [String: String], createdAt: Int64? = nil, users: [String] = []) {
        name = metadata[ImageMetadataKey.requestName]
        if let name = metadata[Self.claimNameKey], let namespace = metadata[Self.claimNamespaceKey] {
            claim = "\(namespace)/\(name)"
        }
        fileSystem = metadata[ImageMetadataKey.fileSystem] ?? metadata[ImageMetadataKey.format].flatMap(Self.made)
        nodeParameters = NodeParameters.parameters(in: metadata[ImageMetadataKey.nodeParameters])
        kubernetesCluster = metadata[ImageMetadataKey.kubernetesCluster]
        source = metadata[ImageMetadataKey.source]
        trashSeconds = metadata[ImageMetadataKey.trashRetention].flatMap(TrashRetention.init).map { Int64($0.seconds) }
        self.createdAt = createdAt ?? metadata[Self.createdKey].flatMap(Int64.init)
        self.users = users
    }

    /// `ext4` of `formatted ext4`.
    private static func made(_ state: String) -> String? {
        let words = state.parts(at: " ", omittingEmpty: true)
        guard words.count == 2, words[0] == "formatted", VolumeCapability.fileSystems.contains(words[1]) else {
            return nil
        }
        return words[1]
    }

    /// Nothing is known.
    public init() {
        self.init(metadata: [:])
    }

    /// Seconds since 1970, in a `volumeContext` alone.
    private static let createdKey = "nacre.io/created"
    private static let claimNameKey = ParameterKey.kubernetesPrefix + "pvc/name"
    private static let claimNamespaceKey = ParameterKey.kubernetesPrefix + "pvc/namespace"

    /// All but who has it, for the wire.
    public var context: [String: String] {
        var context: [String: String] = [:]
        context[ImageMetadataKey.requestName] = name
        let parts = claim?.parts(at: "/", most: 1, omittingEmpty: true) ?? []
        if parts.count == 2 {
            context[Self.claimNamespaceKey] = parts[0]
            context[Self.claimNameKey] = parts[1]
        }
        context[ImageMetadataKey.fileSystem] = fileSystem
        context[ImageMetadataKey.nodeParameters] = NodeParameters.text(of: nodeParameters)
        context[ImageMetadataKey.kubernetesCluster] = kubernetesCluster
        context[ImageMetadataKey.source] = source
        context[ImageMetadataKey.trashRetention] = trashSeconds.map { "\($0)" }
        context[Self.createdKey] = createdAt.map { "\($0)" }
        return context
    }
}
