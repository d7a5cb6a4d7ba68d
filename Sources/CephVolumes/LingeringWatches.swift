internal import Blocking
internal import RADOS
internal import RBD
internal import Synchronization

/// Watches that keep an image from being deleted for so long that their client may be dead.
///
/// Ceph forgets a dead client's watch after half a minute, but not one that the client was killed in the middle of: see
/// `IOContext.reviewWatches`.
final class LingeringWatches: Sendable {
    private struct Sighting {
        var watchers: Set<Watcher>
        let since = ContinuousClock.now
        var nextReview: ContinuousClock.Instant
    }

    private static let longestMemory = Duration.seconds(86_400)
    private static let limit = 1024

    private let patience: Duration
    private let sightings = Mutex<[String: Sighting]>([:])

    /// Remembers nothing yet.
    ///
    /// - Parameter patience: How long the same watch is there before Ceph is made to look after it; then again at twice
    ///   that age, and so on.
    init(patience: Duration) {
        self.patience = patience
    }

    /// Notes who is in an image's way, and reviews the image's watches when it is time.
    ///
    /// - Parameters:
    ///   - watchers: Who they are, at least one.
    ///   - imageID: The image's id.
    ///   - context: Its pool.
    ///   - threads: For the call, which blocks.
    func note(
        _ watchers: [Watcher],
        of imageID: String,
        in context: IOContext,
        on threads: BlockingPool
    ) async {
        guard isReviewDue(Set(watchers), "\(context.label)/\(imageID)") else { return }
        // A failure changes nothing: whoever was told of the watch tries again.
        try? await threads.run { () throws(RADOSError) in
            try context.reviewWatches(of: ImageObject.header(ofID: imageID))
        }
    }

    private func isReviewDue(_ watchers: Set<Watcher>, _ image: String) -> Bool {
        let now = ContinuousClock.now
        return sightings.withLock { sightings in
            guard var known = sightings[image], !known.watchers.isDisjoint(with: watchers) else {
                if sightings.count >= Self.limit {
                    sightings = sightings.filter { now - $0.value.since < Self.longestMemory }
                    if sightings.count >= Self.limit { sightings = [:] }
                }
                sightings[image] = Sighting(watchers: watchers, nextReview: now + patience)
                return false
            }
            known.watchers.formIntersection(watchers)
            let isDue = known.nextReview <= now
            if isDue { known.nextReview = now + (now - known.since) }
            sightings[image] = known
            return isDue
        }
    }
}
