internal import KubernetesAPI
internal import Logging
internal import Volumes

/// The watches that keep a controller's caches up to date: one for each kind of object.
struct ClusterWatches: Sendable {
    private let claims: Reflector<PersistentVolumeClaim>
    private let volumes: Reflector<PersistentVolume>
    private let classes: Reflector<StorageClass>

    /// Makes watches that do nothing yet.
    ///
    /// - Parameters:
    ///   - shop: Whose caches, and where to tell of failures.
    ///   - onClaim: Called for each change of a claim, once the cache shows it; so are the others.
    ///   - onVolume: Called for each change of a PersistentVolume.
    ///   - onClass: Called for each change of a StorageClass.
    init(
        _ shop: Workshop,
        onClaim: @escaping @Sendable (Change<PersistentVolumeClaim>) -> Void,
        onVolume: @escaping @Sendable (Change<PersistentVolume>) -> Void,
        onClass: @escaping @Sendable (Change<StorageClass>) -> Void
    ) {
        claims = Self.watch(APIPath.persistentVolumeClaims, shop.claims, shop, onClaim)
        volumes = Self.watch(APIPath.persistentVolumes, shop.volumes, shop, onVolume)
        classes = Self.watch(APIPath.storageClasses, shop.classes, shop, onClass)
    }

    private static func watch<Object: WatchedObject>(
        _ path: String,
        _ cache: ObjectCache<Object>,
        _ shop: Workshop,
        _ onChange: @escaping @Sendable (Change<Object>) -> Void
    ) -> Reflector<Object> {
        let logger = shop.logger
        return Reflector(
            shop.client,
            path,
            cache: cache,
            onFailure: { error in
                logger.warning("cannot watch, trying again", metadata: [LogKey.reason: "\(error)"])
            },
            onUnreadable: { reason in
                logger.error("an object cannot be read and is passed over", metadata: [LogKey.reason: "\(reason)"])
            },
            onChange: onChange
        )
    }

    /// Lists made, and what could not be read, of all kinds together.
    var sums: (lists: Int, unreadable: Int) {
        let (claims, volumes, classes) = (claims.counts, volumes.counts, classes.counts)
        return (
            claims.lists + volumes.lists + classes.lists,
            claims.unreadable + volumes.unreadable + classes.unreadable
        )
    }

    /// Keeps the caches up to date until the task is cancelled.
    func run() async {
        await withTaskGroup { group in
            group.addTask { await classes.run() }
            group.addTask { await volumes.run() }
            group.addTask { await claims.run() }
        }
    }
}
