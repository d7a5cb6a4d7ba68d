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

    /// The same where nothing proves the file system's size, so that its super block may be what is wrong.
    ///
    /// - Parameter id: The volume.
    /// - Returns: Both sizes, and the repair; no growth to a size that may be nonsense.
    package func doubtfulWords(_ id: VolumeID) -> String {
        "has \(imageBytes.inBinaryUnits), and the super block on it speaks of \(fileSystemBytes.inBinaryUnits), which neither a "
            + "checksum nor a second super block proves: its super block is damaged, or the image was shrunk; repair it by "
            + "another super block (nacre volume map --repair \(id.description.shellWord), e2fsck -b or xfs_repair on the device "
            + "which that prints); only if you know that the image was shrunk, give it its former size before that, or "
            + "restore a backup"
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
