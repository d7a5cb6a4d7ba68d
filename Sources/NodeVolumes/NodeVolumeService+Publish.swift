internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Bind-mounts the staged volume at the pod's path.
    public func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        let id = try VolumeID(parsing: request.volumeID)
        if let refusal = request.capability.refusal { throw .invalid(refusal) }
        let staging = try await canonical(request.stagingPath, "staging path")
        let path = try await givenPlace(request.targetPath, .target)
        let given = Self.lexical(request.targetPath)
        let target = VolumeRecord.Target(
            path: path,
            isReadOnly: request.isReadOnly || request.capability.mode.isReadOnly,
            usage: VolumeRecord.Usage(request.capability),
            given: given.isExactly(path) ? nil : given
        )
        try await operations.run(
            "publish volume '\(id)'",
            on: request.volumeID,
            fingerprint: "publish \(staging) \(target.description)",
            deadline: deadline,
            obstacle: { await self.obstacle(id) }
        ) { () throws(VolumeError) in
            try await self.publish(id, staging, target)
        }
    }

    private func publish(
        _ id: VolumeID,
        _ staging: String,
        _ target: VolumeRecord.Target
    ) async throws(VolumeError) {
        guard var record = try await record(of: "\(id)"), record.isStaged, record.stagingPath.isExactly(staging),
            let stage = try await mountTable().mount(at: record.stagedMount)
        else {
            throw VolumeError(
                .failedPrecondition,
                "volume '\(id)' is not staged at '\(staging.printable)'; stage it first"
            )
        }
        guard record.usage.isBlock == target.usage.isBlock else {
            throw VolumeError(
                .failedPrecondition,
                "volume '\(id)' is staged as \(record.usage.description), not as \(target.usage.description)"
            )
        }
        guard !target.usage.isBlock || !target.isReadOnly || record.usage.isReadOnly else {
            throw .invalid(
                "a block volume that is staged read-write cannot be published read-only: a pod could still write to the "
                    + "device; use access mode SINGLE_NODE_READER_ONLY"
            )
        }
        let address = address(of: id)
        let mapper = mapper
        guard let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }) else {
            throw VolumeError(
                .failedPrecondition,
                "the image server of volume '\(id)' is gone; unstage and stage it again"
            )
        }
        guard OwnMount(record, device).matches(stage, try await kind(of: record.stagedMount)) else {
            throw VolumeError(
                .failedPrecondition,
                "staging path '\(staging)' has a dead device or another mount, \(stage.source) (\(stage.fileSystem)); "
                    + "unstage and stage it again"
            )
        }
        var isThere = false
        if let mount = try await mountTable().mount(at: target.path) {
            isThere = OwnMount(record, device).matches(mount, try? await kind(of: target.path))
        }
        // A service that was started anew does not know as whom to ask; kubelet does not stage again, so it goes on.
        try await refuseAnother("publish volume '\(id)'", id, isMounted: isThere)
        try await refuseSecond(target, record)
        try await refuseOverlap(target.path, .target, of: "\(id)")
        // Checked before it is recorded, because the record says what an unpublish may remove.
        try await clear(target.path, record, device)
        if try await mountTable().mount(at: target.path) == nil {
            try await refuseContent(at: target.path, .target, isBlock: target.usage.isBlock)
        }
        var noted = target
        noted.device = "\(device.device)"
        noted.mount = try await mountTable().mount(at: target.path).flatMap(VolumeRecord.Target.note)
        record.targets.removeAll { $0.path.isExactly(target.path) }
        record.targets.append(noted)
        enter(NodeStep.recordingTarget, target.path)
        try await save(record)
        let mount = try await bind(record, target, device)
        // By its number it is found where its directory is moved to.
        guard let note = VolumeRecord.Target.note(of: mount), noted.mount?.isExactly(note) != true else { return }
        record.targets[record.targets.count - 1].mount = note
        try await save(record)
    }

    /// Detaches what the volume had at a path before its device died; refuses anything else but the volume.
    private func clear(_ path: String, _ record: VolumeRecord, _ device: MappedDevice) async throws(VolumeError) {
        while let mount = try await mountTable().mount(at: path) {
            // What a file system on a dead device is cannot be told.
            let kind = try? await kind(of: path)
            if OwnMount(record, device).matches(mount, kind) { return }
            let noted = record.targets.first { $0.path.isExactly(path) }?.device
            guard let dead = noted.flatMap({ DeviceNumber(parsing: $0) }),
                OwnMount(isBlock: record.usage.isBlock, fileSystem: record.usage.fileSystem, devices: [dead])
                    .matches(mount, kind)
            else { throw Self.another(mount, at: path) }
            logger.warning("detaching the mount of a dead device", metadata: ["path": "\(path)"])
            try await at(path, "detach the dead mount at the target path") { (place) throws(KernelError) in
                guard try place.mount() == mount else { throw KernelError("umount2", .staleNFSFileHandle, place.path) }
                try place.detach()
            }
        }
    }

    /// Refuses another use of the same path, and a second path if only one pod may use the volume.
    ///
    /// CSI: NodePublishVolume, ALREADY_EXISTS and FAILED_PRECONDITION.
    private func refuseSecond(_ target: VolumeRecord.Target, _ record: VolumeRecord) async throws(VolumeError) {
        let table = try await mountTable()
        var mounted: [VolumeRecord.Target] = []
        for known in record.targets {
            let place = try await whereabouts(known, of: record, in: table).place(known)
            if place != nil { mounted.append(known) }
            // What is recorded at the path would be forgotten for what is mounted there now.
            guard known.path.isExactly(target.path), let place, !place.isExactly(known.path) else { continue }
            throw VolumeError(
                .failedPrecondition,
                "cannot publish volume '\(record.volumeID)' at '\(target.path)': the directories of that path were "
                    + "replaced, and the volume is still mounted at '\(place.printable)'; unpublish it first, or umount \(place.shellWord)"
            )
        }
        if let other = mounted.first(where: { $0.path.isExactly(target.path) && !$0.isSame(as: target) }) {
            throw VolumeError(
                .alreadyExists,
                "volume '\(record.volumeID)' is at '\(target.path)' already, as \(other.usage.words)"
                    + "\(other.isReadOnly && !other.usage.isReadOnly ? ", mounted read-only" : ""); end that use first"
            )
        }
        guard let other = mounted.first(where: { !$0.path.isExactly(target.path) }) else { return }
        guard ([record.usage, target.usage] + mounted.map(\.usage)).contains(where: \.isForOnePod) else { return }
        throw VolumeError(
            .failedPrecondition,
            "volume '\(record.volumeID)' is for one pod (SINGLE_NODE_SINGLE_WRITER) and mounted at '\(other.path)'; "
                + "unmount it there first, or use ReadWriteOnce for pods of one node"
        )
    }

    func kind(of path: String) async throws(VolumeError) -> FileKind? {
        try await at(path, "look at '\(path)'") { (place) throws(KernelError) in try place.kind() }
    }

    private static func another(_ mount: MountTable.Mount?, at path: String) -> VolumeError {
        VolumeError(
            .failedPrecondition,
            "target path '\(path)' has another mount, \(mount?.source ?? "-") "
                + "(\(mount?.fileSystem ?? "moved away while it was mounted")); unmount it first"
        )
    }

    private func bind(
        _ record: VolumeRecord,
        _ target: VolumeRecord.Target,
        _ device: MappedDevice
    ) async throws(VolumeError) -> MountTable.Mount {
        let own = OwnMount(record, device)
        let what = "publish volume '\(record.volumeID)'"
        var present = try await mountTable().mount(at: target.path)
        if present == nil {
            enter(NodeStep.binding, target.path)
            present = try await at(target.path, makingParents: 0o750, what) { (place) throws(KernelError) in
                if target.usage.isBlock {
                    try place.makeFile()
                    try place.bind(MountPlace(device.path)) { $0.kind == .blockDevice(device.device) }
                } else {
                    try place.makeDirectory(mode: 0o750)
                    try place.bind(MountPlace(record.stagingPath)) {
                        $0.kind == .directory && $0.device == device.device
                    }
                }
                return try place.mount()
            }
        }
        guard let mount = present, own.matches(mount, try await kind(of: target.path)) else {
            throw Self.another(present, at: target.path)
        }
        guard target.isReadOnly, !mount.options.contains("ro") else { return mount }
        enter(NodeStep.protecting, target.path)
        // A remount replaces all flags, so those of the staging mount are repeated.
        let options = MountOptions(record.usage.mountFlags + ["ro"])
        try await at(target.path, "make '\(target.path)' read-only") { (place) throws(KernelError) in
            try place.remountBind(options: options)
        }
        return mount
    }
}
