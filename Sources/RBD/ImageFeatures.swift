internal import CRBD

/// What an image can do; the names and bits are Ceph's.
public struct ImageFeatures: OptionSet, Sendable, Hashable {
    /// The bits as they stand in the image's header.
    public let rawValue: UInt64

    /// Takes the bits of a header.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Snapshots can be cloned.
    public static let layering = ImageFeatures(rawValue: UInt64(RBD_FEATURE_LAYERING))
    /// Data is striped over objects otherwise than one after the other.
    public static let striping = ImageFeatures(rawValue: UInt64(RBD_FEATURE_STRIPINGV2))
    /// One writer at a time.
    public static let exclusiveLock = ImageFeatures(rawValue: UInt64(RBD_FEATURE_EXCLUSIVE_LOCK))
    /// The client knows which objects exist without asking the OSDs; needs `exclusiveLock`.
    public static let objectMap = ImageFeatures(rawValue: UInt64(RBD_FEATURE_OBJECT_MAP))
    /// Fast differences between snapshots; needs `objectMap`.
    public static let fastDiff = ImageFeatures(rawValue: UInt64(RBD_FEATURE_FAST_DIFF))
    /// Flattening also lets go of snapshots' parents.
    public static let deepFlatten = ImageFeatures(rawValue: UInt64(RBD_FEATURE_DEEP_FLATTEN))
    /// Writes go to a journal first; needs `exclusiveLock`.
    public static let journaling = ImageFeatures(rawValue: UInt64(RBD_FEATURE_JOURNALING))
    /// Data lies in another pool than the header.
    public static let dataPool = ImageFeatures(rawValue: UInt64(RBD_FEATURE_DATA_POOL))
    /// The image uses operations that older clients do not know, such as snapshots in groups.
    public static let operations = ImageFeatures(rawValue: UInt64(RBD_FEATURE_OPERATIONS))
    /// It is on its way to another pool or layout.
    public static let migrating = ImageFeatures(rawValue: UInt64(RBD_FEATURE_MIGRATING))
    /// A copy that rbd-mirror keeps.
    public static let nonPrimary = ImageFeatures(rawValue: UInt64(RBD_FEATURE_NON_PRIMARY))
    /// A client's persistent cache holds writes that the cluster does not have yet.
    public static let dirtyCache = ImageFeatures(rawValue: UInt64(RBD_FEATURE_DIRTY_CACHE))
    /// All that librbd knows as of release 16.
    public static let known: ImageFeatures = [
        .layering, .striping, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten, .journaling, .dataPool, .operations,
        .migrating, .nonPrimary, .dirtyCache,
    ]

    /// Every feature with its name, as `rbd info` prints it.
    public static let named: [(feature: ImageFeatures, name: String)] = [
        (.layering, "layering"), (.striping, "striping"), (.exclusiveLock, "exclusive-lock"),
        (.objectMap, "object-map"), (.fastDiff, "fast-diff"), (.deepFlatten, "deep-flatten"),
        (.journaling, "journaling"), (.dataPool, "data-pool"),
    ]

    /// The names of what is set, in Ceph's order.
    public var names: [String] {
        Self.named.filter { contains($0.feature) }.map(\.name)
    }
}
