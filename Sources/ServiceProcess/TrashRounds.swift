package import CephVolumes
internal import ExactText
package import Logging
internal import Synchronization
internal import Volumes

/// Reads the trash of every cluster periodically, for images that an earlier process left and for due images.
package final class TrashRounds: Sendable {
    /// Whom to look as.
    package struct Users: Sendable {
        /// Users, each for a pool or for all.
        package var users: [PoolUser] = []
        /// Users that are configured but cannot be read, in words.
        package var failures: [String] = []
        /// Why the trash is not read, if that is expected.
        package var absence: String?

        package init(users: [PoolUser] = [], failures: [String] = [], absence: String? = nil) {
            self.users = users
            self.failures = failures
            self.absence = absence
        }
    }

    private struct Seen {
        var at: ContinuousClock.Instant
        var look = TrashLook()
        var absence: String?
    }

    /// A killed process's last operations may arrive after the first read, so the next one follows soon.
    private static let interval = Duration.seconds(20)
    /// What could not be read is tried again soon.
    private static let retryInterval = Duration.seconds(5)

    private let store: RBDImageStore
    private let users: @Sendable (_ clusterID: String) async -> Users
    private let logger: Logger
    private let seen = Mutex<[String: Seen]>([:])
    private let underWay = Mutex<Set<String>>([])

    /// Looks as those whom `users` names.
    package init(
        _ store: RBDImageStore,
        logger: Logger,
        users: @escaping @Sendable (_ clusterID: String) async -> Users
    ) {
        self.store = store
        self.logger = logger
        self.users = users
    }

    /// Reads as the service's own user, and as the users of earlier calls.
    package convenience init(_ stack: ControllerStack, _ settings: ServiceSettings, logger: Logger) {
        let (store, own) = (stack.store, ServiceCredentials(directory: settings.secretDirectory))
        let hasOwn = settings.secretDirectory != nil
        self.init(store, logger: logger) { clusterID in
            var found = Users()
            if hasOwn {
                do throws(VolumeError) {
                    found.users.append(PoolUser(clusterID: clusterID, pool: nil, credentials: try own.read()))
                } catch {
                    found.failures.append(error.message)
                }
            }
            found.users += store.access.callingUsers.filter { $0.clusterID.isExactly(clusterID) }
            if !hasOwn, found.users.isEmpty {
                found.absence =
                    "not looked into before the first call: the service has no user of its own (--secret-dir)"
            }
            return found
        }
    }

    /// Starts to read these clusters' trash, each if it is due, and forgets what was seen of all others.
    package func look(into clusterIDs: [String]) {
        seen.withLock { seen in
            for left in seen.keys where !clusterIDs.containsExactly(left) { seen[left] = nil }
        }
        // Separately, so that an unreachable cluster does not delay the others.
        for cluster in clusterIDs { look(into: cluster) }
    }

    private func look(into clusterID: String) {
        let isDue = seen.withLock { seen in
            guard let last = seen[clusterID] else { return true }
            return .now - last.at > (last.look.failures.isEmpty ? Self.interval : Self.retryInterval)
        }
        guard isDue, underWay.withLock({ $0.insert(clusterID).inserted })
        else { return }
        Task {
            await lookNow(into: clusterID)
            _ = underWay.withLock { $0.remove(clusterID) }
        }
    }

    private func lookNow(into clusterID: String) async {
        let users = await users(clusterID)
        var look = TrashLook()
        do throws(VolumeError) {
            if !users.users.isEmpty { look = try await store.trash.adoptTrash(ofCluster: clusterID, as: users.users) }
        } catch {
            look.failures.append("cannot look into the trash of cluster '\(clusterID)': \(error.message)")
        }
        look.failures += users.failures
        tell(look, users.absence, clusterID)
    }

    /// Images that are kept for a while yet.
    package var kept: Int { seen.withLock { $0.values.reduce(0) { $0 + $1.look.kept } } }

    /// Images of deleted volumes that are kept for their snapshots or clones.
    package var keptForSnapshots: Int { seen.withLock { $0.values.reduce(0) { $0 + $1.look.keptForSnapshots } } }

    /// Images of Nacre's form that somebody else moved to the trash.
    package var others: Int { seen.withLock { $0.values.reduce(0) { $0 + $1.look.others } } }

    /// What could not be looked into, in words.
    package var failures: [String] {
        seen.withLock { $0.sorted { $0.key < $1.key }.flatMap { $0.value.look.failures } }
    }

    /// What was read and found, in words.
    package var summary: String {
        let absences = seen.withLock { $0.values.compactMap(\.absence) }
        var parts: [String] = absences.prefix(1).map(\.self)
        if kept > 0 { parts.append("\(kept) are kept until their time") }
        if others > 0 { parts.append("\(others) of our images were moved there by somebody else and stay") }
        return parts.joined(separator: "; ")
    }

    private func tell(_ look: TrashLook, _ absence: String?, _ clusterID: String) {
        let before = seen.withLock { seen in
            let before = seen[clusterID]
            seen[clusterID] = Seen(at: .now, look: look, absence: absence)
            return before
        }
        if look.due > 0, look.due != before?.look.due {
            logger.info(
                "found deleted volumes in the trash",
                metadata: ["ceph.cluster": "\(clusterID)", "count": "\(look.due)"]
            )
        }
        // Logged once and when it changes, to keep the log short.
        if let absence, absence != before?.absence {
            logger.warning(
                "the trash is not looked into",
                metadata: ["ceph.cluster": "\(clusterID)", "reason": "\(absence)"]
            )
        }
        for failure in look.failures where !(before?.look.failures.contains(failure) ?? false) {
            logger.error(
                "cannot look into the trash",
                metadata: ["ceph.cluster": "\(clusterID)", "reason": "\(failure)"]
            )
        }
    }
}
