internal import ExactText
internal import Secrets
internal import Synchronization
internal import Volumes

/// A pool for images that Ceph does not let the service's user look into.
public struct RefusedPool: Sendable, Hashable {
    /// The cluster's key in config.json.
    public let clusterID: String
    /// The pool.
    public let pool: String
    /// Who is refused, and which caps he must have.
    public let message: String

    /// Describes a refusal.
    public init(clusterID: String, pool: String, message: String) {
        self.clusterID = clusterID
        self.pool = pool
        self.message = message
    }
}

extension PoolAccess {
    /// How long a look through pools waits for one of them, so that the others are told of within seconds.
    static let poolPatience = Duration.seconds(4)
    /// The same for a cluster, where there are several.
    static let clusterPatience = Duration.seconds(4)
    /// After so long without an answer, a look asks the monitors for the reason, so that it is there with the time limit.
    private static let suspicion = Duration.seconds(1)

    /// The pools that the last looks of the service's user were refused, in the order of their names.
    ///
    /// A pool of another application, without volumes of Nacre's, is not among them.
    public var refusedPools: [RefusedPool] {
        refusals.withLock { Array($0.values) }.sorted { one, other in
            (ExactText(one.clusterID), ExactText(one.pool)) < (ExactText(other.clusterID), ExactText(other.pool))
        }
    }

    /// Forgets refusals of pools that are gone.
    func forgetRefusals(ofCluster clusterID: String, except pools: [String]) {
        refusals.withLock { refusals in
            refusals = refusals.filter { !$0.key.clusterID.isExactly(clusterID) || pools.containsExactly($0.key.pool) }
        }
    }

    /// A connection for a look through clusters.
    func reach(_ clusterID: String, as user: Credentials) async throws(VolumeError) -> ClusterLink {
        try await soon(clusterID) { () async throws(VolumeError) in
            try await self.connections.link(to: clusterID, as: user)
        }
    }

    /// Asks a cluster something for a look through clusters: where there are several, one that does not answer is soon given
    /// up, also when it was well before.
    func soon<R: Sendable>(
        _ clusterID: String,
        _ body: @escaping @Sendable () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        guard configuration.clusters.count > 1 else { return try await body() }
        do throws(VolumeError) {
            return try await looks.runAlone(
                "ask cluster '\(clusterID)'",
                deadline: .now + Self.clusterPatience,
                body
            )
        } catch {
            guard error.code == .deadlineExceeded else { throw error }
            let monitors = try configuration.cluster(clusterID).monitors.joined(separator: ", ")
            throw VolumeError(
                .unavailable,
                "cluster '\(clusterID)' did not answer within \(Self.clusterPatience.seconds); see whether its monitors run "
                    + "at \(monitors), then repeat this"
            )
        }
    }

    /// Does something in a pool that others must not wait for.
    ///
    /// - Parameters:
    ///   - pool: The pool.
    ///   - cluster: Its cluster.
    ///   - credentials: As whom; the service's own user without.
    ///   - body: What is done; it changes nothing, and goes on by itself when it takes too long.
    /// - Returns: What `body` returns; `nil` for a pool that cannot have volumes: its name stands in no handle, it was just
    ///   removed, its kind holds no images, or it is another application's and the user may not read it.
    /// - Throws: `VolumeError`, with `.permissionDenied` for a pool of images that the user may not read, and
    ///   `.unavailable` for one that does not answer.
    func looking<R: Sendable>(
        into pool: String,
        of cluster: ClusterEntry,
        as credentials: Credentials? = nil,
        _ body: @escaping @Sendable (Place) async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R? {
        guard let anchor = VolumeID(anyIn: pool, of: cluster) else { return nil }
        let address = PoolAddress(clusterID: cluster.clusterID, pool: pool)
        let overdue = Task { () -> MonitorsAnswer in
            guard (try? await Task.sleep(for: Self.suspicion)) != nil else { return .refused }
            return await self.answer(ofCluster: cluster.clusterID, as: credentials)
        }
        defer { overdue.cancel() }
        do throws(VolumeError) {
            let found = try await looks.runAlone(
                "look into pool '\(pool)'",
                deadline: .now + Self.poolPatience
            ) { () async throws(VolumeError) in
                try await body(try await self.place(of: anchor, as: credentials))
            }
            if credentials == nil { refusals.withLock { $0[address] = nil } }
            return found
        } catch {
            guard !error.isMended else { throw error }
            switch error.code {
            case .invalidArgument: return nil
            case .permissionDenied:
                let state = await answer(ofCluster: cluster.clusterID, as: credentials).state
                // Images' directories can be in no other pool.
                if let there = state?.pool(pool), there.isErasureCoded || !there.applicationNames.contains("rbd") {
                    return nil
                }
                if credentials == nil {
                    let refused = RefusedPool(clusterID: cluster.clusterID, pool: pool, message: error.message)
                    refusals.withLock { $0[address] = refused }
                }
                throw error
            case .deadlineExceeded:
                let answer = await overdue.value
                // Images' directories cannot be in such a pool.
                if let there = answer.state?.pool(pool), there.isErasureCoded { return nil }
                let reason = answer.standstill(ofPools: [pool])
                throw VolumeError(
                    .unavailable,
                    "pool '\(pool)' of cluster '\(cluster.clusterID)' did not answer within \(Self.poolPatience.seconds): "
                        + (reason ?? "the monitors say no reason; see 'ceph health detail'")
                )
            default: throw error
            }
        }
    }

    /// What a cluster's monitors say, within seconds.
    func answer(ofCluster clusterID: String, as credentials: Credentials?) async -> MonitorsAnswer {
        guard let user = try? credentials ?? service.read(), let cluster = try? configuration.cluster(clusterID) else {
            return .refused
        }
        guard !connections.isSilent(clusterID, to: user.userID) else {
            return .silence(ErrorMapping.silence(ofCluster: clusterID, at: cluster.monitors))
        }
        return await looks.answer(ofCluster: clusterID, at: cluster.monitors, as: user) {
            () async throws(VolumeError) in
            try await self.connections.link(to: clusterID, as: user)
        }
    }

    /// Looks into pools at once; those that do not answer delay the others together by one time limit.
    func looking<R: Sendable>(
        intoEach pools: [String],
        of cluster: ClusterEntry,
        as credentials: Credentials? = nil,
        _ body: @escaping @Sendable (String, Place) async throws(VolumeError) -> R
    ) async -> [Result<R?, VolumeError>] {
        await atOnce(pools) { (pool) throws(VolumeError) in
            try await self.looking(into: pool, of: cluster, as: credentials) { (place) throws(VolumeError) in
                try await body(pool, place)
            }
        }
    }

    /// Does the same for each of many, all at once; the outcomes are in the order of what they are for.
    func atOnce<T: Sendable, R: Sendable>(
        _ all: [T],
        _ body: @escaping @Sendable (T) async throws(VolumeError) -> R
    ) async -> [Result<R, VolumeError>] {
        let found = await withTaskGroup(of: Answer<R>.self) { group in
            for (index, one) in all.enumerated() {
                group.addTask {
                    let outcome: Result<R, VolumeError>
                    do throws(VolumeError) {
                        outcome = .success(try await body(one))
                    } catch {
                        outcome = .failure(error)
                    }
                    return Answer(index: index, outcome: outcome)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return found.sorted { $0.index < $1.index }.map(\.outcome)
    }

    private struct Answer<R: Sendable>: Sendable {
        let index: Int
        let outcome: Result<R, VolumeError>
    }
}
