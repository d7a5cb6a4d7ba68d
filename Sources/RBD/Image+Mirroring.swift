internal import CRBD

extension Image {
    /// Whether it is a copy of rbd-mirror: the primary image is in another cluster, or nowhere after a demotion.
    ///
    /// An image that is mirrored by snapshots says so by a feature, `ImageFeatures.nonPrimary`. One that is mirrored by
    /// its journal does not: the owner of the journal's last tag tells it, which this asks librbd for.
    ///
    /// Implements `rbd_mirror_image_get_info`.
    public func isCopyOfMirror() throws(RBDError) -> Bool {
        var info = rbd_mirror_image_info_t()
        let result = withRawImage { rbd_mirror_image_get_info($0, &info, MemoryLayout.size(ofValue: info)) }
        try check(result, "rbd_mirror_image_get_info", spec)
        defer { rbd_mirror_image_get_info_cleanup(&info) }
        // An image that is not mirrored is no primary one either.
        return info.state != RBD_MIRROR_IMAGE_DISABLED && !info.primary
    }
}
