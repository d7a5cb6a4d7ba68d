internal import BlockDevices
internal import ImageMapping
internal import NodeMapping
internal import Volumes

extension NodeVolumeService {
    /// Throws for a volume that a backup is being restored into: what is on it is not whole yet.
    static func refuseHalfRestored(_ record: VolumeRecord, _ notes: [String: String]) throws(VolumeError) {
        guard notes[ImageMetadataKey.restoring] != nil else { return }
        throw VolumeError(
            .aborted,
            "cannot use volume '\(record.volumeID)': a backup is being restored into it; wait for the end of nacre backup "
                + "restore, or repeat that command if it was interrupted"
        )
    }

    /// Nacre's keys of the image's metadata, by one read.
    func notes(_ mapped: MapRequest) async throws(VolumeError) -> [String: String] {
        let mapper = mapper
        return try await mapping { (_) throws(MappingError) in try mapper.metadata(mapped) }
    }

    /// Refuses to use a volume that was made for a file system, or is half restored, as a raw device.
    func refuseFileSystem(_ record: VolumeRecord, _ mapped: MapRequest) async throws(VolumeError) {
        let notes = try await notes(mapped)
        try Self.refuseHalfRestored(record, notes)
        guard let mark = notes[ImageMetadataKey.fileSystem], mark != VolumeCapability.blockMark else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot stage volume '\(record.volumeID)' as a raw block device: it was made for the file system "
                + "\(mark.printable); mount it as \(mark.printable), or, to check or repair that: nacre volume map --repair"
        )
    }

    /// The file system to use: the requested one, or else the existing one, the one recorded on the image, or ext4.
    ///
    /// - Parameters:
    ///   - record: The request; an empty name leaves the file system open.
    ///   - mark: What the image remembers.
    ///   - content: What the device holds.
    /// - Returns: Its name.
    /// - Throws: `VolumeError` with `.failedPrecondition` for a raw block volume, and for another file system than the
    ///   recorded one, unless it exists.
    func fileSystem(
        of record: VolumeRecord,
        marked mark: String?,
        holding content: DeviceContent
    ) throws(VolumeError) -> String {
        let wanted = record.usage.fileSystem
        guard mark != VolumeCapability.blockMark else {
            throw VolumeError(
                .failedPrecondition,
                "cannot stage volume '\(record.volumeID)' as \(wanted.isEmpty ? "a file system" : wanted): it was made as "
                    + "a raw block volume, which is never formatted; stage it as block, or make another volume"
            )
        }
        let known = VolumeCapability.fileSystems
        if wanted.isEmpty {
            if case .known(let format) = content, known.contains(format) { return format }
            guard let mark else { return MountAccess().fileSystem }
            guard known.contains(mark) else {
                throw VolumeError(
                    .failedPrecondition,
                    "cannot stage volume '\(record.volumeID)': it was made for the file system \(mark.printable), which "
                        + "this version does not know; use \(known.joined(separator: " or "))"
                )
            }
            return mark
        }
        guard let mark, mark != wanted, content != .known(format: wanted) else { return wanted }
        throw VolumeError(
            .failedPrecondition,
            "cannot stage volume '\(record.volumeID)' as \(wanted): it was made for the file system \(mark.printable); "
                + "stage it as \(mark.printable), or name none"
        )
    }
}
