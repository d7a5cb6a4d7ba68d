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
        try await operations.run(
            "stage volume '\(id)'",
            on: request.volumeID,
            fingerprint: "stage \(path) \(usage.description) \(request.context.sorted { $0.key < $1.key })",
            deadline: deadline,
            obstacle: { await standstill(id, request.credentials) }
        ) { () throws(VolumeError) in
            do throws(VolumeError) {
                try await self.stage(id, path, usage, request)
            } catch {
                // What is half-way would keep the image from other nodes; what is mounted stays.
                await self.undoUnlessMounted(request.volumeID, id)
                throw error
            }
        }
    }

    /// What a class asks for and this node cannot do is refused here, before anything is written.
    private static func refuseUnsupported(_ context: [String: String]) throws(VolumeError) {
        if let flag = context["encrypted"], !["0", "f", "false"].contains(flag.lowercased()) {
            throw VolumeError(
                .unimplemented,
                "the volume asks for encryption, which is not supported yet; nothing was written to it"
            )
        }
    }

    /// Which mapper the class asks for, or else this node.
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
        _ request: StageRequest
    ) async throws(VolumeError) {
        let kind = try await at(path, "look at the staging path") { (place) throws(KernelError) in try place.kind() }
        // A file system on a dead device, which `isMounted` takes away, does not say what it is.
        guard kind == .directory || kind == .other else {
            throw VolumeError(.failedPrecondition, "staging path '\(path.printable)' is not a directory; create it")
        }
        try await refuseOverlap(path, .staging, of: request.volumeID)
        var record = VolumeRecord(volumeID: request.volumeID, stagingPath: path, usage: usage)
        if let earlier = try await self.record(of: request.volumeID) {
            try await refuseContradiction(earlier, record)
            record = earlier.stagingPath.isExactly(path) && earlier.usage.satisfies(usage) ? earlier : record
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
        let mapper = mapper
        let device = try await mapping { (observer) throws(MappingError) in
            try mapper.map(wanted, by: choice, observer: observer)
        }
        record.device = "\(device.device)"
        if usage.isBlock {
            if request.context[StageRequest.repair] != "true" { try await refuseFileSystem(record, wanted) }
            try await stageBlock(record, device)
        } else if try await !isMounted(record, device) {
            try await prepareFileSystem(&record, device, wanted, request.context["mkfsOptions"])
            try await mountStage(record, device)
        } else if record.usage.fileSystem == "xfs" {
            try await refuseGrowth(of: record, on: device.path, to: device.sizeBytes)
        }
        if !usage.isBlock, record.usage.fileSystem == "xfs", !usage.isReadOnly {
            enter(NodeStep.growingFileSystem, path)
            try await kernel("grow the file system of volume '\(id)'") { () throws(KernelError) in
                try FileSystemControl.growXFS(at: path, toBytes: device.sizeBytes)
            }
        }
        enter(NodeStep.recordingStaged, "\(id)")
        record.isStaged = true
        try await save(record)
    }

    /// A volume has one staging path and one capability at a time, while anything of it is mounted.
    private func refuseContradiction(_ earlier: VolumeRecord, _ wanted: VolumeRecord) async throws(VolumeError) {
        guard !earlier.stagingPath.isExactly(wanted.stagingPath) || !earlier.usage.satisfies(wanted.usage) else {
            return
        }
        let isMounted = try await mountTable().mount(at: earlier.stagedMount) != nil
        guard earlier.isStaged, isMounted else { return }
        throw VolumeError(
            .alreadyExists,
            "volume '\(wanted.volumeID)' is staged at '\(earlier.stagingPath)' as \(earlier.usage.description), not at "
                + "'\(wanted.stagingPath)' as \(wanted.usage.description); unstage it first"
        )
    }

    /// Whether the staging path has this very device; a dead device that is still mounted there is taken away.
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

    /// Whether a device that is mounted where ours belongs can only be what is left of ours.
    ///
    /// A device of the kernel's rbd goes wholly when it is unmapped, but loop and nbd devices stay and lose what is
    /// behind them: one of those that is not the volume's device any more was it once.
    private static func isDead(_ device: DeviceNumber, replacedBy ours: DeviceNumber) -> Bool {
        // What has no device, such as a tmpfs, was never ours.
        guard device.major != 0 else { return false }
        guard let name = Sysfs().name(of: device) else { return true }
        return device.major == ours.major && !name.startsExactly(with: "rbd")
    }

    private func mountStage(_ record: VolumeRecord, _ device: MappedDevice) async throws(VolumeError) {
        let usage = record.usage
        var options = usage.mountFlags
        if usage.fileSystem == "xfs" { options.append("nouuid") }
        if usage.isReadOnly {
            // A read-only device cannot take the replay of a journal.
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
        throw await diagnose(record, device, failure, options)
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
