import Secrets
import VolumeAPI
import Volumes

extension CSI.CapacityRange {
    /// The range for the wire.
    init(_ range: CapacityRange) {
        self.init()
        requiredBytes = Int64(clamping: range.requiredBytes)
        limitBytes = Int64(clamping: range.limitBytes)
    }
}

extension CSI.VolumeCapability {
    /// The capability for the wire.
    init(_ capability: VolumeCapability) {
        self.init()
        switch capability.access {
        case .block: block = CSI.BlockVolume()
        case .mount(let access):
            var mount = CSI.MountVolume()
            mount.fsType = access.fsType
            mount.mountFlags = access.mountFlags
            self.mount = mount
        }
        var accessMode = CSI.AccessMode()
        accessMode.mode = CSI.Mode(rawValue: capability.mode.name) ?? .unknown
        self.accessMode = accessMode
    }
}

extension CSI.VolumeContentSource {
    /// The source for the wire.
    init(_ source: ContentSource) {
        self.init()
        switch source {
        case .snapshot(let handle):
            var message = CSI.SnapshotSource()
            message.snapshotID = handle
            snapshot = message
        case .volume(let handle):
            var message = CSI.VolumeSource()
            message.volumeID = handle
            volume = message
        }
    }
}

extension ContentSource {
    /// Reads a source from the service's answer; `nil` if it names none.
    init?(_ message: CSI.VolumeContentSource) {
        if let snapshot = message.snapshot {
            self = .snapshot(snapshot.snapshotID)
        } else if let volume = message.volume {
            self = .volume(volume.volumeID)
        } else {
            return nil
        }
    }
}

extension Credentials {
    /// The user for the wire, by ceph-csi's names.
    var secrets: [String: Secret] { ["userID": Secret(userID), "userKey": userKey] }
}

extension Volume {
    /// Reads a volume and its users from the service's answer.
    init(_ message: CSI.Volume, users: [String] = []) throws(VolumeError) {
        do throws(VolumeError) {
            let facts = VolumeFacts(metadata: message.volumeContext, users: users)
            self.init(
                id: try VolumeID(parsing: message.volumeID),
                capacityBytes: UInt64(clamping: message.capacityBytes),
                context: message.volumeContext.filter { facts.context[$0.key] == nil },
                facts: facts,
                source: message.contentSource.flatMap { ContentSource($0) }
            )
        } catch {
            throw VolumeError(.internal, "the service's answer cannot be read: \(error.message)")
        }
    }
}

extension VolumeError.Code {
    /// Connect's code as CSI's outcome.
    init(_ code: ConnectError.Code) {
        self =
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
    }
}
