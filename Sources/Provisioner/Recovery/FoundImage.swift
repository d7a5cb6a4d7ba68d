package import Volumes

/// An image of a pool, as a recovery finds it.
package struct FoundImage: Sendable {
    /// Its handle.
    package let id: VolumeID
    /// Its size in bytes; 0 for one that lacks its header.
    package let sizeBytes: UInt64
    /// Its metadata.
    package let metadata: [String: String]
    /// When it was made, in seconds since 1970.
    package let createdAt: Int64?
    /// Who has it open.
    package let users: [String]

    /// Describes an image.
    package init(
        id: VolumeID,
        sizeBytes: UInt64,
        metadata: [String: String],
        createdAt: Int64? = nil,
        users: [String] = []
    ) {
        self.id = id
        self.sizeBytes = sizeBytes
        self.metadata = metadata
        self.createdAt = createdAt
        self.users = users
    }

    /// The claim that has it, by its own word.
    ///
    /// Of one in the trash only what Nacre wrote at its deletion may be known.
    package var claim: ClaimName? {
        ClaimName(metadata: metadata)
            ?? metadata[ImageMetadataKey.persistentVolume].flatMap { KeptObjects(note: $0, claim: nil)?.claimName }
    }

    /// The uid of the Kubernetes cluster that has it, by its own word.
    package var cluster: String? { metadata[ImageMetadataKey.kubernetesCluster] }

    /// The name of the PersistentVolume that it was made for.
    var volumeName: String? {
        metadata["csi.storage.k8s.io/pv/name"] ?? metadata[ImageMetadataKey.requestName]
    }

    /// What the image keeps of its PersistentVolume; `nil` for one that an earlier release made.
    package var record: VolumeRecord? { metadata[ImageMetadataKey.kubernetesVolume].flatMap { VolumeRecord($0) } }
}
