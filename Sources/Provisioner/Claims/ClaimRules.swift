internal import KubernetesAPI
internal import Volumes

/// Which claims this controller provisions, and when: external-provisioner's rules, and the binder's where the
/// controller acts before the binder.
enum ClaimRules {
    /// What is to become of a claim.
    enum Verdict: Sendable {
        /// Another provisioner's, or nothing to do now; an event comes when that changes.
        case skip
        /// The binder may have a volume for it: wait until it says that it has none.
        case leaveToBinder
        /// Content that somebody else must fill in.
        case foreignSource(String)
        /// It requests something that Nacre does not support; the text says what, and what to do instead.
        case unsupported(String)
        /// Make a volume.
        case provision(StorageClass)
    }

    static let provisionerKeys = [
        "volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
    ]
    static let selectedNodeKey = "volume.kubernetes.io/selected-node"
    static let migratedKey = "pv.kubernetes.io/migrated-to"

    static func judge(
        _ claim: PersistentVolumeClaim,
        class storageClass: StorageClass?,
        driver: String,
        hasCandidates: @autoclosure () -> Bool
    ) -> Verdict {
        guard claim.volumeName.isEmpty, claim.phase == .pending, !claim.metadata.isBeingDeleted,
            let details = claim.details, let storageClass, storageClass.provisioner == driver,
            !storageClass.metadata.isBeingDeleted
        else { return .skip }
        let annotated = provisionerKeys.compactMap { details.annotations[$0] }.first
        guard annotated == nil || annotated == driver || details.annotations[migratedKey] == driver else {
            return .skip
        }
        if storageClass.waitsForConsumer, details.annotations[selectedNodeKey, default: ""].isEmpty { return .skip }
        if let name = details.attributesClass { return .unsupported(attributesClassRefusal(name)) }
        if let source = details.dataSource, !source.isSnapshot, !source.isClaim {
            return .foreignSource(source.kindName)
        }
        // With the annotation the binder says that no existing volume fits; before that, a free volume may fit.
        if annotated == nil, hasCandidates() { return .leaveToBinder }
        return .provision(storageClass)
    }

    /// Why a VolumeAttributesClass has no effect.
    static func attributesClassRefusal(_ name: String) -> String {
        "VolumeAttributesClass '\(name.printable)' cannot be applied: volumes are not modified by such classes; drop "
            + "spec.volumeAttributesClassName"
    }

    /// How a claim will be used, in CSI's words.
    static func capabilities(
        _ claim: PersistentVolumeClaim,
        fileSystem: String?,
        mountOptions: [String]
    ) throws(VolumeError) -> [VolumeCapability] {
        let names = claim.details?.accessModes ?? []
        guard !names.isEmpty else { throw .invalid("the claim has no access modes; ask for ReadWriteOnce") }
        guard !(names.contains("ReadWriteOncePod") && names.count > 1) else {
            throw .invalid("access mode ReadWriteOncePod cannot go with others; ask for it alone")
        }
        guard !(names.contains("ReadWriteOnce") && names.contains("ReadOnlyMany")) else {
            throw .invalid("access modes ReadWriteOnce and ReadOnlyMany cannot go together; ask for one of them")
        }
        // A bound claim can never be mended by its owner, so what its node would refuse is refused now.
        if !claim.isBlock,
            let refusal = MountFlags.refusal(of: mountOptions, on: fileSystem ?? MountAccess().fileSystem)
        {
            throw .invalid(refusal)
        }
        var capabilities: [VolumeCapability] = []
        for name in names {
            let mode: VolumeCapability.Mode
            switch name {
            case "ReadWriteOnce": mode = .singleNodeWriter
            case "ReadWriteOncePod": mode = .singleNodeSingleWriter
            case "ReadOnlyMany": mode = .multiNodeReaderOnly
            case "ReadWriteMany": mode = .multiNodeMultiWriter
            default: throw .invalid("access mode '\(name.printable)' is not known")
            }
            let access: VolumeCapability.Access =
                claim.isBlock ? .block : .mount(MountAccess(fsType: fileSystem ?? "", mountFlags: mountOptions))
            let capability = VolumeCapability(access, mode: mode)
            if let refusal = capability.refusal { throw .invalid(refusal) }
            capabilities.append(capability)
        }
        return capabilities
    }

    /// Whether the binder could give this free volume to the claim.
    static func fits(_ volume: PersistentVolume, _ claim: PersistentVolumeClaim) -> Bool {
        guard volume.isFree else { return false }
        if let reference = volume.claim {
            return reference.namespace == claim.metadata.namespace && reference.name == claim.metadata.name
        }
        return volume.className == claim.className ?? "" && volume.isBlock == claim.isBlock
            && volume.capacityBytes >= claim.requestBytes
            && volume.accessModes.isSuperset(of: PersistentVolume.AccessModes(claim.details?.accessModes ?? []))
    }
}
