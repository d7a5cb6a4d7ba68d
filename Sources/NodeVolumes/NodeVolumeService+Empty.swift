internal import BlockDevices
internal import ExactText
internal import ImageMapping
internal import NodeMapping
internal import Volumes

extension NodeVolumeService {
    /// Refuses to make a file system by options that stand on the image and cannot be read.
    ///
    /// - Parameters:
    ///   - record: The volume.
    ///   - notes: Nacre's metadata of its image.
    ///   - isAsked: Whether the request says the options.
    /// - Throws: `VolumeError` with `.failedPrecondition`.
    func refuseUnreadable(
        _ record: VolumeRecord,
        _ notes: [String: String],
        isAsked: Bool
    ) throws(VolumeError) {
        guard !isAsked, let reason = NodeParameters.fault(in: notes) else { return }
        let (image, key) = (record.imageSpec.shellWord, ImageMetadataKey.nodeParameters)
        throw VolumeError(
            .failedPrecondition,
            "cannot make a file system on volume '\(record.volumeID)': \(reason), so nobody knows with which mkfsOptions; "
                + "correct it: rbd image-meta set \(image) \(key) '{\"mkfsOptions\":\"...\"}'; or, to make it without: rbd "
                + "image-meta remove \(image) \(key)"
        )
    }

    /// Refuses to make a file system on an image that seems blank, unless it is Nacre's and nothing lies between its ends.
    ///
    /// Both ends are known to be zeros. Objects between them are somebody's, such as those of a virtual machine's disk.
    /// They are looked for where that takes seconds; an image that Nacre made is blank by its ends where it takes longer.
    func refuseUnlessEmpty(
        _ record: VolumeRecord,
        _ device: MappedDevice,
        _ mapped: MapRequest,
        _ origin: ImageOrigin,
        _ notes: [String: String]
    ) async throws(VolumeError) {
        let byHand =
            "make the file system by hand: nacre volume map --repair \(record.volumeID.shellWord), mkfs on the device which that "
            + "prints, then nacre volume unmap"
        let refusal = "cannot make a file system on volume '\(record.volumeID)': "
        guard origin.isOurs else {
            let whose = origin == .foreign ? "that another program made" : "that is not a volume's"
            throw VolumeError(
                .failedPrecondition,
                refusal + "it is an image of \(device.sizeBytes.inBinaryUnits) \(whose), for it "
                    + "\(VolumeError.lack(notes)); nothing was written; if it really is blank and what you mean, "
                    + "\(byHand); or \(VolumeError.adoption(record.imageSpec))"
            )
        }
        let edge = ContentProbe.edgeBytes
        guard device.sizeBytes > 2 * edge else { return }
        let mapper = mapper
        let middle = edge..<device.sizeBytes - edge
        let holdsObjects = try await mapping { (_) throws(MappingError) in try mapper.holdsObjects(mapped, in: middle) }
        switch holdsObjects {
        case false?: return
        // What a clone reads may be its source's.
        case nil where origin == .made && notes[ImageMetadataKey.source] == nil: return
        case nil:
            throw VolumeError(
                .failedPrecondition,
                refusal + "its image has no valid object map, so nobody can tell soon whether it is empty; nothing was "
                    + "written; if it is, \(byHand)"
            )
        case true?:
            throw VolumeError(
                .failedPrecondition,
                refusal + "both ends of its image are zeros, but something was written between them, see rbd diff "
                    + "--whole-object \(record.imageSpec.shellWord); nothing was written now; to look at it: nacre volume map "
                    + "--repair \(record.volumeID.shellWord); or, to lose all that is on it and begin anew: "
                    + record.wayToBeginAnew(device.sizeBytes, isNoted: false)
            )
        }
    }
}
