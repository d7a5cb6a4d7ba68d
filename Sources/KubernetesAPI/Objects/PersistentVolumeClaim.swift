package import JSON

/// A claim, as far as we use it.
///
/// Small: a cluster has a hundred thousand. What only a claim that is worked on needs is in `details`, which the cache
/// lets go of.
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

    /// What a claim that is worked on is looked at for.
    package final class Details: Sendable {
        /// All annotations.
        package let annotations: [String: String]
        /// All finalizers.
        package let finalizers: [String]
        /// `ReadWriteOnce`, …, as given.
        package let accessModes: [String]
        /// Whether `spec.selector` asks for labels.
        package let hasSelector: Bool
        /// The kind of what its content shall come from, with its group: `VolumeSnapshot.snapshot.storage.k8s.io`.
        package let dataSource: String?
        /// The VolumeAttributesClass that it names, where the server has the field.
        package let attributesClass: String?
        /// The size that it asks for, as written.
        package let requestText: String
        /// `status.allocatedResources.storage` in bytes, where the server has the field.
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
            let source = object["spec", "dataSource"] ?? object["spec", "dataSourceRef"]
            dataSource = source.map { source in
                let kind = source["kind"]?.string ?? ""
                guard let group = source["apiGroup"]?.string, !group.isEmpty else { return kind }
                return "\(kind).\(group)"
            }
            attributesClass = object["spec", "volumeAttributesClassName"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            requestText = object["spec", "resources", "requests", "storage"]?.string ?? ""
            allocatedBytes = object["status", "allocatedResources", "storage"]?.string.flatMap(Quantity.bytes)
            resizeStatus = object["status", "allocatedResourceStatuses", "storage"]?.string
            conditions = object["status", "conditions"]?.elements ?? []
        }
    }

    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// The class that it names; nothing when it names none, empty when it wants none.
    package var className: String?
    /// The volume that it is bound to, or wants.
    package var volumeName: String
    /// Where it stands.
    package var phase: Phase
    /// The size that it asks for, in bytes; 0 for none that can be read.
    package var requestBytes: Int64
    /// The size that it has, in bytes.
    package var capacityBytes: Int64
    /// Whether it wants a raw device.
    package var isBlock: Bool
    /// What only a claim that is worked on is looked at for; nothing in the cache.
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

    /// As the cache keeps it: one that has all it asked for, and stays, needs no details.
    package var compact: PersistentVolumeClaim {
        guard phase == .bound, !metadata.isBeingDeleted, requestBytes <= capacityBytes,
            details?.conditions.isEmpty ?? true, details?.attributesClass == nil
        else { return self }
        var claim = self
        claim.details = nil
        return claim
    }
}
