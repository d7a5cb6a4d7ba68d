internal import BlockDevices
internal import LinuxKernel
internal import NodeMapping
internal import Subprocess
internal import SystemPackage
internal import Volumes

extension NodeVolumeService {
    /// Leaves a sound file system of the device's size on the device, or refuses.
    func prepareFileSystem(
        _ record: inout VolumeRecord,
        _ device: MappedDevice,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        enter(NodeStep.probingDevice, device.path)
        let content = try await kernel("look at the device of volume '\(record.volumeID)'") {
            () throws(KernelError) in
            // A mkfs of a service that was killed may still be at work.
            try BlockIOControl.waitUntilUnused(device.path, for: .seconds(30))
            return try ContentProbe.content(of: device.path)
        }
        let fileSystem = record.usage.fileSystem
        if content == .blank || record.isFormatting {
            guard !record.usage.isReadOnly else {
                throw VolumeError(
                    .failedPrecondition,
                    "cannot mount volume '\(record.volumeID)' read-only: its image is blank"
                )
            }
            try await format(&record, device, mkfsOptions)
        } else if content != .known(Signature(rawValue: fileSystem) ?? .xfs) {
            throw VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)' as \(fileSystem): its image holds \(content), which nacre did "
                    + "not write; stage it as what it is, or wipe it on purpose"
            )
        }
        guard fileSystem == "ext4", !record.usage.isReadOnly else { return }
        enter(NodeStep.checkingFileSystem, device.path)
        try await run("e2fsck", ["-p", device.path], succeeding: [0, 1, 2], "check volume '\(record.volumeID)'")
        let extSize = try await kernel("read the size of volume '\(record.volumeID)'") { () throws(KernelError) in
            try ExtSuperblock.sizeBytes(of: device.path)
        }
        guard ExtSuperblock.canGrow(from: extSize, to: device.sizeBytes) else { return }
        enter(NodeStep.growingOffline, device.path)
        try await run("e2fsck", ["-f", "-p", device.path], succeeding: [0, 1, 2], "check volume '\(record.volumeID)'")
        try await run(
            "resize2fs",
            [device.path],
            succeeding: [0],
            "grow the file system of volume '\(record.volumeID)'"
        )
    }

    private func format(
        _ record: inout VolumeRecord,
        _ device: MappedDevice,
        _ mkfsOptions: String?
    ) async throws(VolumeError) {
        enter(NodeStep.recordingFormat, record.volumeID)
        let isRepeated = record.isFormatting
        record.isFormatting = true
        try await save(record)
        let fileSystem = record.usage.fileSystem
        var arguments: [String]
        if let mkfsOptions, !mkfsOptions.isEmpty {
            arguments = mkfsOptions.split(separator: " ").map(String.init)
        } else if fileSystem == "ext4" {
            // The image is blank, so there is nothing to discard, and zeros need not be written again.
            arguments = ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"]
        } else {
            arguments = ["-K"]
        }
        if isRepeated { arguments.append(fileSystem == "ext4" ? "-F" : "-f") }
        enter(NodeStep.formatting, device.path)
        try await run(
            "mkfs.\(fileSystem)",
            ["-q"] + arguments + [device.path],
            succeeding: [0],
            "make a file system on volume '\(record.volumeID)'"
        )
        record.isFormatting = false
        try await save(record)
    }

    private func run(
        _ program: String,
        _ arguments: [String],
        succeeding codes: Set<Int32>,
        _ what: String
    ) async throws(VolumeError) {
        let outcome: (status: TerminationStatus, output: String)
        do {
            let result = try await Subprocess.run(
                .name(program),
                arguments: Arguments(arguments),
                environment: .inherit.updating(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"]),
                output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20)
            )
            outcome = (result.terminationStatus, result.standardError + result.standardOutput)
        } catch {
            throw VolumeError(.internal, "cannot \(what): \(program) cannot be run (\(error)); is it installed?")
        }
        if case .exited(let code) = outcome.status, codes.contains(code) { return }
        let words = outcome.output.split(separator: "\n").suffix(4).joined(separator: "; ")
        throw VolumeError(.internal, "cannot \(what): \(program) ended with \(outcome.status): \(words.printable)")
    }
}
