package import JSON

/// A VolumeSnapshotClass.
package struct VolumeSnapshotClass: WatchedObject {
    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// Who takes its snapshots.
    package var driver: String
    /// What becomes of its snapshots.
    package var deletionPolicy: SnapshotAPI.DeletionPolicy
    /// What it tells its driver.
    package var parameters: [String: String]
    /// Whether it is for VolumeSnapshots that name no class.
    package var isDefault: Bool

    /// Reads a class.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        driver = object["driver"]?.string ?? ""
        deletionPolicy = SnapshotAPI.DeletionPolicy(object["deletionPolicy"]?.string)
        parameters = object["parameters"]?.stringMembers ?? [:]
        isDefault = object["metadata", "annotations", SnapshotAPI.defaultClassKey]?.string == "true"
    }

    /// All of it: there are few.
    package var compact: VolumeSnapshotClass { self }
}
