internal import Secrets
internal import Synchronization
internal import Volumes

/// Pools in which images can be made object by object, as they were seen within the last second.
///
/// A pool's settings for new images are read before each create. Of many creates at once only some read them, and a
/// setting counts for all that begin a second after it was made.
final class PlainPools: Sendable {
    private static let lifetime = Duration.seconds(1)

    private struct Key: Hashable {
        let clusterID: String
        let pool: String
        let namespace: String
        let userID: String

        init(_ place: Place) {
            clusterID = place.id.clusterID
            pool = place.id.pool
            namespace = place.id.namespace
            userID = place.credentials.userID
        }
    }

    private let seen = Mutex<[Key: ContinuousClock.Instant]>([:])

    /// Whether the pool of a place was seen so.
    func contains(_ place: Place) -> Bool {
        seen.withLock { seen in seen[Key(place)].map { ContinuousClock.now - $0 < Self.lifetime } ?? false }
    }

    /// Notes what was seen at a time.
    func note(_ place: Place, at time: ContinuousClock.Instant) {
        seen.withLock { seen in
            seen[Key(place)] = time
            guard seen.count > 64 else { return }
            seen = seen.filter { ContinuousClock.now - $0.value < Self.lifetime }
        }
    }
}
