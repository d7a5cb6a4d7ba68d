internal import ExactText

/// An image that is smaller than the file system on it: it was shrunk, or it is a copy that was cut short.
///
/// No kernel mounts such a file system. A checker takes it for a damaged one, and moves or drops what lay behind the end.
package struct CutImage: Sendable, Hashable {
    private let imageBytes: UInt64
    private let fileSystemBytes: UInt64

    /// `nil` for an image that has room for its file system; both sizes are in bytes.
    package init?(imageBytes: UInt64, fileSystemBytes: UInt64) {
        guard imageBytes < fileSystemBytes else { return nil }
        (self.imageBytes, self.fileSystemBytes) = (imageBytes, fileSystemBytes)
    }

    /// What is wrong and what to do, after the words `its image` or `the image`.
    ///
    /// - Parameters:
    ///   - id: The volume.
    ///   - notes: Nacre's metadata of the image; a foreign one, or a copy, is grown by Ceph's own tool.
    /// - Returns: Both sizes, and the commands.
    package func words(_ id: VolumeID, _ notes: [String: String]) -> String {
        let needed = CapacityRange.mebibytes(holding: fileSystemBytes)
        let growth =
            ImageOrigin(notes, of: id).isOurs
            ? "nacre volume expand \(id.description.shellWord) --size \(needed)MiB"
            : "rbd resize --size \(needed)M \(id.imageSpec.shellWord)"
        return
            "has \(imageBytes.inBinaryUnits), but the file system on it has \(fileSystemBytes.inBinaryUnits): the image was "
            + "shrunk, or is a copy that was cut short; let no checker at it before it has that size again: \(growth); what "
            + "lay behind its end reads as zeros then, so check what is left (nacre volume map --repair "
            + "\(id.description.shellWord), e2fsck -f or xfs_repair on the device which that prints), or restore a backup"
    }
}
