internal import BlockDevices
internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Maps the image, makes a file system on a blank device, mounts it at the staging path.
    public func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        let id = try VolumeID(parsing: request.volumeID)
        if let refusal = request.capability.refusal { throw .invalid(refusal) }
        try Self.refuseUnsupported(request.context)
        _ = try choice(request.context)
        let usage = VolumeRecord.Usage(request.capability)
        if let refusal = MountFlags.refusal(of: usage.mountFlags, on: usage.fileSystem, isMade: true) {
            throw .invalid(refusal)
        }
        let path = try await givenPlace(request.stagingPath, .staging)
        remember(request.credentials, of: id)
        try await operations.run(
            "stage volume '\(id)'",
            on: request.volumeID,
            fingerprint: "stage \(path) \(usage.description) \(request.context.sorted { $0.key < $1.key })",
            deadline: deadline,
            obstacle: { await self.obstacle(id) }
        ) { () throws(VolumeError) in
            do throws(VolumeError) {
                try await self.stage(id, path, usage, request, deadline)
            } catch {
                // An incomplete stage would keep the image from other nodes; mounts stay.
                await self.undoUnlessMounted(request.volumeID, id)
                throw error
            }
        }
    }

    /// Refuses what the class asks for and this node does not support, before anything is written.
    private static func refuseUnsupported(_ context: [String: String]) throws(VolumeError) {
        if let flag = context["encrypted"], !["0", "f", "false"].contains(flag.lowercased()) {
            throw VolumeError(
                .unimplemented,
                "the volume asks for encryption, which is not supported yet; nothing was written to it"
            )
        }
    }

    /// The mapper that the class requests, or else the node's default.
    private func choice(_ context: [String: String]) throws(VolumeError) -> MapperChoice {
        guard let mounter = context["mounter"], !mounter.isEmpty else { return defaultChoice }
        let mayFallBack = ["1", "t", "true"].contains(context["tryOtherMounters"]?.lowercased() ?? "")
        guard let choice = MapperChoice(mounter: mounter, mayFallBack: mayFallBack) else {
            throw .invalid(
                "mounter '\(mounter.printable)' is not known; use auto, krbd (or rbd), nbd (or rbd-nbd) or fuse"
            )
        }
        return choice
    }

    private func stage(
        _ id: VolumeID,
        _ path: String,
        _ usage: VolumeRecord.Usage,
        _ request: StageRequest,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let kind = try await at(path, "look at the staging path") { (place) throws(KernelError) in try place.kind() }
        // The kind of a file system on a dead device cannot be read; `isMounted` removes such a mount.
        guard kind == .directory || kind == .other else {
            throw VolumeError(.failedPrecondition, "staging path '\(path.printable)' is not a directory; create it")
        }
        try await refuseOverlap(path, .staging, of: request.volumeID)
        var record = VolumeRecord(volumeID: request.volumeID, stagingPath: path, usage: usage)
        if let earlier = try await self.record(of: request.volumeID) {
            try await refuseContradiction(earlier, record)
            record = earlier.stagingPath.isExactly(path) && earlier.usage.satisfies(usage) ? earlier : record
        }
        if !usage.isBlock, try await mountTable().mount(at: path) == nil {
            try await refuseContent(at: path, .staging, isBlock: false)
        }
        let address = address(of: id)
        enter(NodeStep.recordingVolume, "\(id)")
        try await save(record)

        let choice = try choice(request.context)
        let wanted = MapRequest(
            image: address,
            monitors: try clusters(id).monitors,
            credentials: request.credentials,
            sharing: usage.sharing,
            mapOptions: request.context["mapOptions"] ?? "",
            unmapOptions: request.context["unmapOptions"] ?? ""
        )
        if usage.isBlock { try await refuseWhileShown(record, address) }
        let present = try await stagedDevice(record, address)
        let answer = try await refuseAnother("stage volume '\(id)'", id, as: wanted, isMounted: present != nil)
        let kept = try await answer == .silent ? kept(present, address, choice) : nil
        let device: MappedDevice
        if let kept { device = kept } else { device = try await mapped(wanted, by: choice, deadline: deadline) }
        record.device = "\(device.device)"
        if usage.isBlock {
            let isRepair = request.context[StageRequest.repair] == "true"
            // What was bound here for the same was looked at before that, and nobody can look during an outage.
            if kept == nil || isRepair != (record.isForRepair ?? false) {
                if !isRepair {
                    try await refuseFileSystem(record, wanted)
                } else if !usage.isReadOnly {
                    try await refuseRepairIfCut(record, device, wanted)
                }
            }
            record.isForRepair = isRepair
            try await stageBlock(record, device)
        } else if try await !isMounted(record, device) {
            try await prepareFileSystem(&record, device, wanted, request.context["mkfsOptions"])
            try await mountStage(record, device, request.context["mkfsOptions"])
        }
        if !usage.isBlock, record.usage.fileSystem == "xfs", !usage.isReadOnly { try await growXFS(record, device) }
        if !record.isStaged { try await recallTargets(&record, device) }
        enter(NodeStep.recordingStaged, "\(id)")
        record.isStaged = true
        try await save(record)
    }

    /// Refuses another staging path or capability while the volume is mounted.
    private func refuseContradiction(_ earlier: VolumeRecord, _ wanted: VolumeRecord) async throws(VolumeError) {
        guard !earlier.stagingPath.isExactly(wanted.stagingPath) || !earlier.usage.satisfies(wanted.usage) else {
            return
        }
        let isMounted = try await mountTable().mount(at: earlier.stagedMount) != nil
        guard earlier.isStaged, isMounted else { return }
        throw VolumeError(
            .alreadyExists,
            "volume '\(wanted.volumeID)' is in use on this node already, "
                + (earlier.stagingPath.isExactly(wanted.stagingPath)
                    ? "as \(earlier.usage.words), and cannot be \(wanted.usage.words) at once"
                    : "as \(earlier.usage.words), by way of '\(earlier.stagingPath)', not of '\(wanted.stagingPath)'")
                + "; end that use first"
        )
    }

    /// Refuses another device while a pod's path shows one that is dead.
    ///
    /// A path keeps no device. Its number is another volume's as soon as it is free, and whoever has the path would then
    /// read and write that one.
    private func refuseWhileShown(_ record: VolumeRecord, _ address: ImageAddress) async throws(VolumeError) {
        let mapper = mapper
        let places = try await mapping { (_) throws(MappingError) -> [String] in
            try OwnMount.placesShowing(address, mapper).filter { !$0.isExactly(record.stagedDevice) }
        }
        guard !places.isEmpty,
            try await !mapping({ (_) throws(MappingError) in try mapper.keepsDevice(of: address) })
        else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot stage volume '\(record.volumeID)' anew: its device is dead and still published at "
                + "\(places.map { "'\($0)'" }.joined(separator: ", ")); end that pod, so that it is unpublished there, first"
        )
    }

    /// The volume's device, if it is alive and at the staging path.
    private func stagedDevice(
        _ record: VolumeRecord,
        _ address: ImageAddress
    ) async throws(VolumeError) -> DeviceNumber? {
        let mapper = mapper
        guard record.isStaged, let mount = try await mountTable().mount(at: record.stagedMount),
            let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }),
            OwnMount(record, device).matches(mount, try? await kind(of: record.stagedMount))
        else { return nil }
        return device.device
    }

    /// The device that is at the staging path, if `map` would find it: while the cluster does not answer, nothing else that
    /// `map` does can be done either.
    private func kept(
        _ present: DeviceNumber?,
        _ address: ImageAddress,
        _ choice: MapperChoice
    ) async throws(VolumeError) -> MappedDevice? {
        guard let present else { return nil }
        let mapper = mapper
        return try await mapping { (_) throws(MappingError) -> MappedDevice? in
            guard let device = try mapper.device(of: address), device.device == present,
                choice.mayFallBack || choice.preferred == device.mapper, try mapper.keepsDevice(of: address)
            else { return nil }
            return device
        }
    }

    /// Whether this device is mounted at the staging path; detaches a dead device that is still mounted there.
    private func isMounted(_ record: VolumeRecord, _ device: MappedDevice) async throws(VolumeError) -> Bool {
        while let mount = try await mountTable().mount(at: record.stagingPath) {
            if mount.device == device.device { return true }
            guard Self.isDead(mount.device, replacedBy: device.device) else {
                throw VolumeError(
                    .failedPrecondition,
                    "staging path '\(record.stagingPath)' has another mount, \(mount.source) (\(mount.fileSystem)); "
                        + "unmount it first"
                )
            }
            logger.warning("detaching the mount of a dead device", metadata: ["path": "\(record.stagingPath)"])
            let what = "detach the dead mount at the staging path"
            try await at(record.stagingPath, what) { (place) throws(KernelError) in
                guard try place.mount() == mount else { throw KernelError("umount2", .staleNFSFileHandle, place.path) }
                try place.detach()
            }
        }
        return false
    }

    /// Whether a device that is mounted at the staging path can only be a former device of the volume.
    ///
    /// A krbd device disappears when it is unmapped. Loop and nbd devices stay and lose their backing: such a device,
    /// if it is not the volume's any more, was the volume's before.
    private static func isDead(_ device: DeviceNumber, replacedBy ours: DeviceNumber) -> Bool {
        // A mount without a device, such as a tmpfs, was never the volume's.
        guard device.major != 0 else { return false }
        guard let name = Sysfs().name(of: device) else { return true }
        return device.major == ours.major && !name.startsExactly(with: "rbd")
    }

    private func mountStage(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        let usage = record.usage
        var options = usage.mountFlags
        if usage.fileSystem == "xfs" { options.append("nouuid") }
        if usage.isReadOnly {
            // A journal cannot be replayed on a read-only device.
            options += ["ro", usage.fileSystem == "xfs" ? "norecovery" : "noload"]
        }
        enter(NodeStep.mounting, record.stagingPath)
        let mountOptions = MountOptions(options)
        let failure = await pool.run {
            MountFailure.of { () throws(KernelError) in
                try MountPlace(record.stagingPath).mount(
                    device.path,
                    fileSystem: usage.fileSystem,
                    options: mountOptions
                )
            }
        }
        guard let failure else { return }
        guard failure.error.call == "mount" else {
            throw Self.placeError(failure.error, record.stagingPath, "stage volume '\(record.volumeID)'")
        }
        throw await diagnose(record, device, failure, options, mkfsOptions)
    }

    /// Grows a mounted xfs to its device's size.
    ///
    /// Where it has that size, the device is not read: during an outage that would wait, and hold a thread.
    private func growXFS(_ record: VolumeRecord, _ device: MappedDevice) async throws(VolumeError) {
        let (path, what) = (record.stagingPath, "grow the file system of volume '\(record.volumeID)'")
        enter(NodeStep.growingFileSystem, path)
        let canGrow = try await kernel(what) { () throws(KernelError) in
            try FileSystemControl.canGrowXFS(at: path, toBytes: device.sizeBytes)
        }
        guard canGrow else { return }
        try await refuseGrowth(of: record, on: device.path, to: device.sizeBytes)
        try await kernel(what) { () throws(KernelError) in
            try FileSystemControl.growXFS(at: path, toBytes: device.sizeBytes)
        }
    }

    private func stageBlock(_ record: VolumeRecord, _ device: MappedDevice) async throws(VolumeError) {
        let path = record.stagedDevice
        let what = "stage volume '\(record.volumeID)'"
        while let mount = try await mountTable().mount(at: path) {
            let kind = try await at(path, what) { (place) throws(KernelError) in try place.kind() }
            guard case .blockDevice(let found)? = kind else {
                throw VolumeError(
                    .failedPrecondition,
                    "'\(path)' has another mount, \(mount.source) (\(mount.fileSystem)); unmount it first"
                )
            }
            if found == device.device { return }
            guard OwnMount.couldBeOurs(found) else {
                throw VolumeError(
                    .failedPrecondition,
                    "'\(path)' has the device \(found), which is not the volume's; unmount it first"
                )
            }
            logger.warning("detaching a dead device", metadata: ["path": "\(path)"])
            try await at(path, "detach the dead device at the staging path") { (place) throws(KernelError) in
                try place.detach()
            }
        }
        enter(NodeStep.mounting, path)
        try await at(path, what) { (place) throws(KernelError) in
            try place.makeFile()
            try place.bind(MountPlace(device.path)) { $0.kind == .blockDevice(device.device) }
        }
    }
}
