/// The layout of an image that needs only its own objects.
package struct PlainLayout: Sendable, Hashable {
    let sizeBytes: UInt64
    /// The power of two of an object's size.
    let order: UInt8
    let features: ImageFeatures

    var objectCount: UInt64 {
        let (whole, rest) = sizeBytes.quotientAndRemainder(dividingBy: 1 << UInt64(order))
        return whole + (rest == 0 ? 0 : 1)
    }

    /// Nothing for what librbd must make or refuse.
    ///
    /// - Parameters:
    ///   - sizeBytes: The image's size.
    ///   - options: What is wanted.
    ///   - defaults: The values of `rbd_default_…`.
    package init?(sizeBytes: UInt64, options: ImageOptions, defaults: (String) -> String?) {
        let usualOrder = defaults("rbd_default_order").flatMap { UInt8($0) }
        let usualFeatures = defaults("rbd_default_features").flatMap { UInt64($0) }.map(ImageFeatures.init(rawValue:))
        guard let order = options.objectSizeBytes.map({ UInt8($0.trailingZeroBitCount) }) ?? usualOrder,
            let features = options.features ?? usualFeatures
        else { return nil }
        self.sizeBytes = sizeBytes
        self.order = order
        // As in librbd: neither option is valid without the other.
        self.features = features.contains(.objectMap) ? features.union(.fastDiff) : features
        guard (12...25).contains(order), options.objectSizeBytes ?? 1 << UInt64(order) == 1 << UInt64(order),
            features.isSubset(of: .plainNew), features.isConsistent,
            !features.contains(.objectMap) || objectCount <= Self.mostMappedObjects,
            (options.dataPool ?? defaults("rbd_default_data_pool") ?? "").isEmpty
        else { return nil }
        let unit = options.stripeUnitBytes ?? defaults("rbd_default_stripe_unit").flatMap { UInt64($0) } ?? 0
        let count = options.stripeCount ?? defaults("rbd_default_stripe_count").flatMap { UInt64($0) } ?? 0
        guard unit == 0 && count == 0 || unit == 1 << UInt64(order) && count == 1 else { return nil }
    }

    /// See: cls_rbd_types.h, `MAX_OBJECT_MAP_OBJECT_COUNT`.
    private static let mostMappedObjects: UInt64 = 256_000_000
}

extension ImageFeatures {
    /// Features that need only a bit in the header, or an object map.
    fileprivate static let plainNew: ImageFeatures = [.layering, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten]

    /// Whether each has what it needs.
    fileprivate var isConsistent: Bool {
        (!contains(.objectMap) || contains(.exclusiveLock)) && (!contains(.fastDiff) || contains(.objectMap))
    }
}
