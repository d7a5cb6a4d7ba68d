internal import BlockDevices
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import Volumes

/// What an image may hold that is not mounted, and what a person does about it.
extension NodeVolumeService {
    /// Refuses to mount an image that lacks the end of its file system, before a kernel or a checker sees it.
    ///
    /// - Parameters:
    ///   - record: The volume.
    ///   - device: Its device.
    ///   - head: Its first bytes.
    ///   - notes: Nacre's metadata of the image.
    /// - Throws: `VolumeError` with `.failedPrecondition` that tells both sizes and the growth that helps.
    func refuseIfCut(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ head: DeviceHead,
        _ notes: [String: String]
    ) async throws(VolumeError) {
        guard let (cut, isProven) = try await cut(record, device, head) else { return }
        let id = try VolumeID(parsing: record.volumeID)
        throw VolumeError(
            .failedPrecondition,
            "cannot mount volume '\(record.volumeID)': its image "
                + "\(isProven ? cut.words(id, notes) : cut.doubtfulWords(id)); nothing was written"
        )
    }

    /// Refuses to let a checker at an image that lacks the end of its file system.
    ///
    /// Where nothing proves the size, the super block may be what has to be repaired: then it only warns.
    ///
    /// - Parameters:
    ///   - record: The volume.
    ///   - device: Its device.
    ///   - mapped: How it was mapped.
    /// - Throws: `VolumeError` with `.failedPrecondition` that tells both sizes and the growth that helps.
    func refuseRepairIfCut(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ mapped: MapRequest
    ) async throws(VolumeError) {
        guard let (cut, isProven) = try await cut(record, device, head(of: device, record)) else { return }
        let id = try VolumeID(parsing: record.volumeID)
        guard isProven else {
            logger.warning(
                "an image is smaller than its file system, or its super block is damaged; nothing proves which",
                metadata: ["volume": "\(id)", "found": "its image \(cut.doubtfulWords(id))"]
            )
            return
        }
        let words = cut.words(id, try await notes(mapped))
        throw VolumeError(
            .failedPrecondition,
            "cannot map volume '\(record.volumeID)' to repair it: its image \(words); nothing was written"
        )
    }

    /// The first bytes of a volume's device, for all looks until something writes there.
    func head(of device: MappedDevice, _ record: VolumeRecord) async throws(VolumeError) -> DeviceHead {
        try await kernel("read the super block of volume '\(record.volumeID)'") { () throws(KernelError) in
            try DeviceHead(of: device.path)
        }
    }

    private func cut(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ head: DeviceHead
    ) async throws(VolumeError) -> (CutImage, isProven: Bool)? {
        guard let found = GrowthLimit(head.source),
            let cut = CutImage(imageBytes: device.sizeBytes, fileSystemBytes: found.presentBytes)
        else { return nil }
        return try await kernel("read the super block of volume '\(record.volumeID)'") { () throws(KernelError) in
            (cut, try GrowthLimit.isSizeProven(on: device.path))
        }
    }

    /// How what an image holds is kept and used: the part of a refusal that comes first.
    static func wayToKeep(_ content: DeviceContent, _ record: VolumeRecord) -> String {
        let map = "nacre volume map --repair \(record.volumeID.shellWord)"
        let (there, end) = ("on the device which that prints", "then nacre volume unmap")
        guard case .known(let format) = content else { return "to look at it: \(map), \(end)" }
        switch format {
        case _ where VolumeCapability.fileSystems.contains(format): return "stage it as what it is, \(format)"
        // The kernel's ext4 mounts both; with this it is one.
        case "ext2", "ext3":
            let journal = format == "ext2" ? "has_journal,extent" : "extent"
            return "to keep all that is on it, make it an ext4: \(map), tune2fs -O \(journal) \(there), \(end)"
        case "ext4dev":
            return "to keep all that is on it, make it an ext4: \(map), tune2fs -E ^test_fs \(there), \(end)"
        case "jbd":
            return
                "that is the journal of an ext4 elsewhere, which cannot be mounted without it: keep it until that file "
                + "system has another (dumpe2fs -h shows whose it is: \(map), \(end))"
        default:
            return
                "to keep what is on it, copy it to another volume: \(map), open or mount \(there) by what made it, \(end)"
        }
    }
}

extension VolumeRecord {
    /// The commands that empty an image and give it its size again.
    ///
    /// - Parameters:
    ///   - sizeBytes: What it has now; whole MiB, rounded up, are what it gets.
    ///   - isNoted: Whether a note of the format stands on it, which speaks of what is lost then.
    /// - Returns: One line for a shell.
    func wayToBeginAnew(_ sizeBytes: UInt64, isNoted: Bool) -> String {
        let image = imageSpec.shellWord
        return "rbd resize --allow-shrink --size 0 \(image) && rbd resize --size "
            + "\(CapacityRange.mebibytes(holding: sizeBytes))M \(image)"
            + (isNoted ? " && rbd image-meta remove \(image) \(ImageMetadataKey.format)" : "")
    }
}
