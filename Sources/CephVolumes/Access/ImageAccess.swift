public import RADOS
public import RBD
public import Secrets
public import Volumes

/// An image that is worked on as a whole, as by a backup: its pool is open, and calls that block run on the cluster's
/// threads.
public struct ImageAccess: Sendable {
    private let place: Place

    init(_ place: Place) {
        self.place = place
    }

    /// The volume.
    public var id: VolumeID { place.id }

    /// Runs calls that block; `doing` is such as `read image`, for `cannot read image 'pool/image'`.
    public func blocking<R: Sendable>(
        _ doing: String,
        _ body: @escaping @Sendable (IOContext) throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        try await place.blocking(doing, body)
    }

    /// Throws unless the image is Nacre's; `doing` is such as `back up image`.
    public func requireOurs(_ doing: String, _ imageID: String, _ marks: [String: String]) async throws(VolumeError) {
        try await place.requireOurs(doing, imageID, marks)
    }

    /// Takes a snapshot of the image; succeeds if there is one of that name.
    public func takeSnapshot(_ name: String, ofImageID imageID: String) async throws(VolumeError) {
        try await place.takeSnapshot(name, ofImageID: imageID)
    }

    /// Removes a snapshot of the image; succeeds if there is none of that name.
    public func removeSnapshot(_ name: String, ofImageID imageID: String) async throws(VolumeError) {
        try await place.removeSnapshot(name, ofImageID: imageID)
    }

    /// Runs calls that do not block.
    public func trying<R: Sendable>(
        _ doing: String,
        _ body: (IOContext) async throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        try await place.trying(doing) { () async throws(RBDError) in try await body(place.context) }
    }
}

extension PoolAccess {
    /// The image of a volume, as a user; its pool is opened, and the image is not looked for.
    public func image(_ id: VolumeID, as credentials: Credentials) async throws(VolumeError) -> ImageAccess {
        ImageAccess(try await place(of: id, as: credentials))
    }
}
