internal import ExactText
public import Secrets

/// Where images are stored: what `VolumeService` needs of a Ceph cluster.
///
/// Implemented on RBD by `CephVolumes` and in memory by the tests; one behaviour suite runs on both. Every call may
/// find an incomplete image that a killed process left; every call may be repeated.
public protocol ImageStore: SnapshotStore {
    /// The RADOS namespace that the configuration gives a cluster; empty for the default one.
    ///
    /// Throws `.invalidArgument` for a cluster that the configuration does not name.
    func namespace(ofCluster clusterID: String) throws(VolumeError) -> String

    /// What there is under a name.
    func image(_ id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> ImageState

    /// An image's size and the pool of its data, or `nil` if there is no image or it is incomplete; cheaper than `image`.
    func extent(of id: VolumeID, credentials: Credentials) async throws(VolumeError) -> ImageExtent?

    /// Whether nothing is listed under a name, and `createImage` makes an image there in the store's short way, whose first
    /// write takes the name only if it is free; a look that is cheaper than `image`.
    func isVacant(_ id: VolumeID, credentials: Credentials) async throws(VolumeError) -> Bool

    /// Creates an image with its metadata; throws `.alreadyExists` if there is one, or a part of one that `image` does
    /// not find. It looks at the place itself unless `isVacant` has just said that it is vacant.
    func createImage(
        _ id: VolumeID,
        sizeBytes: UInt64,
        layout: ImageLayout,
        metadata: [String: String],
        isVacant: Bool,
        credentials: Credentials
    ) async throws(VolumeError)

    /// Completes or removes a half-made image: removes one that was never usable, completes one that may hold data.
    func mendImage(_ id: VolumeID, credentials: Credentials) async throws(VolumeError)

    /// An image's metadata, at most 64 keys of it, by one read of its header, or `nil` if there is no such image.
    func metadata(of id: VolumeID, credentials: Credentials?) async throws(VolumeError) -> [String: String]?

    /// What has the name of an image that is not there, for a person; nothing when nothing has.
    func namesake(of id: VolumeID, credentials: Credentials?) async -> String?

    /// Adds metadata to an image; throws `.notFound` when the image is gone, `.failedPrecondition` when it is not
    /// Nacre's.
    func setMetadata(
        _ metadata: [String: String],
        of id: VolumeID,
        credentials: Credentials
    ) async throws(VolumeError)

    /// Grows an image and returns its size; never shrinks one.
    ///
    /// Throws `.notFound` if it does not exist, `.failedPrecondition` if it is not Nacre's, and `.outOfRange` with the
    /// largest possible size if its features or its file system do not allow the size; `blank`'s error if there is one
    /// and the image holds no file system. The image is then unchanged.
    func growImage(
        _ id: VolumeID,
        toBytes sizeBytes: UInt64,
        ifBlank blank: BlankLimit?,
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64

    /// Moves an image to the trash, in constant time; succeeds if it does not exist.
    ///
    /// Throws `.failedPrecondition` that names who has it open, or what holds it, such as its snapshots, or says that
    /// it is not Nacre's. The image is then unchanged.
    ///
    /// An image that is kept in the trash for a while gets `notes` as metadata.
    ///
    /// An image with snapshots of Nacre's is not moved, but renamed, and kept for as long as it has any, or clones.
    func trashImage(
        _ id: VolumeID,
        noting notes: [String: String],
        credentials: Credentials
    ) async throws(VolumeError)

    /// Up to `limit` images, in a fixed order, after the one named by `cursor`; one that lacks its header has no bytes.
    ///
    /// A cluster that cannot be listed is passed over, so that the others are. It is named in the page, and thrown once
    /// there is nothing else: a list never ends well that lacks a cluster.
    func images(after cursor: ImageCursor?, limit: Int) async throws(VolumeError) -> ImagePage

    /// The free capacity for volumes in bytes, after replication; of the pool with most space if none is named, in the
    /// clusters that answer; read as that user, or as the service's own user.
    func availableBytes(in pool: PoolAddress?, as credentials: Credentials?) async throws(VolumeError) -> UInt64

    /// What is known of an image beyond its size; throws `.notFound` when it is gone.
    func facts(of id: VolumeID) async throws(VolumeError) -> VolumeFacts

    /// A pool's capacity in bytes, after replication: used and free, and not more than its quota.
    func poolBytes(_ pool: PoolAddress, as credentials: Credentials?) async throws(VolumeError) -> UInt64

    /// Why a pool takes no more data, in words; `nil` if it does, or if that is not known. Answers within seconds.
    func lackOfRoom(in pool: PoolAddress, as credentials: Credentials?) async -> String?

    /// An image's condition in words; throws `.notFound` when it is gone.
    func condition(of id: VolumeID) async throws(VolumeError) -> VolumeCondition

    /// Why calls on an image are not answered, in words; `nil` if no reason is known. Answers within seconds.
    func standstill(of id: VolumeID, as credentials: Credentials?) async -> String?

    /// Which clusters' monitors do not answer, in words; `nil` if all do, or that is not known. Answers within seconds.
    func clustersSilence() async -> String?
}

extension ImageStore {
    /// Nothing is known.
    public func standstill(of id: VolumeID, as credentials: Credentials?) async -> String? { nil }

    /// There is room.
    public func lackOfRoom(in pool: PoolAddress, as credentials: Credentials?) async -> String? { nil }

    /// All answer.
    public func clustersSilence() async -> String? { nil }

    /// Nothing has the name of an image that is not there.
    public func namesake(of id: VolumeID, credentials: Credentials?) async -> String? { nil }
}

/// Why an image on which no file system was made yet cannot grow to a size.
public struct BlankLimit: Sendable {
    /// The largest size in bytes.
    public let largestBytes: UInt64
    /// What to say.
    public let refusal: VolumeError

    /// Describes a limit.
    public init(largestBytes: UInt64, refusal: VolumeError) {
        self.largestBytes = largestBytes
        self.refusal = refusal
    }
}

/// What there is under an image's name.
public enum ImageState: Sendable, Hashable {
    /// Nothing.
    case absent
    /// An image that a killed process left incomplete; the text says what is missing.
    case halfMade(String)
    /// A part of it is gone beside its data, so that nothing mends it by itself; a clause says which, and what to do.
    case damaged(String)
    /// An image.
    case present(ImageRecord)
}

/// An image as its header describes it.
public struct ImageRecord: Sendable, Hashable {
    /// Its size in bytes.
    public var sizeBytes: UInt64
    /// Its features by Ceph's names.
    public var features: [String]
    /// The size of its objects in bytes.
    public var objectSizeBytes: UInt64
    /// Bytes of a stripe in one object.
    public var stripeUnitBytes: UInt64
    /// Objects that a stripe spreads over.
    public var stripeCount: UInt64
    /// The pool of its data, when that is another.
    public var dataPool: String?

    /// Describes an image.
    public init(
        sizeBytes: UInt64,
        features: [String],
        objectSizeBytes: UInt64,
        stripeUnitBytes: UInt64,
        stripeCount: UInt64,
        dataPool: String?
    ) {
        self.sizeBytes = sizeBytes
        self.features = features
        self.objectSizeBytes = objectSizeBytes
        self.stripeUnitBytes = stripeUnitBytes
        self.stripeCount = stripeCount
        self.dataPool = dataPool
    }

    /// How the image differs from what a class asks for, or `nil`.
    func difference(from layout: ImageLayout) -> String? {
        if let wanted = layout.features {
            // Ceph adds these two by itself for stripes and for a data pool.
            let ours = Set(features).subtracting(["striping", "data-pool"])
            // And this one to an object map.
            let theirs = Set(wanted).union(wanted.contains("object-map") ? ["fast-diff"] : [])
            guard ours == theirs else {
                return "it has the features \(features.joined(separator: ",")), not \(wanted.joined(separator: ","))"
            }
        }
        if let wanted = layout.objectSizeBytes, wanted != objectSizeBytes {
            return "its objects have \(objectSizeBytes) bytes, not \(wanted)"
        }
        if let unit = layout.stripeUnitBytes, let count = layout.stripeCount,
            unit != stripeUnitBytes || count != stripeCount
        {
            return "its stripes are \(stripeUnitBytes) bytes on \(stripeCount) objects, not \(unit) on \(count)"
        }
        guard layout.dataPool.map(ExactText.init) == dataPool.map(ExactText.init) else {
            return "its data pool is \(dataPool ?? "its own"), not \(layout.dataPool ?? "its own")"
        }
        return nil
    }
}

/// A pool of a cluster.
public struct PoolAddress: Sendable, Hashable {
    /// The cluster's key in config.json.
    public var clusterID: String
    /// The pool's name.
    public var pool: String

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool {
        one.clusterID.isExactly(other.clusterID) && one.pool.isExactly(other.pool)
    }

    /// Feeds the names' bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ExactText(clusterID))
        hasher.combine(ExactText(pool))
    }

    /// Names a pool.
    public init(clusterID: String, pool: String) {
        self.clusterID = clusterID
        self.pool = pool
    }
}

/// Where a list of images goes on.
public struct ImageCursor: Sendable, Hashable {
    /// The last image's cluster.
    public var clusterID: String
    /// The last image's pool.
    public var pool: String
    /// The last image's name.
    public var image: String
    /// Clusters that were passed over, by their keys.
    public var missing: [String]

    /// Names the last image of a page.
    public init(clusterID: String, pool: String, image: String, missing: [String] = []) {
        self.clusterID = clusterID
        self.pool = pool
        self.image = image
        self.missing = missing
    }
}

/// A part of a list.
public struct ImagePage: Sendable, Hashable {
    /// The images.
    public var images: [ListedImage]
    /// Clusters that could not be listed, on this page or on those before, by their keys.
    public var missing: [String]

    /// Makes a page.
    public init(_ images: [ListedImage], missing: [String] = []) {
        self.images = images
        self.missing = missing
    }
}

/// An image in a list.
public struct ListedImage: Sendable, Hashable {
    /// Its handle.
    public var id: VolumeID
    /// Its size in bytes; 0 for an image without a header, which was never finished or is damaged.
    public var sizeBytes: UInt64
    /// What else is known of it.
    public var facts: VolumeFacts

    /// Describes a listed image.
    public init(id: VolumeID, sizeBytes: UInt64, facts: VolumeFacts = VolumeFacts()) {
        self.id = id
        self.sizeBytes = sizeBytes
        self.facts = facts
    }
}
