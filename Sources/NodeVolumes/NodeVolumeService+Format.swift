internal import BlockDevices
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import Subprocess
internal import SystemPackage
internal import Volumes

/// When a file system is made, and when never.
///
/// | the device holds | the image says | what is done |
/// | --- | --- | --- |
/// | nothing at both ends | nothing, on an image of Nacre's without objects between them | it is made |
/// | nothing at both ends | nothing, on any other image | refused |
/// | nothing at both ends | `formatting` | it is made |
/// | nothing at both ends | `formatted` | refused: the data is lost, and a new file system would overwrite what is left |
/// | the remains of an interrupted mkfs, or a file system that was never mounted | `formatting` | it is made again, by force |
/// | a file system that was mounted | `formatting` | it is used, and the image says `formatted` |
/// | the file system that is wanted | nothing, or `formatted` | it is used, and the image says `formatted` |
/// | the remains of an interrupted mkfs, by its bytes alone | nothing, on an image of Nacre's | it is made again, by force |
/// | anything else | anything | refused |
///
/// Release 0.1.0 wrote no note; it kept the state in a file of the node, which is not read any more. A format in which
/// it was killed is recognised by its bytes, on any node: xfs by `FileSystemState.unfinished`, ext4 by `UnfinishedFormat`.
extension NodeVolumeService {
    /// Whether a file system is to be made, and by force.
    enum Making: Sendable, Hashable {
        case none
        case plain
        /// The content is proven to be the remains of a mkfs.
        case forced
    }

    func making(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ state: FormatState,
        mayBeLeft: Bool,
        _ mkfsOptions: String?
    ) async throws(VolumeError) -> Making {
        switch (content, state) {
        case (.blank, .none): return .plain
        case (.blank, .formatting): return .forced
        case (.blank, .formatted(let text)):
            throw VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)': its image says '\(text.printable)', but both its ends are zeros: "
                    + "what was there was wiped, at least in part; nothing was written; first try to get it back from the "
                    + "copies of its super block: nacre volume map --repair \(record.volumeID.shellWord), \(Self.rescue(text)) on the "
                    + "device which that prints, then nacre volume unmap; or restore a backup; or, to lose all that is on "
                    + "it and begin anew: \(record.wayToBeginAnew(device.sizeBytes, isNoted: true))"
            )
        case (_, .formatting(let begun, _)):
            return try await isLeftover(record, device, content, begun) ? .forced : .none
        case (_, .none):
            guard mayBeLeft else { return .none }
            return try await isUnfinished(record, device, content, mkfsOptions) ? .forced : .none
        default: return .none
        }
    }

    /// Why a device is not mounted that holds something else than the wanted file system, and what to do.
    ///
    /// What Nacre formatted and nobody knows any more is a damaged file system, so its repair comes first.
    static func otherContent(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ state: FormatState,
        marked mark: String?,
        hasSuperBlock: Bool = false
    ) -> VolumeError {
        let noted = (state.text ?? mark ?? "").parts(at: " ", omittingEmpty: true)
        let fileSystem = VolumeCapability.fileSystems.first { noted.containsExactly($0) } ?? record.usage.fileSystem
        let anew =
            "or, to lose all that is on it and begin anew: \(record.wayToBeginAnew(device.sizeBytes, isNoted: state != .none))"
        let made =
            switch state {
            case .formatted(let text), .formatting(_, let text): "its image says '\(text.printable)'"
            case .none: mark.map { "it was made for the file system \($0.printable)" }
            }
        // Those of ext4's kind are one without some feature.
        let kin = VolumeCapability.fileSystems + ["ext2", "ext3", "ext4dev"]
        if case .known(let format) = content, kin.contains(format) || made == nil {
            return VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)' as \(record.usage.fileSystem): its image holds \(content); nothing "
                    + "was written; \(wayToKeep(content, record)); \(anew)"
            )
        }
        guard let made else {
            return VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)' as \(fileSystem): its image holds \(content), and nothing "
                    + "says that Nacre made a file system on it; nothing was written; \(wayToKeep(content, record)); \(anew)"
            )
        }
        guard !hasSuperBlock else {
            return VolumeError(
                .failedPrecondition,
                "cannot mount volume '\(record.volumeID)': \(made), and it holds \(content): the super block of its \(fileSystem) "
                    + "is whole, but something else wrote its own mark to the image; nothing was written; find what that was, "
                    + "since it may have written more; then, to keep the file system, check it and remove that mark alone: "
                    + "nacre volume map --repair \(record.volumeID.shellWord), \(fileSystem == "xfs" ? "xfs_repair -n" : "e2fsck -f -n") and "
                    + "wipefs (which lists marks, and removes one by --offset) on the device which that prints, then nacre volume "
                    + "unmap; or restore a backup"
            )
        }
        return VolumeError(
            .failedPrecondition,
            "cannot mount volume '\(record.volumeID)': \(made), and it holds \(content): its \(fileSystem) is damaged at its "
                + "start, or was overwritten; nothing was written; first try to repair it by the copies of its super "
                + "block: nacre volume map --repair \(record.volumeID.shellWord), \(rescue(state.text ?? fileSystem)) on the device "
                + "which that prints, then nacre volume unmap; or restore a backup; \(anew)"
        )
    }

    /// What looks for the copies of a lost super block, by what the image says of its file system.
    private static func rescue(_ text: String) -> String {
        text.parts(at: " ").contains("xfs") ? "xfs_repair" : "e2fsck -f"
    }

    /// Whether the bytes prove that a mkfs did not complete and that its result cannot have been used.
    private func isUnfinished(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ mkfsOptions: String?
    ) async throws(VolumeError) -> Bool {
        let what = "look at the file system of volume '\(record.volumeID)'"
        if content == .known(format: "xfs") {
            return try await kernel(what) { () throws(KernelError) in
                try FileSystemState.state(of: device.path, "xfs") == .unfinished
            }
        }
        guard case .unknown = content, record.usage.fileSystem != "xfs", device.sizeBytes <= Self.largestModel else {
            return false
        }
        let arguments = try FileSystemOptions.mkfsArguments("ext4", given: mkfsOptions, kernel: "", features: "")
        let directory = records.directory
        let model = try await kernel(what) { () throws(KernelError) in
            try NamelessFile(in: directory, sizeBytes: device.sizeBytes)
        }
        let making = try await FileSystemProgram.run(
            "mkfs.ext4",
            ["-q", "-F"] + arguments + ["/proc/self/fd/0"],
            what,
            input: FileDescriptor(rawValue: model.descriptor.rawValue)
        )
        guard making.status == .exited(0) else { throw making.failure(what, "mkfs.ext4") }
        return try await kernel(what) { () throws(KernelError) in
            try UnfinishedFormat.isPart(device.path, of: model.path)
        }
    }

    /// What a file system of that size leaves in a sparse file of the node's is a hundred MiB.
    private static var largestModel: UInt64 { 4 << 40 }

    /// Whether the content is the unused result of an interrupted or completed mkfs of that file system.
    private func isLeftover(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ content: DeviceContent,
        _ begun: String
    ) async throws(VolumeError) -> Bool {
        let found = try await kernel("look at the file system of volume '\(record.volumeID)'") {
            () throws(KernelError) in
            try FileSystemState.state(of: device.path, begun)
        }
        switch (content, found) {
        case (.known(let format), .untouched), (.known(let format), .unfinished): return format == begun
        // mkfs writes the super block last; before that the content has no recognisable format.
        case (.unknown, .absent): return true
        default: return false
        }
    }

    /// Records the state on the image, unless another node has taken the image meanwhile.
    func note(_ next: FormatState, after present: FormatState, _ mapped: MapRequest) async throws(VolumeError) {
        let mapper = mapper
        try await mapping { (_) throws(MappingError) in try mapper.apply(present.change(to: next), mapped) }
    }
}
