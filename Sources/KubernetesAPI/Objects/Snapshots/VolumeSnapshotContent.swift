package import JSON

/// A VolumeSnapshotContent: a snapshot as Kubernetes knows it, or one that is to be taken.
package struct VolumeSnapshotContent: WatchedObject {
    /// The VolumeSnapshot that a content is for.
    package struct Reference: Sendable, Hashable {
        /// Its namespace.
        package var namespace: String
        /// Its name.
        package var name: String
        /// Its uid; empty as long as a content that was made before it has not met it.
        package var uid: String

        /// Names one.
        package init(namespace: String, name: String, uid: String) {
            self.namespace = namespace
            self.name = name
            self.uid = uid
        }

        /// `namespace/name`.
        package var key: String { "\(namespace)/\(name)" }
    }

    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// The driver that has the snapshot.
    package var driver: String
    /// What becomes of the snapshot.
    package var deletionPolicy: SnapshotAPI.DeletionPolicy
    /// The class that it was made by.
    package var className: String?
    /// `spec.source.volumeHandle`: the volume to take a snapshot of.
    package var volumeHandle: String?
    /// `spec.source.snapshotHandle`: the snapshot that was there before.
    package var givenHandle: String?
    /// `spec.sourceVolumeMode`, if it is known.
    package var sourceMode: String?
    /// Whom it is for.
    package var reference: Reference
    /// All annotations.
    package var annotations: [String: String]
    /// All finalizers.
    package var finalizers: [String]
    /// `status.snapshotHandle`.
    package var statusHandle: String?
    /// `status.creationTime`: nanoseconds since 1970.
    package var creationNanoseconds: Int64?
    /// `status.restoreSize` in bytes.
    package var restoreBytes: Int64?
    /// `status.readyToUse`.
    package var isReady: Bool
    /// `status.error.message`.
    package var errorMessage: String?

    /// Reads a content.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        driver = Interned.string(object["spec", "driver"]?.string ?? "")
        deletionPolicy = SnapshotAPI.DeletionPolicy(object["spec", "deletionPolicy"]?.string)
        className = object["spec", "volumeSnapshotClassName"]?.string.flatMap { $0.isEmpty ? nil : Interned.string($0) }
        volumeHandle = object["spec", "source", "volumeHandle"]?.string
        givenHandle = object["spec", "source", "snapshotHandle"]?.string
        sourceMode = object["spec", "sourceVolumeMode"]?.string
        let reference = object["spec", "volumeSnapshotRef"]
        self.reference = Reference(
            namespace: Interned.string(reference?["namespace"]?.string ?? ""),
            name: reference?["name"]?.string ?? "",
            uid: reference?["uid"]?.string ?? ""
        )
        annotations = object["metadata", "annotations"]?.stringMembers ?? [:]
        finalizers = (object["metadata", "finalizers"]?.strings ?? []).map(Interned.string)
        statusHandle = object["status", "snapshotHandle"]?.string
        creationNanoseconds = object["status", "creationTime"]?.int64
        restoreBytes = object["status", "restoreSize"]?.int64
        isReady = object["status", "readyToUse"]?.bool ?? false
        errorMessage = object["status", "error", "message"]?.string
    }

    /// All of it, without what kubectl may have left in its annotations.
    package var compact: VolumeSnapshotContent {
        var content = self
        content.annotations["kubectl.kubernetes.io/last-applied-configuration"] = nil
        return content
    }

    /// The snapshot's handle, given or found.
    package var handle: String? { givenHandle ?? statusHandle }

    /// Whether it points back to a VolumeSnapshot, by its uid too.
    package func isBound(to snapshot: VolumeSnapshot) -> Bool {
        isFor(snapshot) && reference.uid == snapshot.metadata.uid
    }

    /// Whether it is for a VolumeSnapshot of that name that it has not met yet, or for that one.
    package func isFor(_ snapshot: VolumeSnapshot) -> Bool {
        reference.namespace == snapshot.metadata.namespace && reference.name == snapshot.metadata.name
            && (reference.uid.isEmpty || reference.uid == snapshot.metadata.uid)
    }

    /// Whether the driver may remove its snapshot, or let go of it: it is being deleted, and so is its VolumeSnapshot, or it
    /// never had one.
    package var mayGo: Bool {
        guard metadata.isBeingDeleted else { return false }
        if annotations[SnapshotAPI.beingDeletedKey] != nil { return true }
        return givenHandle != nil && reference.uid.isEmpty
    }
}
