internal import Blocking
internal import RADOS
internal import RBD
internal import Synchronization

/// Watches that have prevented the deletion of an image for so long that their client may be dead.
///
/// Ceph drops a dead client's watch after 30 s, unless the client was killed while it registered the watch: see
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
    /// - Parameter patience: The age of a watch at which Ceph is made to review it; then again at twice that age, and
    ///   so on.
    init(patience: Duration) {
        self.patience = patience
    }

    /// Records the watches that prevent an image's deletion, and has them reviewed when they are old enough.
    ///
    /// Waits for no answer: a review writes, and who is refused is to hear of it also while Ceph takes no writes.
    ///
    /// - Parameters:
    ///   - watchers: Who they are, at least one.
    ///   - imageID: The image's id.
    ///   - context: Its pool.
    ///   - threads: For the call, which blocks; not those of calls that must answer.
    func note(
        _ watchers: [Watcher],
        of imageID: String,
        in context: IOContext,
        on threads: BlockingPool
    ) {
        guard isReviewDue(Set(watchers), "\(context.label)/\(imageID)") else { return }
        Task {
            // A failure is ignored: the caller that was refused tries again.
            try? await threads.run { () throws(RADOSError) in
                try context.reviewWatches(of: ImageObject.header(ofID: imageID))
            }
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
