internal import Volumes

/// What there is to do for a `TrashPurger`.
public struct TrashStatus: Sendable {
    /// An image that could not be removed yet.
    public struct Blocked: Sendable {
        /// `pool/namespace/name`.
        public let image: String
        /// What is in the way, for a person.
        public let reason: String
        /// How often it was tried.
        public let attempts: Int
        /// How often its removing process ended unexpectedly.
        public let crashes: Int
        /// How long it has been in the trash, as far as is known.
        public let age: Duration
    }

    /// An image that is being removed.
    public struct Running: Sendable {
        /// `pool/namespace/name`.
        public let image: String
        /// For how long.
        public let age: Duration
        /// For how long it has got no further.
        public let standstill: Duration
        /// Objects done.
        public let done: UInt64
        /// Objects in all; 0 while that is unknown.
        public let total: UInt64

        /// The progress in words: `120 of 2560 objects`.
        public var progress: String { total > 0 ? "\(done) of \(total) objects" : "\(done) objects" }
    }

    /// Images that wait for their turn.
    public let waiting: Int
    /// Images that are being removed, longest first.
    public let running: [Running]
    /// Images removed since the start.
    public let removed: Int
    /// How often a process that removed images ended unexpectedly, since the start.
    public let crashes: Int
    /// Images that could not be removed yet, oldest first.
    public let blocked: [Blocked]
    /// The age of the oldest image that is not removed yet; zero without one.
    public let oldest: Duration

    /// After this time a blocked image is reported.
    ///
    /// One that waits only for the watch of a client that died is removed by then: 30 s.
    private static let longBlocked = Duration.seconds(60)
    /// After this time a removal without progress is reported.
    private static let longStandstill = Duration.seconds(300)

    init(_ items: [TrashPurger.Item], removed: Int, crashes: Int) {
        let now = ContinuousClock.now
        let idle = items.filter { $0.startedAt == nil }
        waiting = idle.count { $0.attempts == 0 }
        running = items.compactMap { item in
            item.startedAt.map { start in
                Running(
                    image: item.image.id.imageSpec,
                    age: now - start,
                    standstill: now - item.progressedAt,
                    done: item.done,
                    total: item.total
                )
            }
        }.sorted { $0.age > $1.age }
        blocked = idle.filter { $0.attempts > 0 }.map { item in
            Blocked(
                image: item.image.id.imageSpec,
                reason: item.reason,
                attempts: item.attempts,
                crashes: item.crashes,
                age: now - item.addedAt
            )
        }.sorted { $0.age > $1.age }
        oldest = items.map { now - $0.addedAt }.max() ?? .zero
        self.removed = removed
        self.crashes = crashes
    }

    /// What a person should look at; `nil` if all removals make progress.
    public var complaint: String? {
        if let image = blocked.first(where: { $0.crashes > 0 }) {
            return "image '\(image.image)' cannot be removed: \(image.reason); tried \(image.attempts) times"
        }
        if let image = running.first(where: { $0.standstill > Self.longStandstill }) {
            return "the removal of image '\(image.image)' has got no further for "
                + "\(image.standstill.components.seconds) s, at \(image.progress)"
        }
        if let image = blocked.first(where: { $0.age > Self.longBlocked }) {
            return "image '\(image.image)' has been in the trash for \(image.age.components.seconds) s and cannot be "
                + "removed: \(image.reason)"
        }
        return nil
    }

    /// The state in words.
    public var summary: String {
        var parts = ["\(waiting) wait", "\(running.count) are being removed", "\(blocked.count) are blocked"]
        if let longest = running.first, longest.age > .seconds(10) {
            parts.append("'\(longest.image)' for \(longest.age.components.seconds) s, \(longest.progress)")
        }
        return parts.joined(separator: "; ")
    }
}
