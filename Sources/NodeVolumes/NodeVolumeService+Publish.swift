internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Bind-mounts the staged volume at the pod's path.
    public func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        let id = try VolumeID(parsing: request.volumeID)
        if let refusal = request.capability.refusal { throw .invalid(refusal) }
        let staging = try await canonical(request.stagingPath, "staging path")
        let path = try await canonical(request.targetPath, "target path")
        let target = VolumeRecord.Target(
            path: path,
            isReadOnly: request.isReadOnly || request.capability.mode.isReadOnly,
            usage: VolumeRecord.Usage(request.capability)
        )
        try await operations.run(
            "publish volume '\(id)'",
            on: request.volumeID,
            fingerprint: "publish \(staging) \(target)",
            deadline: deadline
        ) { () throws(VolumeError) in
            try await self.publish(id, staging, target)
        }
    }

    private func publish(
        _ id: VolumeID,
        _ staging: String,
        _ target: VolumeRecord.Target
    ) async throws(VolumeError) {
        guard var record = try await record(of: "\(id)"), record.isStaged, record.stagingPath == staging,
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
        guard stage.device == device.device || record.usage.isBlock else {
            throw VolumeError(
                .failedPrecondition,
                "staging path '\(staging)' has a dead device; unstage and stage it again"
            )
        }
        if let other = record.targets.first(where: { $0.path == target.path && $0 != target }),
            try await mountTable().mount(at: target.path) != nil
        {
            throw VolumeError(
                .alreadyExists,
                "volume '\(id)' is published at '\(target.path)' as \(other.usage.description)"
                    + "\(other.isReadOnly ? ", read-only" : ""); unpublish it first"
            )
        }
        record.targets.removeAll { $0.path == target.path }
        record.targets.append(target)
        enter(NodeStep.recordingTarget, target.path)
        try await save(record)
        try await bind(record, target, stage, device)
    }

    private func bind(
        _ record: VolumeRecord,
        _ target: VolumeRecord.Target,
        _ stage: MountTable.Mount,
        _ device: MappedDevice
    ) async throws(VolumeError) {
        let present = try await mountTable().mount(at: target.path)
        if let present {
            guard present.device == stage.device, present.root == stage.root else {
                throw VolumeError(
                    .failedPrecondition,
                    "target path '\(target.path)' has another mount, \(present.source) (\(present.fileSystem)); "
                        + "unmount it first"
                )
            }
        } else {
            enter(NodeStep.binding, target.path)
            try await kernel("publish volume '\(record.volumeID)'") { () throws(KernelError) in
                if target.usage.isBlock {
                    try KernelFile.createEmpty(target.path)
                    try Mounting.bind(device.path, at: target.path)
                } else {
                    try KernelFile.makeDirectories(target.path, mode: 0o750)
                    try Mounting.bind(record.stagingPath, at: target.path)
                }
            }
        }
        guard target.isReadOnly, present?.options.contains("ro") != true else { return }
        enter(NodeStep.protecting, target.path)
        // A remount sets all flags anew, so those of the staging mount are said again.
        let options = MountOptions(record.usage.mountFlags + ["ro"])
        try await kernel("make '\(target.path)' read-only") { () throws(KernelError) in
            try Mounting.remountBind(target.path, options: options)
        }
    }
}
