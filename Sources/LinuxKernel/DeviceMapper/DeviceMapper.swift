internal import CLinux
internal import Glibc
internal import SystemPackage

/// The kernel's device mapper, used without libdevmapper.
///
/// Requests have no udev cookie: a tool that waits for a udevd which does not answer hangs for ever. See:
/// Documentation/admin-guide/device-mapper, <linux/dm-ioctl.h>.
public final class DeviceMapper {
    private let control: OwnedDescriptor
    private let subject: String

    /// Opens `/dev/mapper/control`.
    ///
    /// - Parameter path: The control node.
    /// - Throws: `KernelError`: ENODEV or ENOENT where the kernel has no device mapper, EACCES for those who may not.
    public init(control path: String = "/dev/mapper/control") throws(KernelError) {
        control = try OwnedDescriptor(opening: path, O_RDWR)
        subject = "device mapper"
    }

    /// The version of the kernel's interface.
    ///
    /// Implements `DM_VERSION`.
    public func version() throws(KernelError) -> String {
        let answer = try call(.version, MapperMessage(), "version")
        return "\(answer.word(0)).\(answer.word(4)).\(answer.word(8))"
    }

    /// All mappings.
    ///
    /// Implements `DM_LIST_DEVICES` and `DM_DEV_STATUS`; one that goes meanwhile is left out.
    public func mappings() throws(KernelError) -> [MappingInfo] {
        let list = try call(.listDevices, MapperMessage(capacity: 16 << 10), "list").deviceList
        var found: [MappingInfo] = []
        for entry in list {
            do throws(KernelError) {
                found.append(try info(.device(entry.device)))
            } catch  where error.errno == .noSuchAddressOrDevice {
                continue
            }
        }
        return found
    }

    /// One mapping.
    ///
    /// Implements `DM_DEV_STATUS`; ENXIO when there is none.
    public func info(_ reference: MappingReference) throws(KernelError) -> MappingInfo {
        try call(.status, MapperMessage(reference), reference.text).info
    }

    /// The devices that a mapping stands on.
    ///
    /// Implements `DM_TABLE_DEPS`.
    public func dependencies(_ reference: MappingReference) throws(KernelError) -> [DeviceNumber] {
        try call(.dependencies, MapperMessage(reference, capacity: 4096), reference.text).dependencyList
    }

    /// The table of a mapping; keys are replaced by zeros first.
    ///
    /// Implements `DM_TABLE_STATUS` with `DM_STATUS_TABLE_FLAG` and `DM_SECURE_DATA_FLAG`.
    public func table(_ reference: MappingReference) throws(KernelError) -> [MappingTarget] {
        let flags = MapperMessage.Flags.statusTable | MapperMessage.Flags.secureData
        return try targets(reference, flags).map {
            MappingTarget(
                startSectors: $0.startSectors,
                lengthSectors: $0.lengthSectors,
                type: $0.type,
                parameters: $0.shownParameters
            )
        }
    }

    /// The status of a mapping's targets.
    ///
    /// Implements `DM_TABLE_STATUS`; does not flush.
    public func status(_ reference: MappingReference) throws(KernelError) -> [MappingTarget] {
        try targets(reference, MapperMessage.Flags.noFlush)
    }

    /// The kinds of target that the kernel knows now, with their versions.
    ///
    /// Implements `DM_LIST_VERSIONS`.
    public func targetTypes() throws(KernelError) -> [String] {
        try call(.listTargets, MapperMessage(capacity: 16 << 10), "targets").targetTypes
    }

    /// Makes a mapping and puts it to use.
    ///
    /// Implements `DM_DEV_CREATE`, `DM_TABLE_LOAD` and `DM_DEV_SUSPEND`; undone if the table is refused.
    public func create(
        _ name: String,
        uuid: String = "",
        table: [MappingTarget],
        isReadOnly: Bool
    ) throws(KernelError) -> MappingInfo {
        let flag = isReadOnly ? MapperMessage.Flags.readOnly : 0
        var request = MapperMessage(.name(name), flags: flag)
        request.put(uuid, at: 176, room: 129)
        _ = try call(.create, request, name)
        do throws(KernelError) {
            try load(.name(name), table, isReadOnly: isReadOnly)
            return try call(.suspend, MapperMessage(.name(name), flags: flag), name).info
        } catch {
            _ = try? remove(.name(name), isDeferred: false)
            throw error
        }
    }

    /// Renames a mapping.
    ///
    /// Implements `DM_DEV_RENAME`.
    public func rename(_ name: String, to newName: String) throws(KernelError) {
        let payload = Array(newName.utf8.prefix(127)) + [0]
        _ = try call(.rename, MapperMessage(.name(name), payload: payload), name)
    }

    /// Has the I/O of a mapping wait.
    ///
    /// Implements `DM_DEV_SUSPEND`.
    public func suspend(_ reference: MappingReference) throws(KernelError) {
        _ = try call(.suspend, MapperMessage(reference, flags: MapperMessage.Flags.suspended), reference.text)
    }

    /// Resumes a mapping's I/O, with a table that was loaded meanwhile.
    ///
    /// Implements `DM_DEV_SUSPEND` without its flag.
    public func resume(_ reference: MappingReference) throws(KernelError) {
        _ = try call(.suspend, MapperMessage(reference), reference.text)
    }

    /// Removes a mapping that is not open; returns whether it is gone or will be removed with its last user.
    ///
    /// Implements `DM_DEV_REMOVE`, with `DM_DEFERRED_REMOVE` when asked: EBUSY while it is open, ENXIO if there is none.
    @discardableResult
    public func remove(_ reference: MappingReference, isDeferred: Bool) throws(KernelError) -> MappingRemoval {
        let flag = isDeferred ? MapperMessage.Flags.deferredRemove : 0
        let answer = try call(.remove, MapperMessage(reference, flags: flag), reference.text)
        return answer.flags & MapperMessage.Flags.deferredRemove != 0 ? .scheduled : .removed
    }

    /// Makes every I/O to a mapping fail and so frees the devices below it; its users get EIO.
    ///
    /// Implements `DM_TABLE_LOAD` of an error target and `DM_DEV_SUSPEND` without flushing.
    public func replaceByErrors(_ reference: MappingReference) throws(KernelError) {
        let end =
            try targets(reference, MapperMessage.Flags.statusTable | MapperMessage.Flags.secureData)
            .map { $0.startSectors &+ $0.lengthSectors }.max() ?? 0
        let error = MappingTarget(startSectors: 0, lengthSectors: end, type: "error", parameters: "")
        let isReadOnly = try info(reference).isReadOnly
        try load(reference, [error], isReadOnly: isReadOnly)
        let flags = MapperMessage.Flags.noFlush | MapperMessage.Flags.skipLockFS
        _ = try call(.suspend, MapperMessage(reference, flags: flags), reference.text)
    }

    private func load(
        _ reference: MappingReference,
        _ table: [MappingTarget],
        isReadOnly: Bool
    ) throws(KernelError) {
        let flag = isReadOnly ? MapperMessage.Flags.readOnly : 0
        var request = MapperMessage(reference, flags: flag, payload: MapperMessage.payload(table))
        request.put(UInt32(table.count), at: 20)
        _ = try call(.loadTable, request, reference.text)
    }

    private func targets(_ reference: MappingReference, _ flags: UInt32) throws(KernelError) -> [MappingTarget] {
        try call(.tableStatus, MapperMessage(reference, flags: flags, capacity: 16 << 10), reference.text).targetList
    }

    /// Calls with a buffer that grows until the answer fits.
    private func call(
        _ command: MapperMessage.Command,
        _ request: MapperMessage,
        _ about: String
    ) throws(KernelError) -> MapperMessage {
        var capacity = request.bytes.count
        while true {
            var message = request
            message.bytes += [UInt8](repeating: 0, count: capacity - message.bytes.count)
            message.put(UInt32(capacity), at: 12)
            let result = clinux_device_mapper(control.rawValue, command.rawValue, &message.bytes)
            try accepted(command.kernelName, about, result)
            let answer = MapperMessage(answer: message.bytes)
            guard answer.flags & MapperMessage.Flags.bufferFull != 0, capacity < 16 << 20 else { return answer }
            capacity *= 2
        }
    }
}

/// The result of removing a mapping.
public enum MappingRemoval: Sendable, Hashable {
    /// It is gone.
    case removed
    /// It goes when its last user closes it.
    case scheduled
}

extension MappingReference {
    /// For errors.
    public var text: String {
        switch self {
        case .name(let name): name
        case .uuid(let uuid): uuid
        case .device(let device): "\(device)"
        }
    }
}

extension MapperMessage.Command {
    /// As <linux/dm-ioctl.h> calls it.
    var kernelName: String {
        switch self {
        case .version: "DM_VERSION"
        case .listDevices: "DM_LIST_DEVICES"
        case .create: "DM_DEV_CREATE"
        case .remove: "DM_DEV_REMOVE"
        case .rename: "DM_DEV_RENAME"
        case .suspend: "DM_DEV_SUSPEND"
        case .status: "DM_DEV_STATUS"
        case .loadTable: "DM_TABLE_LOAD"
        case .clearTable: "DM_TABLE_CLEAR"
        case .dependencies: "DM_TABLE_DEPS"
        case .tableStatus: "DM_TABLE_STATUS"
        case .listTargets: "DM_LIST_VERSIONS"
        }
    }
}
