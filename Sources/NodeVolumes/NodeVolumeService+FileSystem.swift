internal import BlockDevices
internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import Subprocess
internal import SystemPackage
internal import Volumes

extension NodeVolumeService {
    /// Leaves a sound file system of the device's size on the device, or refuses.
    ///
    /// The kernel forgets what it read of a device when the last descriptor is closed. So one is open until the end: what
    /// several looks and the checker read is read from Ceph once. It does not go on into the mount: xfs writes past these
    /// pages.
    func prepareFileSystem(
        _ record: inout VolumeRecord,
        _ device: MappedDevice,
        _ mapped: MapRequest,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        let held = try await kernel("open the device of volume '\(record.volumeID)'") { () throws(KernelError) in
            try OpenDevice(device.path)
        }
        let failure: VolumeError?
        do throws(VolumeError) {
            try await prepare(&record, device, mapped, mkfsOptions)
            failure = nil
        } catch {
            failure = error
        }
        // On a thread: the last one that closes a device writes what is left in its pages.
        await pool.run { held.close() }
        if let failure { throw failure }
    }

    private func prepare(
        _ record: inout VolumeRecord,
        _ device: MappedDevice,
        _ mapped: MapRequest,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        enter(NodeStep.probingDevice, device.path)
        let notes = try await notes(mapped)
        try Self.refuseHalfRestored(record, notes)
        let wanted = record.usage.fileSystem
        let content = try await kernel("look at the device of volume '\(record.volumeID)'") {
            () throws(KernelError) in
            // A mkfs of a service that was killed may still be at work.
            try BlockIOControl.waitUntilUnused(device.path, for: .seconds(30))
            return try ContentProbe.content(
                of: device.path,
                believing: wanted.isEmpty ? VolumeCapability.fileSystems : [wanted]
            )
        }
        let state = FormatState(notes[ImageMetadataKey.format])
        let mark = notes[ImageMetadataKey.fileSystem]
        let origin = try ImageOrigin(notes, of: VolumeID(parsing: record.volumeID))
        // A PersistentVolume that was written by hand may not say what its volume was made for.
        let isAsked = mkfsOptions != nil
        let mkfsOptions = mkfsOptions ?? NodeParameters.mkfsOptions(in: notes)
        let making = try await making(
            record,
            device,
            content,
            state,
            mayBeLeft: origin == .made && !record.usage.isReadOnly
                && (mark == nil || VolumeCapability.fileSystems.contains { $0 == mark }),
            mkfsOptions
        )
        // What a mkfs left is no file system that must be kept.
        let fileSystem = try fileSystem(
            of: record,
            marked: mark,
            holding: making == .none ? content : .blank
        )
        if record.usage.fileSystem != fileSystem {
            record.usage.fileSystem = fileSystem
            try await save(record)
        }
        guard making == .none else {
            try refuseUnreadable(record, notes, isAsked: isAsked)
            guard !record.usage.isReadOnly else {
                throw VolumeError(
                    .failedPrecondition,
                    "cannot mount volume '\(record.volumeID)' read-only: there is no file system on its image yet"
                )
            }
            // The note of a copy is that of another image's holder.
            if (state == .none && making == .plain) || !origin.isOurs {
                try await refuseUnlessEmpty(record, device, mapped, origin, notes)
            }
            // Nothing to check nor to grow.
            return try await format(record, device, mapped, state, making, mkfsOptions)
        }
        let head = try await head(of: device, record)
        try await refuseIfCut(record, device, head, notes)
        guard content == .known(format: fileSystem) else {
            let hasSuperBlock = GrowthLimit(head.source) != nil
            throw Self.otherContent(record, device, content, state, marked: mark, hasSuperBlock: hasSuperBlock)
        }
        // Also what 0.1.0 made, which noted nothing: so that it is never taken for blank.
        if state.isOpen(isOurs: origin.isOurs), !record.usage.isReadOnly {
            enter(NodeStep.recordingFormatted, record.volumeID)
            try await note(.ended(fileSystem), after: state, mapped)
        }
        guard !record.usage.isReadOnly else { return }
        guard fileSystem == "ext4" else {
            // It grows once it is mounted; what it must not grow to is not mounted.
            return try await refuseGrowth(of: record, on: device.path, to: device.sizeBytes)
        }
        enter(NodeStep.checkingFileSystem, device.path)
        try await check(record, device, head, [])
        let extSize = try await kernel("read the size of volume '\(record.volumeID)'") { () throws(KernelError) in
            try ExtSuperblock.sizeBytes(of: device.path)
        }
        guard ExtSuperblock.canGrow(from: extSize, to: device.sizeBytes) else { return }
        try await refuseGrowth(of: record, on: device.path, to: device.sizeBytes)
        enter(NodeStep.growingOffline, device.path)
        try await check(record, device, self.head(of: device, record), ["-f"])
        try await run(
            "resize2fs",
            [device.path],
            succeeding: [0],
            "grow the file system of volume '\(record.volumeID)'"
        )
    }

    /// Why a file system that cannot be mounted cannot.
    ///
    /// xfs repairs itself when it is mounted, or not at all; ext4 may be damaged where no mark says so.
    func diagnose(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ failure: MountFailure,
        _ options: [String],
        _ mkfsOptions: String?
    ) async -> VolumeError {
        let error = failure.error
        let reason = failure.reason(record.usage.fileSystem, options, device.path)
        let plain = VolumeError(
            Self.code(of: error),
            "cannot mount volume '\(record.volumeID)': \(reason)\(await holders(of: error))"
        )
        // Damage shows as EUCLEAN, EBADMSG, ENOENT and many others.
        guard failure.mayBeDamage else { return plain }
        enter(NodeStep.checkingFileSystem, device.path)
        let isXFS = record.usage.fileSystem == "xfs"
        let (program, flags) = isXFS ? ("xfs_repair", ["-n"]) : ("e2fsck", ["-f", "-n"])
        guard
            let status = try? await FileSystemProgram.run(
                program,
                flags + [device.path],
                "check volume '\(record.volumeID)'"
            ),
            case .exited(let code) = status.status
        else { return plain }
        let refused = failure.refusedByKernel(
            record.usage.fileSystem,
            record.usage.mountFlags,
            mkfsOptions,
            device.path
        )
        if ToolOutput.hasUnreplayedLog(status.output) {
            let isRefused = error.errno == .invalidArgument
            return VolumeError(
                isRefused ? .failedPrecondition : plain.code,
                "\(isRefused ? "cannot mount volume '\(record.volumeID)': \(refused)" : plain.message); "
                    + Self.wayToReplay(record)
            )
        }
        guard code != 0 else {
            guard error.errno == .invalidArgument else { return plain }
            return VolumeError(
                .failedPrecondition,
                "cannot mount volume '\(record.volumeID)': its \(record.usage.fileSystem) is sound, but \(refused)"
            )
        }
        // e2fsck's 4 is damage, and its 8 that it could not look; xfs_repair only says it.
        guard isXFS ? !ToolOutput.hasGivenUp(status.output) : code & 4 != 0 else { return plain }
        let descriptors = isXFS ? nil : (try? await descriptors(record, device)) ?? nil
        return VolumeError(
            .failedPrecondition,
            "cannot mount volume '\(record.volumeID)' (\(error)): its \(record.usage.fileSystem) is damaged (\(program) "
                + "\(flags.joined(separator: " ")) ended with \(code): "
                + "\(ToolOutput.Check(status.output).description(hasChanged: false))); "
                + Self.wayToRepair(record, isXFS ? program : descriptors?.repair ?? "e2fsck -f")
        )
    }

    /// What a person does about a file system with changes in its log: no repair comes before they are written.
    private static func wayToReplay(_ record: VolumeRecord) -> String {
        let isXFS = record.usage.fileSystem == "xfs"
        let last =
            isXFS
            ? "if no kernel does, only xfs_repair -L is left, which throws those changes away: copy the image before that (rbd "
                + "cp \(record.imageSpec.shellWord) ...)"
            : "if no kernel does, e2fsck replays it too: nacre volume map --repair \(record.volumeID.shellWord), e2fsck on the "
                + "device which that prints, then nacre volume unmap"
        return
            "whether its \(record.usage.fileSystem) is damaged cannot be told yet: its log has changes that are not in their "
            + "places, and a mount for writing replays them, without the option or by a newer kernel; \(last)"
    }

    private func format(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ mapped: MapRequest,
        _ state: FormatState,
        _ making: Making,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        try refuseMaking(record, on: device.sizeBytes, mkfsOptions)
        let fileSystem = record.usage.fileSystem
        var arguments = try FileSystemOptions.mkfsArguments(
            fileSystem,
            given: mkfsOptions,
            kernel: KernelFile.firstLine("/proc/sys/kernel/osrelease") ?? "",
            features: (try? KernelFile.text(FileSystemOptions.oldFeatures)) ?? ""
        )
        if making == .forced { arguments.append(fileSystem == "ext4" ? "-F" : "-f") }
        enter(NodeStep.recordingFormat, record.volumeID)
        let begun = FormatState.beginning(fileSystem, on: info.nodeID)
        try await note(begun, after: state, mapped)
        enter(NodeStep.formatting, device.path)
        let given = mkfsOptions.map { " with mkfsOptions '\($0.printable)'" } ?? ""
        try await run(
            "mkfs.\(fileSystem)",
            ["-q"] + arguments + [device.path],
            succeeding: [0],
            "make a file system on volume '\(record.volumeID)' of \(device.sizeBytes.inBinaryUnits)\(given)"
        )
        enter(NodeStep.recordingFormatted, record.volumeID)
        try await note(.ended(fileSystem), after: begun, mapped)
    }

    func run(
        _ program: String,
        _ arguments: [String],
        succeeding codes: Set<Int32>,
        _ what: String
    ) async throws(VolumeError) {
        let outcome = try await FileSystemProgram.run(program, arguments, what)
        if case .exited(let code) = outcome.status, codes.contains(code) { return }
        throw outcome.failure(what, program)
    }
}
