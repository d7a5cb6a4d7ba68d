internal import Blocking
public import Logging
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import SystemPackage
public import Volumes

/// Empties the trash behind deleted volumes, beside everything else and never in its way.
///
/// A few workers remove one image each, on threads of their own. What an image is blocked by (a watcher, a snapshot or
/// clone, a deferment) is found out, reported, and tried again later and later. Nothing is ever forced.
public final class TrashPurger: Sendable {
    /// An image that could not be removed yet.
    public struct Blocked: Sendable {
        /// `pool/namespace/name`.
        public let image: String
        /// What is in the way, for a person.
        public let reason: String
        /// How often it was tried.
        public let attempts: Int
        /// Since when it has been in the trash, as far as we know.
        public let age: Duration
    }

    /// What there is to do.
    public struct Status: Sendable {
        /// Images that wait for a worker.
        public var waiting: Int
        /// Images that are being removed.
        public var running: Int
        /// Images removed since the start.
        public var removed: Int
        /// Images that could not be removed yet.
        public var blocked: [Blocked]
        /// Objects done and in all of the images being removed, by image.
        public var progress: [String: (done: UInt64, total: UInt64)]
    }

    struct Item: Sendable {
        var imageID: String
        var name: String
        var place: Place
        var addedAt = ContinuousClock.now
        var attempts = 0
        var notBefore = ContinuousClock.now
        var reason = ""
    }

    /// Nothing must have been under way for so long before the trash is emptied.
    private static let quiet = Duration.milliseconds(100)
    /// An image that has waited for quiet so long is removed beside other work, one at a time.
    private static let patience = Duration.seconds(10)

    /// Locks on a pool's trash.
    private static let locks: UInt64 = 64
    /// How long a purger that was killed keeps others from its image.
    private static let lockSeconds = 6

    private struct State {
        var items: [String: Item] = [:]
        var running: [String: (done: UInt64, total: UInt64)] = [:]
        var removed = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let workers: Int
    private let foreground: Operations?
    private let isWaitingForQuiet = Atomic(false)
    private let threads: BlockingPool
    /// One thread that locks, so that a removal which blocks does not keep its own lock from being renewed.
    private let renewals = BlockingPool(threads: 1)
    private let lingering: LingeringWatches
    private let cookie = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    private let logger: Logger
    private let firstDelay: Duration
    private let longestDelay: Duration

    /// Makes a purger; it starts to work with the first image.
    ///
    /// - Parameters:
    ///   - workers: Images removed at once, 1 or more.
    ///   - foreground: Operations that go first: an image waits while any is under way, but not for ever.
    ///   - firstDelay: How long a blocked image waits for its second try; doubles each time.
    ///   - longestDelay: The longest such wait.
    ///   - watchPatience: How long a watch is in the way before Ceph is asked whether its client lives.
    ///   - logger: Where it reports.
    public init(
        workers: Int = 2,
        yieldingTo foreground: Operations? = nil,
        firstDelay: Duration = .seconds(1),
        longestDelay: Duration = .seconds(300),
        watchPatience: Duration = .seconds(30),
        logger: Logger
    ) {
        self.workers = workers
        self.foreground = foreground
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        lingering = LingeringWatches(patience: watchPatience)
        self.logger = logger
        threads = BlockingPool(threads: workers)
    }

    /// What there is to do now.
    public var status: Status {
        state.withLock { state in
            let idle = state.items.filter { state.running[$0.key] == nil }.map(\.value)
            return Status(
                waiting: idle.count { $0.attempts == 0 },
                running: state.running.count,
                removed: state.removed,
                blocked: idle.filter { $0.attempts > 0 }.map { item in
                    Blocked(
                        image: "\(item.place.context.label)/\(item.name)",
                        reason: item.reason,
                        attempts: item.attempts,
                        age: .now - item.addedAt
                    )
                },
                progress: state.running
            )
        }
    }

    /// Takes on an image that was just moved to the trash.
    func add(_ imageID: String, named name: String, of place: Place) {
        state.withLock { state in
            let key = Self.key(imageID, place)
            guard state.items[key] == nil else { return }
            state.items[key] = Item(imageID: imageID, name: name, place: place)
        }
        startWorkers()
    }

    /// Starts nothing new and waits for what is being removed, but not beyond `limit`.
    ///
    /// What is left in the middle keeps its watch for half a minute, in which nobody else can remove it.
    public func stop(within limit: Duration = .seconds(5)) async {
        state.withLock { $0.isStopped = true }
        let end = ContinuousClock.now + limit
        while .now < end, state.withLock({ !$0.running.isEmpty }) {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Tries again what is due; called now and then.
    public func wake() {
        startWorkers()
    }

    private static func key(_ imageID: String, _ place: Place) -> String {
        "\(place.id.clusterID)/\(place.context.label)#\(imageID)"
    }

    private func startWorkers() {
        while let (key, item) = next() {
            Task { await work(key, item) }
        }
        lookAgainWhenQuiet()
    }

    /// Whether callers are being served, who must not wait for the trash.
    private var isForegroundBusy: Bool {
        guard let foreground else { return false }
        return foreground.idle.map { $0 < Self.quiet } ?? true
    }

    private func lookAgainWhenQuiet() {
        let isWanted = state.withLock { $0.items.count > $0.running.count && !$0.isStopped }
        guard isWanted, isForegroundBusy, !isWaitingForQuiet.exchange(true, ordering: .acquiringAndReleasing) else {
            return
        }
        Task {
            try? await Task.sleep(for: Self.quiet)
            isWaitingForQuiet.store(false, ordering: .releasing)
            startWorkers()
        }
    }

    /// The next image that is due, if a worker is free.
    private func next() -> (String, Item)? {
        let isBusy = isForegroundBusy
        return state.withLock { state in
            guard !state.isStopped, state.running.count < (isBusy ? 1 : workers) else { return nil }
            let now = ContinuousClock.now
            let due = state.items.filter { state.running[$0.key] == nil && $0.value.notBefore <= now }
            guard let (key, item) = due.min(by: { $0.value.addedAt < $1.value.addedAt }) else { return nil }
            guard !isBusy || now - item.addedAt > Self.patience else { return nil }
            state.running[key] = (0, 0)
            return (key, item)
        }
    }

    private func work(_ key: String, _ item: Item) async {
        do throws(RBDError) {
            let context = item.place.context
            try await removing(item) { () async throws(RBDError) in
                try await self.threads.run { () throws(RBDError) in
                    try context.removeFromTrash(id: item.imageID) { done, total in
                        self.state.withLock { $0.running[key] = (done, total) }
                    }
                }
            }
            finish(key)
        } catch  where error.isNotFound {
            finish(key)
        } catch {
            await postpone(key, item, because: error)
        }
        startWorkers()
    }

    /// Does `body` as the only purger of that image: two that remove one image at once run librbd 16.2 into an assertion
    /// (TrimRequest.cc, "is_lock_owner"), which ends the process.
    ///
    /// The lock is on the pool's trash, not on the image, whose header it would bring back to life. A lock that was given
    /// back leaves an attribute on its object for ever, so there are few of them, which images share by chance.
    private func removing(_ item: Item, _ body: () async throws(RBDError) -> Void) async throws(RBDError) {
        let context = item.place.context
        let name = "nacre.purge.\(item.imageID.utf8.reduce(0) { ($0 &* 31 &+ UInt64($1)) } % Self.locks)"
        // Each image's own: of two in this process that share a lock, one must wait too.
        let cookie = "\(cookie).\(item.imageID)"
        let lock = { @Sendable () throws(RADOSError) in
            try context.lock(name, on: ImageObject.trash, cookie: cookie, seconds: Self.lockSeconds)
        }
        do throws(RADOSError) {
            try await renewals.run(lock)
        } catch {
            throw RBDError(error)
        }
        let renewing = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(Self.lockSeconds / 3))
                guard !Task.isCancelled else { return }
                try? await renewals.run(lock)
            }
        }
        let outcome: Result<Void, RBDError>
        do throws(RBDError) {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        renewing.cancel()
        // The renewal that may be under way comes first: both use the one thread.
        try? await renewals.run { () throws(RADOSError) in
            try context.unlock(name, on: ImageObject.trash, cookie: cookie)
        }
        try outcome.get()
    }

    private func finish(_ key: String) {
        state.withLock { state in
            state.running[key] = nil
            state.items[key] = nil
            state.removed += 1
        }
    }

    private func postpone(_ key: String, _ item: Item, because error: RBDError) async {
        let reason = await obstacle(item, error)
        var delay = firstDelay
        for _ in 0..<min(item.attempts, 16) { delay = min(delay * 2, longestDelay) }
        // Purgers that got in each other's way would meet again if all waited equally long.
        let wait = delay * Double.random(in: 0.5...1.5)
        state.withLock { state in
            state.running[key] = nil
            state.items[key]?.attempts += 1
            state.items[key]?.reason = reason
            state.items[key]?.notBefore = .now + wait
        }
        logger.notice(
            "cannot empty the trash yet",
            metadata: [
                "rbd.image": "\(item.place.context.label)/\(item.name)", "reason": "\(reason)",
                "retry.in": "\(wait)",
            ]
        )
        Task {
            try? await Task.sleep(for: wait)
            startWorkers()
        }
    }

    /// What is in the way, in words.
    private func obstacle(_ item: Item, _ error: RBDError) async -> String {
        let call = "(\(error.call): \(error.code.name))"
        let context = item.place.context
        switch error.code {
        case .resourceBusy where error.call == "rados_lock_exclusive":
            return "another process removes it \(call)"
        case .resourceBusy:
            let header = ImageObject.header(ofID: item.imageID)
            let watchers = ((try? await context.watchers(of: header)) ?? []).filter {
                $0.clientID != context.cluster.instanceID
            }
            if !watchers.isEmpty {
                await lingering.note(watchers, of: item.imageID, in: context, on: threads)
            }
            let who = watchers.map(\.description).joined(separator: ", ")
            return who.isEmpty ? "it is in use \(call)" : "\(who) has it open \(call)"
        case .directoryNotEmpty:
            let names = try? await threads.run { () throws(RBDError) in
                try Image.openInTrash(id: item.imageID, in: context).snapshotNames()
            }
            let which = (names ?? []).joined(separator: ", ")
            return which.isEmpty ? "it has snapshots or clones \(call)" : "it has the snapshots \(which) \(call)"
        case .notPermitted:
            return "its deferment in the trash has not ended \(call)"
        default:
            return "it cannot be removed \(call)"
        }
    }
}
