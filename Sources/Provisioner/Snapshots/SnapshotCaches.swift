internal import KubernetesAPI
internal import Synchronization

/// The objects of snapshots, as the watches tell them, while the cluster has their kinds.
struct SnapshotCaches: Sendable {
    let snapshots = ObjectCache<VolumeSnapshot>(indexes: [
        { snapshot in snapshot.claimName.map { "\(snapshot.metadata.namespace)/\($0)" } }
    ])
    let contents = ObjectCache<VolumeSnapshotContent>()
    let classes = ObjectCache<VolumeSnapshotClass>()

    /// Indexes of `snapshots`: by the claim that they are taken of, `namespace/name`.
    static let byClaim = 0

    /// Whether all have been listed once.
    var isSynced: Bool { snapshots.isSynced && contents.isSynced && classes.isSynced }

    /// The content that a VolumeSnapshot names, or that was made for it.
    func content(of snapshot: VolumeSnapshot) -> VolumeSnapshotContent? {
        contents.object(snapshot.boundContentName ?? snapshot.contentName ?? snapshot.madeContentName)
    }
}

/// Where the caches are while there are any.
final class SnapshotCacheHolder: Sendable {
    private let caches = Mutex<SnapshotCaches?>(nil)

    /// The caches; `nil` while the cluster does not have the kinds.
    var current: SnapshotCaches? {
        get { caches.withLock(\.self) }
        set { caches.withLock { $0 = newValue } }
    }

    /// The caches, when all is listed.
    var synced: SnapshotCaches? {
        guard let caches = current, caches.isSynced else { return nil }
        return caches
    }
}
