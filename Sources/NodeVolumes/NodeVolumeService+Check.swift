internal import BlockDevices
internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Subprocess
internal import SystemPackage
internal import Volumes

/// An ext4 before it is mounted for writing: what e2fsck may do to it by itself, and what it may not.
extension NodeVolumeService {
    /// Repairs what e2fsck repairs without being asked; what needs a person is told.
    ///
    /// - Parameters:
    ///   - record: The volume.
    ///   - device: Its device.
    ///   - head: The device's first bytes as they are now.
    ///   - flags: More words for e2fsck.
    /// - Throws: `VolumeError` with the way to repair what e2fsck does not.
    func check(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ head: DeviceHead,
        _ flags: [String]
    ) async throws(VolumeError) {
        try await refuseUnlessCheckable(record, device, head)
        // e2fsck writes a line of progress after the other to a descriptor; a clean file system takes no time and has none.
        let directory = records.directory
        let report = try await kernel("check volume '\(record.volumeID)'") { () throws(KernelError) in
            try NamelessFile(in: directory)
        }
        let watching = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                guard let line = (try? KernelFile.text(report.path))?.parts(at: "\n", omittingEmpty: true).last else {
                    continue
                }
                let words = line.parts(at: " ", omittingEmpty: true)
                guard words.count >= 3 else { continue }
                enter(NodeStep.checkingFileSystem, "\(device.path), pass \(words[0]), \(words[1]) of \(words[2])")
            }
        }
        defer { watching.cancel() }
        let before = ExtSuperblock.substance(of: head)
        let status = try await FileSystemProgram.run(
            "sh",
            ["-c", "exec e2fsck -p -C 3 \(flags.joined(separator: " ")) \"$1\" 3>&0 < /dev/null", "sh", device.path],
            "check volume '\(record.volumeID)'",
            input: FileDescriptor(rawValue: report.descriptor.rawValue)
        )
        guard case .exited(let code) = status.status, code < 4 else {
            guard case .exited(let code) = status.status, code & 4 != 0 else {
                if let features = ToolOutput.unknownFeatures(status.output) {
                    throw await Self.unknown(features, to: "e2fsck", record)
                }
                throw status.failure("check volume '\(record.volumeID)'", "e2fsck")
            }
            let found = ToolOutput.Check(status.output)
            let after = (try? await self.head(of: device, record)).flatMap { ExtSuperblock.substance(of: $0) }
            let hasChanged = !found.mended.isEmpty || before == nil || before != after
            throw VolumeError(
                .failedPrecondition,
                "cannot mount volume '\(record.volumeID)': its ext4 is damaged beyond what e2fsck repairs by itself "
                    + "(\(found.description(hasChanged: hasChanged))); "
                    + Self.wayToRepair(record, "e2fsck -f")
            )
        }
    }

    /// Features that this node's programs are too old for; nothing was changed.
    private static func unknown(_ features: String, to program: String, _ record: VolumeRecord) async -> VolumeError {
        let said = try? await FileSystemProgram.run(program, ["-V"], "ask \(program) for its version")
        let version = said?.output.parts(at: "\n").first?.parts(at: " ").dropFirst().first ?? "of this node"
        return VolumeError(
            .failedPrecondition,
            "cannot mount volume '\(record.volumeID)': its ext4 has features that \(program) \(version) of this node does not know "
                + "(\(features)), so it cannot be checked; nothing was changed; use the volume on a node with newer e2fsprogs, or "
                + "install those here"
        )
    }

    /// What a person does about a damaged file system.
    static func wayToRepair(_ record: VolumeRecord, _ program: String) -> String {
        "to repair it: nacre volume map --repair \(record.volumeID.shellWord), \(program) on the device which that prints, then nacre "
            + "volume unmap"
    }

    /// Refuses what `e2fsck -p` would make worse, before it writes anything.
    ///
    /// It goes by the first copy of the group descriptors whatever that says: it writes checksums over lost ones, finds no
    /// journal by them and drops it, and only then gives up. The plain e2fsck would have gone by another copy, which says the
    /// truth, and cannot do so any more once the checksums are right. It also drops a journal that cannot be read, with all that
    /// was written to it and acknowledged.
    private func refuseUnlessCheckable(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ head: DeviceHead
    ) async throws(VolumeError) {
        let id = record.volumeID
        guard var found = try await descriptors(record, device, head) else { return }
        var changed = "nothing was changed"
        if found.hasUnreplayedLog {
            // Looks, and writes nothing: at the journal, and at the descriptors by which it finds it.
            let look = try await FileSystemProgram.run(
                "e2fsck",
                ["-n", "-E", "journal_only", device.path],
                "check volume '\(id)'"
            )
            if found.fault?.leavesJournal != false, case .exited(let code) = look.status, code & 4 != 0 {
                throw VolumeError(
                    .failedPrecondition,
                    "cannot mount volume '\(id)': the journal of its ext4 is damaged, which has changes that are not in their "
                        + "places yet (\(ToolOutput.Check(look.output).description(hasChanged: false))); a repair drops those "
                        + "changes: copy the image before that (rbd cp \(record.imageSpec.shellWord) ...); "
                        + Self.wayToRepair(record, "e2fsck -f")
                )
            }
            if found.fault?.leavesJournal == true {
                // The journal may have the whole descriptors, as of a growth that a power cut ended; a mount writes what it has.
                _ = try await FileSystemProgram.run(
                    "e2fsck",
                    ["-p", "-E", "journal_only", device.path],
                    "check volume '\(id)'"
                )
                guard let replayed = try await descriptors(record, device) else { return }
                found = replayed
                changed = "nothing was changed but that its journal was replayed"
            }
        }
        guard let fault = found.fault else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot mount volume '\(id)': the group descriptors of its ext4 are damaged (that of block group \(fault.group) "
                + "\(fault.words)); no repair was tried, because e2fsck -p would go by them and lose what is there; "
                + "\(changed); copy the image first (rbd cp \(record.imageSpec.shellWord) ...); "
                + Self.wayToRepair(record, found.repair)
        )
    }

    func descriptors(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ head: DeviceHead? = nil
    ) async throws(VolumeError) -> ExtDescriptors? {
        try await kernel("read the group descriptors of volume '\(record.volumeID)'") { () throws(KernelError) in
            try ExtDescriptors(of: device.path, head: head)
        }
    }
}

extension ExtDescriptors {
    /// The repair that goes by descriptors which are not damaged.
    var repair: String {
        guard fault != nil else { return "e2fsck -f" }
        return otherCopy.map { "e2fsck -f \($0)" } ?? "e2fsck -f (there is no other copy of them, so it can only guess)"
    }
}
