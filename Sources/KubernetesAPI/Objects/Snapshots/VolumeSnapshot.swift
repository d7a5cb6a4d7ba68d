package import JSON

/// A VolumeSnapshot: somebody's wish for a snapshot, or for one that is there already.
package struct VolumeSnapshot: WatchedObject {
    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// The claim that it is taken of, in its own namespace.
    package var claimName: String?
    /// The content that was made before it.
    package var contentName: String?
    /// The VolumeSnapshotClass that it names.
    package var className: String?
    /// All finalizers.
    package var finalizers: [String]
    /// `status.boundVolumeSnapshotContentName`; the content must point back.
    package var boundContentName: String?
    /// `status.readyToUse`.
    package var isReady: Bool
    /// `status.creationTime`, as written.
    package var creationTime: String?
    /// `status.restoreSize` in bytes.
    package var restoreBytes: Int64?
    /// `status.error.message`.
    package var errorMessage: String?

    /// Reads a VolumeSnapshot.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        claimName = object["spec", "source", "persistentVolumeClaimName"]?.string
        contentName = object["spec", "source", "volumeSnapshotContentName"]?.string
        className = object["spec", "volumeSnapshotClassName"]?.string.flatMap { $0.isEmpty ? nil : Interned.string($0) }
        finalizers = (object["metadata", "finalizers"]?.strings ?? []).map(Interned.string)
        boundContentName = object["status", "boundVolumeSnapshotContentName"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        isReady = object["status", "readyToUse"]?.bool ?? false
        creationTime = object["status", "creationTime"]?.string
        restoreBytes = object["status", "restoreSize"]?.string.flatMap(Quantity.bytes)
        errorMessage = object["status", "error", "message"]?.string
    }

    /// All of it.
    package var compact: VolumeSnapshot { self }

    /// The name of the content that is made for it.
    package var madeContentName: String { "snapcontent-\(metadata.uid)" }
}
