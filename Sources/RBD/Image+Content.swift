internal import CRBD
internal import Glibc
internal import SystemPackage

extension Image {
    /// So many objects are asked one after the other, ten at a time, in some seconds.
    private static var askedAtMost: UInt64 { 32768 }

    /// Whether any object that holds a part of a range exists, if that can be told in seconds.
    ///
    /// Implements `rbd_diff_iterate2` from the beginning, with whole objects, which ends at the first one. Similar to: rbd
    /// diff --whole-object. A valid object map answers for an image of any size; without one each object is asked for.
    ///
    /// - Parameter range: Offsets in bytes.
    /// - Returns: Whether one exists; `nil` if there is no valid object map and there are too many objects to ask for.
    /// - Throws: `RBDError` with the code of the call that failed.
    public func holdsObjects(in range: Range<UInt64>) throws(RBDError) -> Bool? {
        try withRawImage { (image) throws(RBDError) in try holdsObjects(in: range, image) }
    }

    private func holdsObjects(in range: Range<UInt64>, _ rawImage: rbd_image_t) throws(RBDError) -> Bool? {
        var info = rbd_image_info_t()
        try check(rbd_stat(rawImage, &info, MemoryLayout<rbd_image_info_t>.size), "rbd_stat", spec)
        guard try hasFastDiff(rawImage) || info.num_objs <= Self.askedAtMost else { return nil }
        let found = CInt(ECANCELED)
        let result = rbd_diff_iterate2(
            rawImage,
            nil,
            range.lowerBound,
            UInt64(range.count),
            1,
            1,
            { _, _, exists, _ in exists == 0 ? 0 : -ECANCELED },
            nil
        )
        if result == -found { return true }
        try check(result, "rbd_diff_iterate2", spec)
        return false
    }

    private func hasFastDiff(_ rawImage: rbd_image_t) throws(RBDError) -> Bool {
        var features: UInt64 = 0, flags: UInt64 = 0
        try check(rbd_get_features(rawImage, &features), "rbd_get_features", spec)
        try check(rbd_get_flags(rawImage, &flags), "rbd_get_flags", spec)
        let invalid = UInt64(RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID)
        return ImageFeatures(rawValue: features).contains(.fastDiff) && flags & invalid == 0
    }
}
