public import Secrets
public import Volumes

/// An image in the trash that is to be removed.
public struct TrashedImage: Sendable, Hashable {
    /// Its cluster, pool and RADOS namespace, and the name that it had.
    public var id: VolumeID
    /// The image's id.
    public var imageID: String
    /// Who removes it.
    public var credentials: Credentials
    /// For how long something has been in its way.
    public var blockedFor = Duration.zero

    /// Names an image.
    public init(id: VolumeID, imageID: String, credentials: Credentials) {
        self.id = id
        self.imageID = imageID
        self.credentials = credentials
    }
}

/// What came of a removal.
public enum RemovalOutcome: Sendable, Hashable {
    /// It is gone.
    case removed
    /// Something is in the way, in words for a person.
    case blocked(String)
    /// The process that removed it ended, in words for a person; it may not have been this image's fault.
    case crashed(String)
}

/// Objects done and objects in all; 0 in all while that is unknown.
public typealias RemovalProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

/// Removes images from the trash, wherever it does so.
public protocol ImageRemoving: Sendable {
    /// Removes an image with all its data, however long that takes.
    func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome

    /// How often a process that removed images ended of itself, since the start.
    var crashes: Int { get }

    /// Lets go of what nobody has needed for a while; called now and then.
    func releaseIdle()

    /// Ends; what is under way is left as a kill would leave it.
    func stop()
}
