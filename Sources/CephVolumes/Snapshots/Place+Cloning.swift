internal import ExactText
internal import RBD
internal import Volumes

/// The mark of an image that is being cloned: an object `nacre_cloning.NAME` beside it, from before the clone is begun until
/// it has its own metadata.
///
/// librbd makes a clone in many steps, and copies the metadata of its parent's image last. An image that a killed process
/// left in between looks like an empty volume, or like a copy of the source. With this object it is neither, where
/// `doubt` finds nothing against it: it is removed, never completed and never taken for a volume.
extension Place {
    /// Gives a clone the metadata of its volume, in one write; what librbd copied of the source's goes.
    func markClone(_ imageID: String, _ wanted: [String: String]) async throws(VolumeError) {
        let inherited = try await trying("read the metadata of image") { () async throws(RBDError) in
            try await context.allMetadata(ofImageID: imageID, prefix: "")
        }
        guard let inherited else {
            throw VolumeError(.aborted, "cannot clone image '\(id.imageSpec)': another process removed it; retry")
        }
        let foreign = inherited.keys.filter { key in
            let isOurs = ImageMetadataKey.ownPrefixes.contains { key.startsExactly(with: $0) }
            return isOurs && wanted[key] == nil
        }
        try await trying("set metadata of image") { () async throws(RBDError) in
            try await context.changeMetadata(
                removing: foreign.sortedExactly(),
                setting: wanted,
                ofImageID: imageID
            )
        }
    }
}

extension ImageMetadataKey {
    /// What the keys begin with that Nacre, or Kubernetes by it, writes on its images.
    static let ownPrefixes = [prefix, snapshotPrefix, backupPrefix, "csi.storage.k8s.io/"]
}
