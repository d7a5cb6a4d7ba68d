internal import Glibc
internal import ImageMapping
internal import LinuxKernel
internal import RADOS
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// Asks clusters which image has a name, for callers that cannot wait for long.
///
/// Its connections give up within seconds. There is one for each user of a cluster, made on a thread of its own, however many
/// callers wait for it; so is the latest OSD map fetched, for which librados waits without a limit.
final class NameLookup: Sendable {
    /// How long one call may take.
    private static let options = Dictionary(
        uniqueKeysWithValues: ["client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"].map { ($0, "5") }
    )

    private struct Link {
        var cluster: Cluster
        var map: LatestMap
    }

    /// A connection that is being made, or was made.
    private final class Attempt: Sendable {
        let userKey: Secret
        private let outcome = Mutex<Result<Link, RADOSError>?>(nil)

        init(_ userKey: Secret) { self.userKey = userKey }

        /// What has become of it; `nil` while it is being made.
        var result: Result<Link, RADOSError>? { outcome.withLock(\.self) }

        /// Makes it.
        func connect(_ request: MapRequest) {
            let result = Result { () throws(RADOSError) in
                let cluster = try Cluster.connect(
                    monitors: request.monitors,
                    credentials: request.credentials,
                    options: NameLookup.options
                )
                return Link(cluster: cluster, map: LatestMap(cluster))
            }
            outcome.withLock { $0 = result }
        }
    }

    /// The last one of each user; one that failed is followed by another as soon as somebody asks.
    private let attempts = Mutex<[ClusterUser: Attempt]>([:])

    /// Which image has the name now.
    ///
    /// Blocks the calling thread until `limit`, or some seconds longer while the cluster is asked.
    ///
    /// - Parameters:
    ///   - mapped: The image that is mapped.
    ///   - image: The name that it was mapped by.
    ///   - request: The cluster, and as whom to ask.
    ///   - limit: When to give up.
    /// - Returns: Both images.
    /// - Throws: `MappingError` of kind `.unavailable` when the cluster does not answer.
    func whereabouts(
        of mapped: ImageIdentity,
        as image: ImageAddress,
        _ request: MapRequest,
        until limit: ContinuousClock.Instant
    ) throws(MappingError) -> ImageWhereabouts {
        let attempt = attempt(for: request)
        let failure: MappingError
        do throws(MappingError) {
            return try answer(mapped, image, request, attempt, limit)
        } catch {
            failure = error
        }
        guard failure.isBlocklisted, .now < limit else { throw failure }
        // Another caller may have replaced it already.
        let user = ClusterUser(request)
        attempts.withLock { attempts in
            if attempts[user] === attempt { attempts[user] = nil }
        }
        return try answer(mapped, image, request, self.attempt(for: request), limit)
    }

    private func answer(
        _ mapped: ImageIdentity,
        _ image: ImageAddress,
        _ request: MapRequest,
        _ attempt: Attempt,
        _ limit: ContinuousClock.Instant
    ) throws(MappingError) -> ImageWhereabouts {
        let link = try link(of: attempt, request, until: limit)
        do throws(RADOSError) {
            guard try link.map.refresh(until: limit) else {
                throw RADOSError(call: "rados_wait_for_latest_osdmap", code: .timedOut, subject: link.cluster.label)
            }
        } catch {
            throw MappingError("look up which image is named \(image)", error, as: request.credentials)
        }
        return try ImageWhereabouts(of: mapped, as: image, on: link.cluster)
    }

    /// The present attempt, or a new one, which a thread of its own makes.
    private func attempt(for request: MapRequest) -> Attempt {
        let (user, userKey) = (ClusterUser(request), request.credentials.userKey)
        let (attempt, isNew) = attempts.withLock { attempts in
            if let present = attempts[user], present.userKey == userKey {
                guard case .failure? = present.result else { return (present, false) }
            }
            let new = Attempt(userKey)
            attempts[user] = new
            return (new, true)
        }
        if isNew { startThread { attempt.connect(request) } }
        return attempt
    }

    /// Waits until it is made.
    private func link(
        of attempt: Attempt,
        _ request: MapRequest,
        until limit: ContinuousClock.Instant
    ) throws(MappingError) -> Link {
        repeat {
            switch attempt.result {
            case .success(let link)?: return link
            case .failure(let error)?:
                throw MappingError("reach image \(request.image)", error, as: request.credentials)
            case nil: usleep(5000)
            }
        } while .now < limit
        let failure = RADOSError(call: "rados_connect", code: .timedOut, subject: request.credentials.entityName)
        throw MappingError("reach image \(request.image)", failure, as: request.credentials)
    }
}

/// The latest OSD map of one connection: whoever asks for it while it is fetched gets the one after that.
private final class LatestMap: Sendable {
    private struct State {
        /// How often a fetch was begun, and ended.
        var begun = 0
        var ended = 0
        /// Whether somebody has asked since the last one was begun.
        var isWanted = false
        var failure: RADOSError?
    }

    private let cluster: Cluster
    private let state = Mutex(State())

    init(_ cluster: Cluster) { self.cluster = cluster }

    /// Waits until a fetch that begins from now on has ended; returns whether it has.
    func refresh(until limit: ContinuousClock.Instant) throws(RADOSError) -> Bool {
        let (wanted, isFirst) = state.withLock { state in
            let isFirst = state.begun == state.ended
            if isFirst { state.begun += 1 } else { state.isWanted = true }
            return (isFirst ? state.begun : state.begun + 1, isFirst)
        }
        if isFirst { startThread { [self] in run() } }
        while .now < limit {
            let (ended, failure) = state.withLock { ($0.ended, $0.failure) }
            if ended >= wanted {
                if let failure { throw failure }
                return true
            }
            usleep(5000)
        }
        return false
    }

    /// Fetches it, and once more if somebody has asked meanwhile.
    private func run() {
        while true {
            var failure: RADOSError?
            do throws(RADOSError) {
                try cluster.refreshMap()
            } catch {
                failure = error
            }
            let goesOn = state.withLock { [failure] state in
                state.ended = state.begun
                state.failure = failure
                guard state.isWanted else { return false }
                state.isWanted = false
                state.begun += 1
                return true
            }
            guard goesOn else { return }
        }
    }
}
