public import Blocking
internal import ExactText
public import Logging
internal import RADOS
public import Secrets
internal import Synchronization
internal import SystemPackage
public import Volumes

/// The connections to Ceph, one for a cluster and a user, shared by all that work there.
///
/// A connection is made when it is first wanted and released when nobody wanted it for `idleLimit`. A request that comes
/// with another key, or finds other monitors in config.json, gets a new connection at once, and so does one whose client
/// Ceph has blocklisted; the old one ends with the last call that uses it.
public final class ClusterConnections: Sendable {
    /// A connection as others see it.
    public struct Description: Sendable {
        /// The cluster's key in config.json.
        public let clusterID: String
        /// The user without `client.`.
        public let userID: String
        /// Since when nobody has wanted it.
        public let idle: Duration
    }

    private struct Key: Hashable {
        var clusterID: String
        var userID: String

        static func == (one: Self, other: Self) -> Bool {
            one.clusterID.isExactly(other.clusterID) && one.userID.isExactly(other.userID)
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(ExactText(clusterID))
            hasher.combine(ExactText(userID))
        }
    }

    private struct Entry {
        var monitors: [String]
        var userKey: Secret
        var link: Task<ClusterLink, any Error>
        /// Once it is up.
        var connection: ObjectIdentifier?
        var lastUse: ContinuousClock.Instant
        let begun = ContinuousClock.now
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var pools: [ExactText: BlockingPool] = [:]
        var monitorPools: [ExactText: BlockingPool] = [:]
        var blocklistings = 0
        /// Whose last connection no monitor answered, and when that was given up.
        var unanswered: [Key: ContinuousClock.Instant] = [:]
        /// For calls that may have to wait for another client.
        var waitingPools: [ExactText: BlockingPool] = [:]
    }

    /// Monitors answer in milliseconds, or their time limit passes.
    private static let monitorThreads = 4
    /// Monitors that answer do so before this.
    private static let promptness = Duration.milliseconds(1500)
    /// For so long counts that none answered.
    private static let memory = Duration.seconds(30)

    private let state = Mutex(State())
    private let configuration: ClusterConfiguration
    private let threadsPerCluster: Int
    private let idleLimit: Duration
    private let options: [String: String]
    private let logger: Logger

    /// Makes an empty table of connections.
    ///
    /// - Parameters:
    ///   - configuration: Where the clusters are.
    ///   - threadsPerCluster: Threads for calls that block, a cluster; 1 or more.
    ///   - idleLimit: How long an unused connection is kept.
    ///   - options: Ceph options by name for every connection.
    ///   - logger: Where blocklisted clients are told of.
    public init(
        configuration: ClusterConfiguration,
        threadsPerCluster: Int = 24,
        idleLimit: Duration = .seconds(600),
        options: [String: String] = [:],
        logger: Logger = Logger(label: "nacre.ceph") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.configuration = configuration
        self.threadsPerCluster = threadsPerCluster
        self.idleLimit = idleLimit
        self.options = options
        self.logger = logger
    }

    /// A connection to a cluster as a user: one that is there, or a new one.
    public func link(
        to clusterID: String,
        as credentials: Credentials
    ) async throws(VolumeError) -> ClusterLink {
        let entry = try configuration.cluster(clusterID)
        let (task, isUp) = connecting(entry, credentials)
        if !isUp { enter(VolumeStep.connecting, clusterID) }
        do {
            let link = try await task.value
            if !isUp {
                remember(task, link.connection, clusterID, credentials.userID)
                noteAnswer(from: clusterID, to: credentials.userID, isSilence: false)
            }
            return link
        } catch {
            forget(task, clusterID, credentials.userID)
            if let error = error as? RADOSError {
                noteAnswer(from: clusterID, to: credentials.userID, isSilence: error.code == .timedOut)
                throw ErrorMapping.connecting(to: entry, as: credentials, error)
            }
            throw VolumeError(.internal, "cannot connect to cluster '\(clusterID)'")
        }
    }

    /// Lets go of connections that nobody wanted for the idle limit.
    public func releaseIdle() {
        let now = ContinuousClock.now
        let limit = idleLimit
        let idle = state.withLock { state in
            let idle = state.entries.filter { now - $0.value.lastUse > limit }
            for key in idle.keys { state.entries[key] = nil }
            return idle.map(\.value)
        }
        // Their clusters shut down here, outside of the lock, or with the last call that still holds one.
        withExtendedLifetime(idle) {}
    }

    /// The connections there are.
    public var descriptions: [Description] {
        state.withLock { state in
            state.entries.map { key, entry in
                Description(clusterID: key.clusterID, userID: key.userID, idle: .now - entry.lastUse)
            }
        }
    }

    /// The clusters with a connection that is being made, for whose monitors somebody waits.
    var awaitedClusters: [ClusterEntry] {
        let awaited = state.withLock { state in state.entries.filter { $0.value.connection == nil }.map(\.key.clusterID)
        }
        return configuration.clusters.filter { awaited.containsExactly($0.clusterID) }
    }

    /// Whether a user waits for a connection that no monitor answers, or has waited in vain a moment ago.
    func isSilent(_ clusterID: String, to userID: String) -> Bool {
        state.withLock { state in
            let key = Key(clusterID: clusterID, userID: userID)
            if let entry = state.entries[key], entry.connection != nil { return false }
            if let failure = state.unanswered[key], failure + Self.memory > .now { return true }
            return state.entries[key].map { $0.begun + Self.promptness < .now } ?? false
        }
    }

    private func noteAnswer(from clusterID: String, to userID: String, isSilence: Bool) {
        let key = Key(clusterID: clusterID, userID: userID)
        state.withLock { $0.unanswered[key] = isSilence ? .now : nil }
    }

    /// What the threads of every cluster have to do, a cluster each.
    public var loads: [BlockingPool.Load] {
        state.withLock { $0.pools.values.map(\.load) }
    }

    /// How often Ceph has blocklisted a client of ours, which was then replaced.
    public var blocklistings: Int { state.withLock { $0.blocklistings } }

    /// Lets go of a connection whose client Ceph has blocklisted; calls that it has taken along find out by themselves.
    private func drop(_ connection: Cluster, _ key: Key) {
        let isOurs = state.withLock { state in
            guard state.entries[key]?.connection == ObjectIdentifier(connection) else { return false }
            state.entries[key] = nil
            state.blocklistings += 1
            return true
        }
        guard isOurs else { return }
        logger.warning(
            "Ceph has blocklisted this client; connecting anew",
            metadata: [
                "ceph.cluster": "\(key.clusterID)", "ceph.user": "client.\(key.userID)",
                "ceph.client": "\((try? connection.addresses()) ?? "client.\(connection.instanceID)")",
            ]
        )
    }

    /// The same of the threads for calls that may wait for another client.
    public var waitingLoads: [BlockingPool.Load] {
        state.withLock { $0.waitingPools.values.map(\.load) }
    }

    private func connecting(
        _ cluster: ClusterEntry,
        _ credentials: Credentials
    ) -> (Task<ClusterLink, any Error>, isUp: Bool) {
        state.withLock { state in
            let key = Key(clusterID: cluster.clusterID, userID: credentials.userID)
            if let entry = state.entries[key],
                entry.monitors == cluster.monitors,
                entry.userKey == credentials.userKey
            {
                state.entries[key]?.lastUse = .now
                return (entry.link, entry.connection != nil)
            }
            let pool = state.pools[ExactText(cluster.clusterID)] ?? BlockingPool(threads: threadsPerCluster)
            state.pools[ExactText(cluster.clusterID)] = pool
            let monitorPool =
                state.monitorPools[ExactText(cluster.clusterID)] ?? BlockingPool(threads: Self.monitorThreads)
            state.monitorPools[ExactText(cluster.clusterID)] = monitorPool
            let waiting = state.waitingPools[ExactText(cluster.clusterID)] ?? BlockingPool(threads: threadsPerCluster)
            state.waitingPools[ExactText(cluster.clusterID)] = waiting
            let options = options
            let link = Task {
                // The others may all wait for OSDs.
                let connection = try await monitorPool.run { () throws(RADOSError) in
                    try Cluster.connect(monitors: cluster.monitors, credentials: credentials, options: options)
                }
                return ClusterLink(
                    clusterID: cluster.clusterID,
                    monitors: cluster.monitors,
                    connection: connection,
                    threads: pool,
                    monitorThreads: monitorPool,
                    waitingThreads: waiting
                ) { [weak self] in
                    self?.drop($0, key)
                }
            }
            state.entries[key] = Entry(
                monitors: cluster.monitors,
                userKey: credentials.userKey,
                link: link,
                lastUse: .now
            )
            return (link, false)
        }
    }

    private func remember(
        _ task: Task<ClusterLink, any Error>,
        _ connection: Cluster,
        _ clusterID: String,
        _ userID: String
    ) {
        state.withLock { state in
            let key = Key(clusterID: clusterID, userID: userID)
            guard state.entries[key]?.link == task else { return }
            state.entries[key]?.connection = ObjectIdentifier(connection)
            state.entries[key]?.lastUse = .now
        }
    }

    /// A connection that failed must not be what the next request gets.
    private func forget(_ task: Task<ClusterLink, any Error>, _ clusterID: String, _ userID: String) {
        state.withLock { state in
            let key = Key(clusterID: clusterID, userID: userID)
            guard state.entries[key]?.link == task else { return }
            state.entries[key] = nil
        }
    }
}
