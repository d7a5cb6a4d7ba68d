internal import ExactText
package import KubernetesAPI
internal import Volumes

/// Which volumes a person wants back, and what he says of those whose images do not say it.
package struct RecoveryWish: Sendable {
    /// The uids of the Kubernetes clusters whose volumes are wanted.
    package var clusters: [String]
    /// The images that are wanted, by their names; all of those clusters when there is none.
    package var images: [String]
    /// The class of volumes whose images name none.
    package var storageClass: StorageClass?
    /// The access modes of such volumes.
    package var accessModes: [String]
    /// `Filesystem` or `Block`, for images that do not say it.
    package var volumeMode: String?
    /// The reclaim policy that all get; what the image says without.
    package var reclaimPolicy: String?

    /// Wants what is told.
    package init(
        clusters: [String],
        images: [String] = [],
        storageClass: StorageClass? = nil,
        accessModes: [String] = ["ReadWriteOnce"],
        volumeMode: String? = nil,
        reclaimPolicy: String? = nil
    ) {
        self.clusters = clusters
        self.images = images
        self.storageClass = storageClass
        self.accessModes = accessModes
        self.volumeMode = volumeMode
        self.reclaimPolicy = reclaimPolicy
    }

    /// Whether a person named the image.
    func names(_ image: FoundImage) -> Bool { images.containsExactly(image.id.image) }

    /// What is known of an image's PersistentVolume: by the image, else by the class that a person named.
    ///
    /// - Throws: `VolumeError` that says what is missing.
    func record(of image: FoundImage, for claim: ClaimName, called name: String) throws(VolumeError) -> VolumeRecord {
        var record: VolumeRecord
        if let kept = image.record {
            record = kept
        } else {
            guard let storageClass else {
                throw .invalid(
                    "its image does not say which class it has, for an earlier release made it; name the class by --class"
                )
            }
            // What the image says comes first: a raw device must never be offered as a file system.
            let use = VolumeFacts(metadata: image.metadata).fileSystem
            guard use != nil || volumeMode != nil else {
                throw .invalid(
                    "its image does not say whether it has a file system or is a raw device; say it by --volume-mode"
                )
            }
            let parameters = try ClassParameters(storageClass.parameters)
            let values = SecretTemplate.Values(
                volumeName: name,
                claimNamespace: claim.namespace,
                claimName: claim.name,
                claimAnnotations: [:]
            )
            var secrets: [ClassParameters.SecretRole: SecretReference] = [:]
            for role in ClassParameters.SecretRole.allCases { secrets[role] = try parameters.secret(for: role, values) }
            record = VolumeRecord(
                accessModes: accessModes,
                isBlock: use.map { $0 == VolumeCapability.blockMark } ?? (volumeMode == "Block"),
                storageClass: storageClass,
                delivery: parameters.delivery ?? .local,
                secrets: secrets,
                flexDriver: DriverSettings().flexDriver
            )
        }
        if let reclaimPolicy { record.reclaimPolicy = reclaimPolicy }
        return record
    }
}
