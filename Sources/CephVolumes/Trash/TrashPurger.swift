internal import ExactText
public import Logging
internal import Secrets
internal import Synchronization
public import Volumes

/// Removes deleted volumes from the trash in the background, without delaying other operations.
///
/// It decides when an image is removed; an `ImageRemoving` removes it, usually in another process. Images that take
/// long do not count against the limit of simultaneous removals, so small images overtake large ones. If an image is
/// blocked by a watcher, a snapshot, a clone or its deferment, the reason is reported, and the image is tried again at
/// growing intervals. Nothing is forced.
public final class TrashPurger: Sendable {
    struct Item: Sendable {
        var image: TrashedImage
        var addedAt = ContinuousClock.now
        var attempts = 0
        var crashes = 0
        var notBefore = ContinuousClock.now
        var blockedSince: ContinuousClock.Instant?
        var reason = ""
        /// Since when it is being removed.
        var startedAt: ContinuousClock.Instant?
        /// Since when it has got no further.
        var progressedAt = ContinuousClock.now
        var done: UInt64 = 0
        var total: UInt64 = 0
    }

    /// How long no operation must have been under way before the trash is emptied.
    private static let quiet = Duration.milliseconds(100)
    /// After this wait an image is removed beside other operations, one at a time.
    private static let patience = Duration.seconds(10)
    /// A removal that takes longer than this does not count against the limit any more.
    private static let longRemoval = Duration.seconds(1)
    /// The limit of simultaneous removals of any length.
    private static let most = 128

    private struct State {
        var items: [String: Item] = [:]
        var removed = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let remover: any ImageRemoving
    private let workers: Int
    private let foreground: Operations?
    private let isWaitingForQuiet = Atomic(false)
    private let logger: Logger
    private let firstDelay: Duration
    private let longestDelay: Duration

    /// Makes a purger; it starts to work with the first image.
    ///
    /// - Parameters:
    ///   - remover: Who removes the images.
    ///   - workers: How many images are removed at once, 1 or more, not counting removals of more than a second.
    ///   - foreground: Operations with priority: an image waits while any is under way, for a limited time.
    ///   - firstDelay: How long a blocked image waits for its second try; the wait doubles each time.
    ///   - longestDelay: The longest such wait.
    ///   - logger: Where it reports.
    public init(
        removing remover: any ImageRemoving,
        workers: Int = 2,
        yieldingTo foreground: Operations? = nil,
        firstDelay: Duration = .seconds(1),
        longestDelay: Duration = .seconds(300),
        logger: Logger
    ) {
        self.remover = remover
        self.workers = workers
        self.foreground = foreground
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        self.logger = logger
    }

    /// What there is to do now.
    public var status: TrashStatus {
        let (items, removed) = state.withLock { (Array($0.items.values), $0.removed) }
        return TrashStatus(items, removed: removed, crashes: remover.crashes)
    }

    /// Takes on an image that lies in the trash.
    func add(_ image: TrashedImage) {
        let isNew = state.withLock { state in
            let key = Self.key(image)
            guard state.items[key] == nil else {
                // Whoever came last has the newest key.
                state.items[key]?.image.credentials = image.credentials
                return false
            }
            state.items[key] = Item(image: image)
            return true
        }
        if isNew { startWorkers() }
    }

    /// Forgets an image that was restored from the trash.
    func forget(_ image: TrashedImage) {
        state.withLock { state in
            let key = Self.key(image)
            if state.items[key]?.startedAt == nil { state.items[key] = nil }
        }
    }

    /// Forgets the images of clusters that have left config.json; they are found again when their cluster comes back.
    public func keep(onlyOf clusterIDs: [String]) {
        state.withLock { state in
            state.items = state.items.filter { _, item in
                item.startedAt != nil || clusterIDs.containsExactly(item.image.id.clusterID)
            }
        }
    }

    /// Starts no new removals and waits for those under way, at most for `limit`.
    ///
    /// An interrupted removal keeps its watch for 30 s, during which no other process can remove the image.
    public func stop(within limit: Duration = .seconds(5)) async {
        state.withLock { $0.isStopped = true }
        let end = ContinuousClock.now + limit
        while .now < end, state.withLock({ $0.items.values.contains { $0.startedAt != nil } }) {
            try? await Task.sleep(for: .milliseconds(20))
        }
        remover.stop()
    }

    /// Tries again what is due; called periodically.
    public func wake() {
        remover.releaseIdle()
        startWorkers()
    }

    private static func key(_ image: TrashedImage) -> String { "\(image.id.description)#\(image.imageID)" }

    private func startWorkers() {
        while let (key, image) = next() {
            Task { await work(key, image) }
            Task {
                try? await Task.sleep(for: Self.longRemoval)
                startWorkers()
            }
        }
        lookAgainWhenQuiet()
    }

    /// Whether operations of callers are under way, which must not wait for the trash.
    private var isForegroundBusy: Bool {
        guard let foreground else { return false }
        return foreground.idle.map { $0 < Self.quiet } ?? true
    }

    private func lookAgainWhenQuiet() {
        let isWanted = state.withLock { state in
            !state.isStopped && state.items.values.contains { $0.startedAt == nil && $0.notBefore <= .now }
        }
        guard isWanted, isForegroundBusy, !isWaitingForQuiet.exchange(true, ordering: .acquiringAndReleasing) else {
            return
        }
        Task {
            try? await Task.sleep(for: Self.quiet)
            isWaitingForQuiet.store(false, ordering: .releasing)
            startWorkers()
        }
    }

    /// The next due image, if the limit allows another removal.
    private func next() -> (String, TrashedImage)? {
        let isBusy = isForegroundBusy
        return state.withLock { state in
            guard !state.isStopped else { return nil }
            let now = ContinuousClock.now
            let starts = state.items.values.compactMap(\.startedAt)
            let places = starts.count { now - $0 < Self.longRemoval }
            guard starts.count < Self.most, places < (isBusy ? 1 : workers) else { return nil }
            let due = state.items.filter { $0.value.startedAt == nil && $0.value.notBefore <= now }
            guard let (key, item) = due.min(by: { $0.value.addedAt < $1.value.addedAt }) else { return nil }
            guard !isBusy || now - item.addedAt > Self.patience else { return nil }
            state.items[key]?.startedAt = now
            state.items[key]?.progressedAt = now
            var image = item.image
            image.blockedFor = item.blockedSince.map { now - $0 } ?? .zero
            return (key, image)
        }
    }

    private func work(_ key: String, _ image: TrashedImage) async {
        let outcome = await remover.remove(image) { done, total in
            self.state.withLock { state in
                if state.items[key]?.done != done { state.items[key]?.progressedAt = .now }
                state.items[key]?.done = done
                state.items[key]?.total = total
            }
        }
        switch outcome {
        case .removed: finish(key)
        case .blocked(let reason): postpone(key, image, because: reason)
        case .crashed(let reason): postpone(key, image, because: reason, isCrash: true)
        }
        startWorkers()
    }

    private func finish(_ key: String) {
        state.withLock { state in
            state.items[key] = nil
            state.removed += 1
        }
    }

    private func postpone(_ key: String, _ image: TrashedImage, because reason: String, isCrash: Bool = false) {
        let wait = state.withLock { state -> Duration in
            guard var item = state.items[key] else { return .zero }
            var delay = firstDelay
            for _ in 0..<min(item.attempts, 16) { delay = min(delay * 2, longestDelay) }
            // Purgers that blocked each other would do so again if all waited equally long.
            let wait = delay * Double.random(in: 0.5...1.5)
            item.startedAt = nil
            item.attempts += 1
            if isCrash { item.crashes += 1 }
            item.reason = reason
            item.blockedSince = item.blockedSince ?? .now
            item.notBefore = .now + wait
            state.items[key] = item
            return wait
        }
        logger.notice(
            "cannot empty the trash yet",
            metadata: ["rbd.image": "\(image.id.imageSpec)", "reason": "\(reason)", "retry.in": "\(wait)"]
        )
        Task {
            try? await Task.sleep(for: wait)
            startWorkers()
        }
    }
}
