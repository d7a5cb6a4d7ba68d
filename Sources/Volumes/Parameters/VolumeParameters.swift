internal import ExactText

/// A StorageClass' parameters, checked.
///
/// An unknown key is refused: a misspelt `imageFeatures` must not result in a volume without them.
public struct VolumeParameters: Sendable, Hashable {
    /// The cluster's key in config.json.
    public let clusterID: String
    /// The pool of the images.
    public let pool: String
    /// The namespace that the class names, which must be the cluster's own; `nil` if it names none.
    public let radosNamespace: String?
    /// What image names start with.
    public let volumeNamePrefix: String
    /// How images are laid out.
    public let layout: ImageLayout
    /// The keys that the volume takes along to its node.
    public let kept: [String: String]
    /// The file system that the class names, if it does.
    public let fileSystem: String?
    /// How long a deleted volume stays in the trash; `nil` if the class leaves it to the service.
    public let trashRetention: TrashRetention?
    /// How many times the pool's capacity a volume may have; 0 for no limit, `nil` for the default.
    public let poolSizeFactor: UInt64?
    /// What Kubernetes says about the claim, by the keys of the image's metadata.
    public let claimMetadata: [String: String]

    /// ceph-csi's image names start so.
    public static let usualNamePrefix = "csi-vol-"

    private static let claimKeys =
        ["pvc/name", "pvc/namespace", "pv/name"].map { ParameterKey.kubernetesPrefix + $0 }
        + [ImageMetadataKey.kubernetesCluster, ImageMetadataKey.kubernetesVolume, ImageMetadataKey.branch]

    /// Checks the parameters of a StorageClass.
    ///
    /// - Parameter parameters: Keys and values as given.
    /// - Throws: `VolumeError` with `.invalidArgument` that names the key, or `.unimplemented` for one that Nacre does
    ///   not support.
    public init(_ parameters: [String: String]) throws(VolumeError) {
        var known: [ParameterKey: String] = [:]
        // In the order of their names, so that the same mistakes always give the same message.
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            if name.startsExactly(with: ParameterKey.kubernetesPrefix) || Self.claimKeys.contains(name) {
                try Self.checkText(name, value)
                continue
            }
            guard let key = ParameterKey(rawValue: name) else { throw Self.unknown(name) }
            try Self.checkText(name, value)
            if let fault = key.form.fault(in: value) {
                throw .invalid("parameter \(name) '\(value.printable)' \(fault)")
            }
            known[key] = value
        }
        guard let clusterID = known[.clusterID] else {
            throw .invalid("parameter clusterID is missing; name the cluster as config.json does")
        }
        guard known[.topologyConstrainedPools] == nil else {
            throw VolumeError(
                .unimplemented,
                "parameter topologyConstrainedPools is not supported yet; use a class with one pool for each zone"
            )
        }
        guard known[.encrypted].flatMap(ParameterForm.flag) != true else {
            throw VolumeError(
                .unimplemented,
                "parameter encrypted is not supported yet, and nothing would be encrypted; drop it, or use dm-crypt on a "
                    + "volume of volumeMode Block"
            )
        }
        guard let pool = known[.pool] else { throw .invalid("parameter pool is missing; name the RBD pool") }
        self.clusterID = clusterID
        self.pool = pool
        radosNamespace = known[.radosNamespace]
        volumeNamePrefix = known[.volumeNamePrefix] ?? Self.usualNamePrefix
        layout = try Self.layout(known)
        trashRetention = known[.trashRetention].flatMap(TrashRetention.init)
        try Self.checkContradictions(known, parameters)
        fileSystem = known[.fstype] ?? parameters[ParameterKey.kubernetesPrefix + "fstype"]
        poolSizeFactor = known[.poolSizeFactor].flatMap { UInt64($0) }
        kept = parameters.filter {
            !$0.key.startsExactly(with: ParameterKey.kubernetesPrefix) && !Self.claimKeys.contains($0.key)
        }
        claimMetadata = parameters.filter { Self.claimKeys.contains($0.key) }
    }

    private static func checkText(_ name: String, _ value: String) throws(VolumeError) {
        guard !value.isEmpty else { throw .invalid("parameter \(name.printable) is empty; give a value or drop it") }
        guard !value.holdsControlCharacters || name == ParameterKey.topologyConstrainedPools.rawValue else {
            throw .invalid("parameter \(name.printable) holds a control character")
        }
    }

    private static func unknown(_ name: String) -> VolumeError {
        let hint = ParameterKey.nearest(to: name).map { "; did you mean \($0.rawValue)?" } ?? "; remove it"
        return .invalid("parameter '\(name.printable)' is not known\(hint)")
    }

    private static func layout(_ known: [ParameterKey: String]) throws(VolumeError) -> ImageLayout {
        var layout = ImageLayout()
        layout.features = known[.imageFeatures].map(ImageLayout.featureNames)
        layout.objectSizeBytes = known[.objectSize].flatMap { UInt64($0) }
        layout.stripeUnitBytes = known[.stripeUnit].flatMap { UInt64($0) }
        layout.stripeCount = known[.stripeCount].flatMap { UInt64($0) }
        layout.dataPool = known[.dataPool]
        if let fault = layout.fault { throw .invalid(fault) }
        return layout
    }

    private static func checkContradictions(
        _ known: [ParameterKey: String],
        _ all: [String: String]
    ) throws(VolumeError) {
        let mounter = known[.mounter] ?? "auto"
        let features = known[.imageFeatures].map(ImageLayout.featureNames) ?? []
        let isKernelOnly = mounter == "rbd" || mounter == "krbd"
        guard !(features.contains("journaling") && isKernelOnly) else {
            throw .invalid("parameter imageFeatures names journaling, which mounter \(mounter) cannot map; use rbd-nbd")
        }
        for key in [ParameterKey.mapOptions, .unmapOptions] {
            guard let value = known[key] else { continue }
            try checkMapOptions(key.rawValue, value)
        }
        for key in [ParameterKey.encryptionType, .encryptionKMSID] where known[key] != nil {
            throw .invalid("parameter \(key.rawValue) is given, but encrypted is not true; set it or drop the key")
        }
        let kubernetes = all[ParameterKey.kubernetesPrefix + "fstype"]
        if let kubernetes, !VolumeCapability.fileSystems.contains(kubernetes) {
            throw .invalid(
                "parameter \(ParameterKey.kubernetesPrefix)fstype '\(kubernetes.printable)' is not "
                    + VolumeCapability.fileSystems.joined(separator: " or ")
            )
        }
        if let kubernetes, let plain = known[.fstype], plain != kubernetes {
            throw .invalid(
                "parameters fstype '\(plain)' and \(ParameterKey.kubernetesPrefix)fstype '\(kubernetes)' contradict "
                    + "each other; drop fstype"
            )
        }
    }

    /// `krbd:opt,opt;nbd:opt`; options without a mapper are for krbd.
    private static func checkMapOptions(_ name: String, _ value: String) throws(VolumeError) {
        for part in value.parts(at: ";") {
            guard let colon = part.firstIndex(of: ":") else {
                guard !part.isEmpty else { throw .invalid("parameter \(name) '\(value.printable)' has an empty part") }
                continue
            }
            guard ["krbd", "nbd", "fuse"].contains(part[..<colon]) else {
                throw .invalid(
                    "parameter \(name) names mapper '\(String(part[..<colon]).printable)', which is not krbd, nbd or fuse"
                )
            }
        }
    }
}
