internal import Secrets
internal import VolumeAPI
internal import Volumes

extension CSI.VolumeCapability {
    /// The capability as the services know it.
    ///
    /// CSI: VolumeCapability; exactly one access type, and a mode that is known.
    func checked(at field: String) throws(VolumeError) -> VolumeCapability {
        let access: VolumeCapability.Access
        if let mount {
            guard mount.volumeMountGroup.isEmpty else {
                throw .invalid("\(field).mount.volumeMountGroup: not offered (VOLUME_MOUNT_GROUP is not announced)")
            }
            access = .mount(MountAccess(fsType: mount.fsType, mountFlags: mount.mountFlags))
        } else {
            guard block != nil else { throw .invalid("\(field): neither 'block' nor 'mount' is set") }
            access = .block
        }
        guard let accessMode else { throw .invalid("\(field).accessMode: missing, but required") }
        let mode: VolumeCapability.Mode =
            switch accessMode.mode {
            case .unknown: throw .invalid("\(field).accessMode.mode: missing or UNKNOWN")
            case .singleNodeWriter: .singleNodeWriter
            case .singleNodeReaderOnly: .singleNodeReaderOnly
            case .multiNodeReaderOnly: .multiNodeReaderOnly
            case .multiNodeSingleWriter: .multiNodeSingleWriter
            case .multiNodeMultiWriter: .multiNodeMultiWriter
            case .singleNodeSingleWriter: .singleNodeSingleWriter
            case .singleNodeMultiWriter: .singleNodeMultiWriter
            }
        return VolumeCapability(access, mode: mode)
    }
}

extension [CSI.VolumeCapability] {
    /// The capabilities as the services know them.
    func checked() throws(VolumeError) -> [VolumeCapability] {
        var capabilities: [VolumeCapability] = []
        for (index, capability) in enumerated() {
            capabilities.append(try capability.checked(at: "volumeCapabilities[\(index)]"))
        }
        return capabilities
    }
}

extension CSI.CapacityRange {
    /// The range as the services know it.
    func checked() throws(VolumeError) -> CapacityRange {
        do throws(VolumeError) {
            return try CapacityRange(requiredBytes: requiredBytes, limitBytes: limitBytes)
        } catch {
            throw VolumeError(error.code, "capacityRange: \(error.message)")
        }
    }

    /// No bounds when there is no range.
    static func checked(_ range: Self?) throws(VolumeError) -> CapacityRange {
        try (range ?? Self()).checked()
    }
}

extension [String: Secret] {
    /// The user and its key, by ceph-csi's names.
    func credentials() throws(VolumeError) -> Credentials {
        do throws(CredentialsFault) {
            return try Credentials(userID: self["userID"], userKey: self["userKey"])
        } catch {
            throw .invalid("secrets: \(error)")
        }
    }
}

extension [String: String] {
    /// Refuses parameters that Nacre does not offer.
    func refuseMutable() throws(VolumeError) {
        guard isEmpty else { throw .invalid("mutableParameters: not offered (MODIFY_VOLUME is not announced)") }
    }
}

extension Volume {
    /// The volume as CSI tells it.
    var message: CSI.Volume {
        var message = CSI.Volume()
        message.volumeID = id.description
        message.capacityBytes = Int64(clamping: capacityBytes)
        message.volumeContext = context.merging(facts.context) { own, _ in own }
        message.contentSource = source?.message
        return message
    }
}

extension VolumeCondition {
    /// The condition as CSI tells it.
    var wire: CSI.VolumeCondition {
        var wire = CSI.VolumeCondition()
        wire.abnormal = isAbnormal
        wire.message = message
        return wire
    }
}

extension VolumeError {
    /// The error as Connect tells it.
    var connect: ConnectError {
        let code: ConnectError.Code =
            switch code {
            case .canceled: .canceled
            case .unknown: .unknown
            case .invalidArgument: .invalidArgument
            case .deadlineExceeded: .deadlineExceeded
            case .notFound: .notFound
            case .alreadyExists: .alreadyExists
            case .permissionDenied: .permissionDenied
            case .resourceExhausted: .resourceExhausted
            case .failedPrecondition: .failedPrecondition
            case .aborted: .aborted
            case .outOfRange: .outOfRange
            case .unimplemented: .unimplemented
            case .internal: .internal
            case .unavailable: .unavailable
            case .dataLoss: .dataLoss
            case .unauthenticated: .unauthenticated
            }
        return ConnectError(code, message, resources: missing.map(\.key))
    }
}
