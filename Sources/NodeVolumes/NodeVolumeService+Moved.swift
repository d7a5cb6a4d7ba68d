internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import SystemPackage
internal import Volumes

/// Where what was mounted at a pod's path is by now.
///
/// A mount stays with its directory: when somebody renames a directory above it, or puts a link in its place, the mount is at
/// another path, and nothing is at the recorded one. It is known by its number in mountinfo, which it keeps.
enum MountedTarget: Sendable {
    /// At the recorded path.
    case inPlace
    /// At another path, and by its number the one that was published.
    case moved(MountTable.Mount)
    /// At another path the volume is mounted, maybe by the publish: its number was not noted, or in another mount namespace,
    /// or its device was replaced since.
    case unproven(MountTable.Mount)
    /// Nowhere.
    case nowhere

    /// The path where it is, or may be.
    func place(_ target: VolumeRecord.Target) -> String? {
        switch self {
        case .inPlace: target.path
        case .moved(let mount), .unproven(let mount): mount.mountPoint
        case .nowhere: nil
        }
    }
}

extension VolumeRecord.Target {
    /// How a mount is noted: its mount namespace, in which alone its number says something, and the number.
    static func note(of mount: MountTable.Mount) -> String? {
        MountTable.namespace.map { "\($0) \(mount.id)" }
    }

    /// Whether a mount is the noted one; `nil` where nothing tells.
    func isNoted(_ mount: MountTable.Mount) -> Bool? {
        guard let noted = self.mount?.parts(at: " "), noted.count == 2, let namespace = MountTable.namespace,
            noted[0].isExactly(namespace)
        else { return nil }
        if noted[1].isExactly("\(mount.id)") { return true }
        // Without a number of its own another namespace can have this one's, and other mounts.
        return MountTable.isNamespaceUnique ? false : nil
    }

    /// Whether a caller who gives this path means the target, wherever the path leads by now.
    func isCalled(_ given: String) -> Bool { path.isExactly(given) || self.given?.isExactly(given) == true }
}

extension NodeVolumeService {
    /// A path's parts as they are given, whatever links are in it.
    static func lexical(_ path: String) -> String {
        "/" + path.parts(at: "/", omittingEmpty: true).joined(separator: "/")
    }

    /// Where a target's mount is.
    ///
    /// - Parameters:
    ///   - target: The target.
    ///   - record: Its volume.
    ///   - table: The mounts.
    /// - Returns: Where.
    /// - Throws: `VolumeError` when the volume's devices cannot be told: then nobody knows whether it is mounted.
    func whereabouts(
        _ target: VolumeRecord.Target,
        of record: VolumeRecord,
        in table: MountTable
    ) async throws(VolumeError) -> MountedTarget {
        if table.mount(at: target.path) != nil { return .inPlace }
        // No mount outlasts a boot.
        if let boot = record.bootID, let present = VolumeRecords.bootID, boot != present { return .nowhere }
        let own = try await presentMount(record)
        // A dead device that another stage has replaced is the image's no more.
        let former = OwnMount(
            isBlock: own.isBlock,
            fileSystem: own.fileSystem,
            devices: Set([target.device.flatMap { DeviceNumber(parsing: $0) }].compactMap { $0 })
        )
        // Without a device nothing is mounted.
        guard !own.devices.isEmpty || !former.devices.isEmpty else { return .nowhere }
        // A mount's own directory cannot be renamed while it is mounted, only those above it.
        let name = target.path.parts(at: "/").last ?? ""
        let others = record.targets.filter { !$0.isSame(as: target) }
        let candidates = table.mounts.filter { mount in
            mount.mountPoint.parts(at: "/").last?.isExactly(name) == true
                && !mount.mountPoint.isExactly(record.stagedMount)
                && !others.contains { $0.path.isExactly(mount.mountPoint) || $0.isNoted(mount) == true }
        }
        let isIntact = await pool.run { (try? MountPlace(target.path).kind()) ?? nil } != nil
        for mount in candidates where target.isNoted(mount) != false {
            let isProven = target.isNoted(mount) == true
            // What is still where it was, and is mounted no more, was unmounted.
            guard isProven || !isIntact else { continue }
            let kind = await pool.run { (try? MountPlace(mount.mountPoint).kind()) ?? nil }
            if !own.devices.isEmpty, own.matches(mount, kind) { return isProven ? .moved(mount) : .unproven(mount) }
            // The former device's number can be another volume's by now, so this proves nothing, but it may be the target.
            if isProven, !former.devices.isEmpty, former.matches(mount, kind) { return .unproven(mount) }
        }
        return .nowhere
    }

    /// What is the volume's anywhere, by what is mapped: a number that was noted may be another volume's device by now.
    func presentMount(_ record: VolumeRecord) async throws(VolumeError) -> OwnMount {
        var devices: Set<DeviceNumber> = []
        if let id = try? VolumeID(parsing: record.volumeID) {
            let (address, mapper) = (address(of: id), mapper)
            devices = try await mapping { (_) throws(MappingError) in try mapper.devices(of: address) }
        }
        return OwnMount(isBlock: record.usage.isBlock, fileSystem: record.usage.fileSystem, devices: devices)
    }

    /// Unmounts a target that is at another path by now, and removes its directory there; succeeds if it is nowhere else.
    ///
    /// - Throws: `VolumeError` with `.failedPrecondition` that names the path where nothing proves that it is the target's.
    func takeDownMoved(
        _ target: VolumeRecord.Target,
        of record: VolumeRecord,
        _ what: String
    ) async throws(VolumeError) {
        switch try await whereabouts(target, of: record, in: try await mountTable()) {
        case .inPlace, .nowhere: return
        case .unproven(let mount):
            throw VolumeError(
                .failedPrecondition,
                "cannot \(what): the directories of '\(target.path.printable)' were replaced while it was mounted, and the "
                    + "volume is mounted at '\(mount.mountPoint.printable)' now, but nothing proves that this is what was "
                    + "published; if nobody needs it: umount \(mount.mountPoint.shellWord); then repeat the call"
            )
        case .moved(let mount):
            logger.warning("unmounting a target that was moved", metadata: ["path": "\(mount.mountPoint)"])
            let own = try await presentMount(record)
            try await takeDown(mount.mountPoint, what, step: .unmountingTarget, of: record.volumeID) { found, kind in
                found.id == mount.id && own.matches(found, kind)
            }
            try await removeTarget(mount.mountPoint, what)
        }
    }

    /// Throws if a mount at a path cannot be reached there, because something is mounted over a directory above it.
    func refuseHidden(_ path: String, _ what: String) async throws(VolumeError) {
        let table = try await mountTable()
        guard let mount = table.mount(at: path), let hiding = table.mount(hiding: mount),
            await pool.run({ (try? MountPlace(path).mount()) ?? nil }) == nil
        else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot \(what): what is mounted at '\(path.printable)' is hidden by another mount at "
                + "'\(hiding.mountPoint.printable)', \(hiding.source.printable) (\(hiding.fileSystem)); unmount that first: umount "
                + "\(hiding.mountPoint.shellWord); then repeat the call"
        )
    }

    /// Throws if a volume whose staging path shows nothing is mounted elsewhere: its directories were replaced, or somebody
    /// else has bound it.
    func refuseMountedElsewhere(_ record: VolumeRecord, _ what: String) async throws(VolumeError) {
        let own = try await presentMount(record)
        guard !own.devices.isEmpty else { return }
        let places: [String]
        if record.usage.isBlock {
            places = try await kernel("look for where volume '\(record.volumeID)' is mounted") {
                () throws(KernelError) in
                try OwnMount.placesShowing(own.devices)
            }
        } else {
            places = try await mountTable().mounts.filter { own.devices.contains($0.device) }.map(\.mountPoint)
        }
        guard !places.isEmpty else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot \(what): nothing is mounted at '\(record.stagedMount.printable)', but the volume still is at "
                + places.prefix(8).map { "'\($0.printable)'" }.joined(separator: ", ")
                + "; end its use there: umount \(places.prefix(8).map(\.shellWord).joined(separator: " ")); then repeat the call"
        )
    }
}
