internal import ImageMapping
internal import NodeMapping
internal import Volumes

extension NodeVolumeService {
    /// Refuses to go on with a volume whose image was renamed or replaced since this node mapped it.
    ///
    /// Without it a pod would have the image that had the name before, while the cluster shows the present one as not in
    /// use: it could be written by another node, or deleted.
    ///
    /// - Parameters:
    ///   - what: What cannot be done: `publish volume 'x'`.
    ///   - id: The volume.
    /// - Throws: `VolumeError` with `.failedPrecondition` that names both images, `.unavailable` when the cluster does not
    ///   answer.
    func refuseAnother(_ what: String, _ id: VolumeID) async throws(VolumeError) {
        let (address, mapper, asker) = (address(of: id), mapper, asker(of: id))
        try await mapping { (_) throws(MappingError) in
            let found: ImageWhereabouts?
            do throws(MappingError) {
                found = try mapper.whereabouts(of: address, asker)
            } catch {
                // Its I/O fails already, and what stages it again replaces the device.
                guard error.isBlocklisted else { throw error }
                return
            }
            try found?.refuseChange(what, of: address)
        }
    }
}
