internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
internal import Volumes

/// What must be mounted at a path for it to be the volume's.
///
/// A file system of the volume has the volume's device for its super block and shows its root; a block volume's path is
/// a device of that number.
struct OwnMount: Sendable {
    let isBlock: Bool
    let fileSystem: String
    /// The volume's device; nothing when neither a record nor the mapper tells it any more.
    let devices: Set<DeviceNumber>

    init(isBlock: Bool, fileSystem: String, devices: Set<DeviceNumber>) {
        self.isBlock = isBlock
        self.fileSystem = fileSystem
        self.devices = devices
    }

    /// What is the volume's while it is mapped.
    init(_ record: VolumeRecord, _ device: MappedDevice) {
        self.init(isBlock: record.usage.isBlock, fileSystem: record.usage.fileSystem, devices: [device.device])
    }

    /// Whether what was found at a path is the volume's.
    func matches(_ mount: MountTable.Mount, _ kind: FileKind?) -> Bool {
        if isBlock {
            guard case .blockDevice(let device)? = kind else { return false }
            return devices.isEmpty ? Self.couldBeOurs(device) : devices.contains(device)
        }
        guard mount.root == "/" else { return false }
        guard devices.isEmpty else { return devices.contains(mount.device) }
        return Self.couldBeOurs(mount.device) && mount.fileSystem == fileSystem
    }

    /// Where the nodes of devices are mounted: the paths of block volumes.
    ///
    /// That makes nobody a holder whom the kernel knows. But a device's number is another volume's as soon as it is free,
    /// and whoever has such a path then writes to that one.
    static func placesShowing(_ devices: Set<DeviceNumber>) throws(KernelError) -> [String] {
        try MountTable.current().mounts.filter { mount in
            let name = mount.root.parts(at: "/", omittingEmpty: true).last ?? ""
            return ["loop", "nbd", "rbd"].contains { name.startsExactly(with: $0) }
        }
        .map(\.mountPoint)
        .filter { place in
            guard case .blockDevice(let found)? = try? FileKind.of(place) else { return false }
            return devices.contains(found)
        }
    }

    /// The paths that show a device of an image that is mapped here, alive or dead.
    static func placesShowing(_ image: ImageAddress, _ mapper: ImageMappers) throws(MappingError) -> [String] {
        let devices = try mapper.devices(of: image)
        guard !devices.isEmpty else { return [] }
        do throws(KernelError) {
            return try placesShowing(devices)
        } catch {
            throw MappingError("look for where image \(image) is published", error)
        }
    }

    /// Whether a device is of a kind that mappers make, or was one that is gone; never `tmpfs` and its like.
    static func couldBeOurs(_ device: DeviceNumber) -> Bool {
        guard device.major != 0 else { return false }
        guard let name = Sysfs().name(of: device) else { return true }
        return ["loop", "nbd", "rbd"].contains { name.startsExactly(with: $0) }
    }
}

/// What a look at a path found before something was to be taken away there.
enum TakenDown: Sendable {
    case nothing
    case unmounted
    case foreign(MountTable.Mount)
    case busy(KernelError)
}

extension NodeVolumeService {
    /// What is the volume's at a path of its record.
    ///
    /// - Parameters:
    ///   - record: The volume.
    ///   - device: What was written down when it was mounted there.
    /// - Returns: What tells its mounts from others.
    func ownMount(_ record: VolumeRecord, _ device: String?) async -> OwnMount {
        // What was mounted was not written down by an earlier release, so the present device alone rules nothing out.
        guard let noted = device.flatMap({ DeviceNumber(parsing: $0) }) else {
            return OwnMount(isBlock: record.usage.isBlock, fileSystem: record.usage.fileSystem, devices: [])
        }
        var devices: Set = [noted]
        if let id = try? VolumeID(parsing: record.volumeID) {
            // After its server died a volume may have another device than was written down.
            let (address, mapper) = (address(of: id), mapper)
            let mapped = try? await mapping { (_) throws(MappingError) in try mapper.device(of: address) }
            devices.formUnion([mapped?.device].compactMap { $0 })
        }
        return OwnMount(isBlock: record.usage.isBlock, fileSystem: record.usage.fileSystem, devices: devices)
    }

    /// Takes away what is mounted at a path, one mount after the other, as long as each is the volume's.
    ///
    /// - Parameters:
    ///   - path: Where.
    ///   - what: What it is done for, for errors.
    ///   - step: The present step.
    ///   - volumeID: The volume's handle, as it was given.
    ///   - isOurs: Whether a mount is the volume's.
    /// - Throws: `VolumeError` with `.failedPrecondition` when something else is mounted there, or who uses it.
    func takeDown(
        _ path: String,
        _ what: String,
        step: NodeStep,
        of volumeID: String,
        ifOurs isOurs: @escaping @Sendable (MountTable.Mount, FileKind?) -> Bool
    ) async throws(VolumeError) {
        while try await mountTable().mount(at: path) != nil {
            try await refuseHidden(path, what)
            enter(step, path)
            let found = try await at(path, what) { (place) throws(KernelError) -> TakenDown in
                guard let mount = try place.mount() else { return .nothing }
                // What a file system on a dead device is cannot be told; the device's node of a block volume always can.
                guard isOurs(mount, (try? place.kind()) ?? nil) else { return .foreign(mount) }
                do throws(KernelError) {
                    try place.unmount()
                } catch  where error.errno == .resourceBusy {
                    return .busy(error)
                }
                return .unmounted
            }
            switch found {
            case .unmounted: continue
            case .nothing: return
            case .foreign(let mount):
                let image = (try? VolumeID(parsing: volumeID)).map { address(of: $0) }
                if OwnMount.couldBeOurs(mount.device), let other = await elsewhere(image) {
                    throw VolumeError(.failedPrecondition, "cannot \(what) at '\(path.printable)': \(other)")
                }
                throw VolumeError(
                    .failedPrecondition,
                    "cannot \(what): '\(path.printable)' has a mount that is not the volume's, \(mount.source) "
                        + "(\(mount.fileSystem)); nothing was unmounted, unmount it first"
                )
            case .busy(let error): throw await inUse(path, what, error)
            }
        }
    }

    private func inUse(_ path: String, _ what: String, _ error: KernelError) async -> VolumeError {
        let users = await pool.run { MountUsers.users(of: path) }
        return VolumeError(
            .failedPrecondition,
            "cannot \(what): '\(path)' is in use (\(error.call): EBUSY): "
                + (users.isEmpty
                    ? "by something that this process cannot see, perhaps in another process namespace"
                    : users.joined(separator: "; ")) + "; end that first"
        )
    }
}
