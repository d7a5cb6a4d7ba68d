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
    /// The removal is prevented; the reason in words.
    case blocked(String)
    /// The process that removed it ended; the details in words. Another image may have been the cause.
    case crashed(String)
}

/// Objects done and the total; the total is 0 while it is unknown.
public typealias RemovalProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

/// Removes images from the trash, in this process or in another.
public protocol ImageRemoving: Sendable {
    /// Removes an image with all its data, without a time limit.
    func remove(_ image: TrashedImage, progress: @escaping RemovalProgress) async -> RemovalOutcome

    /// How often a process that removed images ended unexpectedly, since the start.
    var crashes: Int { get }

    /// Releases what was unused for a while; called periodically.
    func releaseIdle()

    /// Ends; removals under way are left as after a kill.
    func stop()
}
