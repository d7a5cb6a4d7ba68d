package import JSON

/// A claim, as far as we use it.
///
/// Small, because a cluster may have a hundred thousand. Fields that are needed only to work on a claim are in
/// `details`, which the cache drops.
package struct PersistentVolumeClaim: WatchedObject {
    /// Where a claim stands.
    package enum Phase: UInt8, Sendable {
        /// Waiting for a volume.
        case pending
        /// Has one.
        case bound
        /// Had one that is gone.
        case lost
    }

    /// Fields that are needed only to work on a claim.
    package final class Details: Sendable {
        /// All annotations.
        package let annotations: [String: String]
        /// All finalizers.
        package let finalizers: [String]
        /// `ReadWriteOnce`, …, as given.
        package let accessModes: [String]
        /// Whether `spec.selector` asks for labels.
        package let hasSelector: Bool
        /// What its volume is to be filled from.
        package let dataSource: DataSource?
        /// The VolumeAttributesClass that it names, if the server has the field.
        package let attributesClass: String?
        /// The size that it asks for, as written.
        package let requestText: String
        /// `status.allocatedResources.storage` in bytes, if the server has the field.
        package let allocatedBytes: Int64?
        /// `status.allocatedResourceStatuses.storage`.
        package let resizeStatus: String?
        /// `status.conditions`, as they are.
        package let conditions: [JSONValue]

        init(_ object: JSONValue) {
            annotations = object["metadata", "annotations"]?.stringMembers ?? [:]
            finalizers = object["metadata", "finalizers"]?.strings ?? []
            accessModes = object["spec", "accessModes"]?.strings ?? []
            hasSelector = object["spec", "selector"] != nil
            dataSource = (object["spec", "dataSource"] ?? object["spec", "dataSourceRef"]).map(DataSource.init)
            attributesClass = object["spec", "volumeAttributesClassName"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            requestText = object["spec", "resources", "requests", "storage"]?.string ?? ""
            allocatedBytes = object["status", "allocatedResources", "storage"]?.string.flatMap(Quantity.bytes)
            resizeStatus = object["status", "allocatedResourceStatuses", "storage"]?.string
            conditions = object["status", "conditions"]?.elements ?? []
        }
    }

    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// The class name; `nil` if the field is missing, empty if the claim wants no class.
    package var className: String?
    /// The volume that it is bound to, or wants.
    package var volumeName: String
    /// Where it stands.
    package var phase: Phase
    /// The requested size in bytes; 0 if it cannot be parsed.
    package var requestBytes: Int64
    /// The size that it has, in bytes.
    package var capacityBytes: Int64
    /// Whether it wants a raw device.
    package var isBlock: Bool
    /// Fields that are needed only to work on it; `nil` in the cache.
    package var details: Details?

    /// Reads a claim.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        className = object["spec", "storageClassName"]?.string.map(Interned.string)
        volumeName = object["spec", "volumeName"]?.string ?? ""
        phase =
            switch object["status", "phase"]?.string {
            case "Bound": .bound
            case "Lost": .lost
            default: .pending
            }
        requestBytes = object["spec", "resources", "requests", "storage"]?.string.flatMap(Quantity.bytes) ?? 0
        capacityBytes = object["status", "capacity", "storage"]?.string.flatMap(Quantity.bytes) ?? 0
        isBlock = object["spec", "volumeMode"]?.string == "Block"
        details = Details(object)
    }

    /// The form for the cache: a claim that is bound, has its size, is held for no snapshot and is not being deleted needs no
    /// details.
    package var compact: PersistentVolumeClaim {
        guard phase == .bound, !metadata.isBeingDeleted, requestBytes <= capacityBytes,
            details?.conditions.isEmpty ?? true, details?.attributesClass == nil,
            !(details?.finalizers.contains(SnapshotAPI.claimFinalizer) ?? false)
        else { return self }
        var claim = self
        claim.details = nil
        return claim
    }
}
