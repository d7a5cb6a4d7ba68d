/// How large an image can be.
public enum ImageLimit {
    /// The most objects that an object map has room for.
    ///
    /// See: Ceph, src/cls/rbd/cls_rbd_types.h, `MAX_OBJECT_MAP_OBJECT_COUNT`.
    public static let mostMappedObjects: UInt64 = 256_000_000

    /// The largest size in whole MiB.
    ///
    /// - Parameters:
    ///   - hasObjectMap: Whether it has the feature object-map.
    ///   - objectSizeBytes: The size of its objects.
    ///   - stripeCount: Objects that a stripe spreads over; librbd counts the objects of whole stripes.
    /// - Returns: Bytes; `CapacityRange.largestBytes` at most.
    public static func largestBytes(
        hasObjectMap: Bool,
        objectSizeBytes: UInt64,
        stripeCount: UInt64
    ) -> UInt64 {
        guard hasObjectMap, objectSizeBytes < CapacityRange.largestBytes / mostMappedObjects else {
            return CapacityRange.largestBytes
        }
        let unit = CapacityRange.granularityBytes
        let count = max(stripeCount, 1)
        return mostMappedObjects / count * count * objectSizeBytes / unit * unit
    }
}

extension ImageLayout {
    /// The largest image of this layout; one that names no features gets Ceph's default features, which include an
    /// object map.
    var largestBytes: UInt64 {
        ImageLimit.largestBytes(
            hasObjectMap: features.map { $0.contains("object-map") } ?? true,
            objectSizeBytes: objectSizeBytes ?? Self.usualObjectSizeBytes,
            stripeCount: stripeCount ?? 1
        )
    }
}
