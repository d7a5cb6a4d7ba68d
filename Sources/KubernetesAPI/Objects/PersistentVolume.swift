package import JSON

/// A PersistentVolume, as far as we use it.
///
/// Small, like a claim: fields that are needed only to work on a volume are in `details`, which the cache drops.
package struct PersistentVolume: WatchedObject {
    /// Where a volume stands.
    package enum Phase: UInt8, Sendable {
        /// Just made.
        case pending
        /// Free.
        case available
        /// Its claim has it.
        case bound
        /// Its claim is gone.
        case released
        /// It could not be reclaimed.
        case failed
    }

    /// The reclaim policy.
    package enum ReclaimPolicy: UInt8, Sendable {
        /// It stays.
        case retain
        /// It goes.
        case delete
        /// Scrubbed; nobody does it any more.
        case recycle

        /// Kubernetes' word.
        package var name: String {
            switch self {
            case .retain: "Retain"
            case .delete: "Delete"
            case .recycle: "Recycle"
            }
        }
    }

    /// Who may use a volume at once.
    package struct AccessModes: OptionSet, Sendable, Hashable {
        /// One bit a mode.
        package let rawValue: UInt8

        /// Takes the bits.
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Reads Kubernetes' names; others are left out.
        package init(_ names: [String]) {
            self = names.reduce(into: []) { modes, name in
                switch name {
                case "ReadWriteOnce": modes.insert(AccessModes(rawValue: 1))
                case "ReadOnlyMany": modes.insert(AccessModes(rawValue: 2))
                case "ReadWriteMany": modes.insert(AccessModes(rawValue: 4))
                case "ReadWriteOncePod": modes.insert(AccessModes(rawValue: 8))
                default: break
                }
            }
        }
    }

    /// The claim that a volume is for.
    package struct ClaimReference: Sendable, Hashable {
        /// The claim's namespace.
        package var namespace: String
        /// The claim's name.
        package var name: String
        /// The claim's uid; empty if a person has named only the claim.
        package var uid: String { identity.text }
        private let identity: ObjectUID

        init(_ reference: JSONValue) {
            namespace = Interned.string(reference["namespace"]?.string ?? "")
            name = reference["name"]?.string ?? ""
            identity = ObjectUID(reference["uid"]?.string ?? "")
        }
    }

    /// Fields that are needed only to work on a volume.
    package final class Details: Sendable {
        /// All annotations.
        package let annotations: [String: String]
        /// All finalizers.
        package let finalizers: [String]
        /// The FlexVolume driver, if that is the source.
        package let flexDriver: String?
        /// The FlexVolume options.
        package let flexOptions: [String: String]
        /// The local path, when that is the source.
        package let localPath: String?
        /// The whole object.
        package let object: JSONValue

        init(_ object: JSONValue) {
            annotations = object["metadata", "annotations"]?.stringMembers ?? [:]
            finalizers = object["metadata", "finalizers"]?.strings ?? []
            flexDriver = object["spec", "flexVolume", "driver"]?.string
            flexOptions = object["spec", "flexVolume", "options"]?.stringMembers ?? [:]
            self.object = object
            localPath = object["spec", "local", "path"]?.string
        }
    }

    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// Where it stands.
    package var phase: Phase
    /// What becomes of it.
    package var reclaimPolicy: ReclaimPolicy
    /// Its size in bytes.
    package var capacityBytes: Int64
    /// Its class; empty for none.
    package var className: String
    /// The annotation `pv.kubernetes.io/provisioned-by`; empty without one.
    package var provisionedBy: String
    /// The claim that it is for.
    package var claim: ClaimReference?
    /// Who may use it at once.
    package var accessModes: AccessModes
    /// Whether it is a raw device.
    package var isBlock: Bool
    /// Whether it has the finalizer of external provisioners.
    package var hasProvisionerFinalizer: Bool
    /// Fields that are needed only to work on it; `nil` in the cache.
    package var details: Details?

    /// external-provisioner's finalizer, which keeps a PersistentVolume until its image is gone.
    package static let provisionerFinalizer = "external-provisioner.volume.kubernetes.io/finalizer"
    /// The annotation with a volume's provisioner.
    package static let provisionedByKey = "pv.kubernetes.io/provisioned-by"

    /// Reads a PersistentVolume.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        phase =
            switch object["status", "phase"]?.string {
            case "Available": .available
            case "Bound": .bound
            case "Released": .released
            case "Failed": .failed
            default: .pending
            }
        reclaimPolicy =
            switch object["spec", "persistentVolumeReclaimPolicy"]?.string {
            case "Delete": .delete
            case "Recycle": .recycle
            default: .retain
            }
        capacityBytes = object["spec", "capacity", "storage"]?.string.flatMap(Quantity.bytes) ?? 0
        className = Interned.string(object["spec", "storageClassName"]?.string ?? "")
        provisionedBy = Interned.string(object["metadata", "annotations", Self.provisionedByKey]?.string ?? "")
        claim = object["spec", "claimRef"].map { ClaimReference($0) }
        accessModes = AccessModes(object["spec", "accessModes"]?.strings ?? [])
        isBlock = object["spec", "volumeMode"]?.string == "Block"
        let details = Details(object)
        hasProvisionerFinalizer = details.finalizers.contains(Self.provisionerFinalizer)
        self.details = details
    }

    /// As the cache keeps it.
    package var compact: PersistentVolume {
        var volume = self
        volume.details = nil
        return volume
    }

    /// Whether the binder may give it to a claim that it was not made for.
    package var isFree: Bool {
        !metadata.isBeingDeleted && (claim?.uid ?? "").isEmpty && (phase == .available || phase == .pending)
    }
}
