internal import ExactText
internal import FoundationEssentials
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Volumes

/// A cluster's pools and health from the monitors, which explain why a call failed.
struct ClusterState: Sendable {
    /// A pool as `ceph osd pool ls detail` shows it.
    struct Pool: Decodable, Sendable {
        private enum CodingKeys: String, CodingKey {
            case name = "pool_name"
            case number = "pool_id"
            case type
            case flagNames = "flags_names"
            case quotaBytes = "quota_max_bytes"
            case quotaObjects = "quota_max_objects"
            case applications = "application_metadata"
        }

        private struct Nothing: Decodable {}

        let name: String
        /// The pool's id, with which the ids of its placement groups begin.
        let number: Int?
        private let type: Int
        private let flagNames: String
        let quotaBytes: UInt64?
        let quotaObjects: UInt64?
        private let applications: [String: Nothing]?

        private var flags: [String] { flagNames.parts(at: ",", omittingEmpty: true) }

        /// See: osd_types.h, `TYPE_ERASURE`.
        var isErasureCoded: Bool { type == 3 }
        /// Whether an erasure-coded pool can take images' data.
        var allowsOverwrites: Bool { !isErasureCoded || flags.contains("ec_overwrites") }
        /// Pool snapshots, which exclude snapshots of single images.
        var hasPoolSnapshots: Bool { flags.contains("pool_snaps") }
        var isAtQuota: Bool { flags.contains("full_quota") }
        var isFull: Bool { flags.contains("full") }
        /// Its applications: `rbd`; empty in a pool that was not initialised.
        var applicationNames: [String] { (applications ?? [:]).keys.sorted() }
    }

    let pools: [Pool]
    let checks: [HealthCheck]

    /// Asks for it.
    ///
    /// Blocks the calling thread. Similar to: ceph osd pool ls detail, ceph health detail.
    init(askedOf cluster: Cluster) throws(RADOSError) {
        let pools = try cluster.monitorCommand(#"{"prefix":"osd pool ls","detail":"detail","format":"json"}"#)
        let health = try cluster.monitorCommand(#"{"prefix":"health","detail":"detail","format":"json"}"#)
        // Of another form, it explains nothing.
        self.pools = (try? JSONDecoder().decode([Pool].self, from: Data(pools))) ?? []
        checks = (try? JSONDecoder().decode(HealthChecks.self, from: Data(health)))?.all ?? []
    }

    func pool(_ name: String) -> Pool? { pools.first { $0.name.isExactly(name) } }

    /// Why I/O to a pool, or to the pool of its images' data, is not answered; `nil` if no reason is known.
    func standstill(ofPools names: [String]) -> String? {
        let full = names.compactMap { pool($0) }.compactMap(\.lackOfRoom)
        let groups = names.compactMap { pool($0) }.compactMap(standstill(ofGroupsOf:))
        // Other pools' fullness is no reason here.
        let others = checks.filter { $0.code != "POOL_FULL" && ($0.code != "PG_AVAILABILITY" || groups.isEmpty) }
            .compactMap(\.standstill)
        let reasons = full + groups + others
        return reasons.isEmpty ? nil : reasons.joined(separator: "; ")
    }

    /// What the monitors say of a pool's placement groups that serve nobody: `pg 2.1a is stuck inactive for 5m, …`.
    private func standstill(ofGroupsOf pool: Pool) -> String? {
        guard let number = pool.number else { return nil }
        let stuck = checks.filter { $0.code == "PG_AVAILABILITY" }.flatMap(\.details)
            .filter { $0.startsExactly(with: "pg \(number).") }
        guard let first = stuck.first else { return nil }
        let more = stuck.count > 1 ? ", and \(stuck.count - 1) more" : ""
        return
            "I/O to placement groups of pool '\(pool.name)' waits (\(first)\(more)); start the OSDs that are down, see "
            + "'ceph health detail'"
    }
}

extension ClusterState.Pool {
    /// Why it accepts no more data, and what to do; `nil` if it does.
    var lackOfRoom: String? {
        if isAtQuota {
            var quotas: [String] = []
            var raised: [String] = []
            for (key, quota) in [("max_bytes", quotaBytes ?? 0), ("max_objects", quotaObjects ?? 0)] where quota > 0 {
                quotas.append("\(key) \(quota)")
                let twice = quota.multipliedReportingOverflow(by: 2)
                raised.append(
                    "ceph osd pool set-quota \(name.shellWord) \(key) \(twice.overflow ? 0 : twice.partialValue)"
                )
            }
            return
                "the quota of pool '\(name)' is used up (\(quotas.joined(separator: ", "))); delete data, or raise it, as "
                + "by: \(raised.joined(separator: " && "))"
        }
        return isFull ? "pool '\(name)' is full; add OSDs or delete data, see 'ceph df'" : nil
    }
}

/// What came of a question to a cluster's monitors.
enum MonitorsAnswer: Sendable {
    case state(ClusterState)
    /// None of them answers; the words say so, name them, and say what to do.
    case silence(String)
    /// They do not say it to this user, or nobody could ask.
    case refused

    /// What they say of the cluster.
    var state: ClusterState? { if case .state(let state) = self { state } else { nil } }

    /// Why I/O to pools is not answered; `nil` if no reason is known.
    func standstill(ofPools names: [String]) -> String? {
        switch self {
        case .state(let state): state.standstill(ofPools: names)
        case .silence(let words): words
        case .refused: nil
        }
    }
}

extension Operations {
    /// How long a failure may look for its cause.
    private static var patience: Duration { .seconds(3) }

    /// What a cluster's monitors say, within seconds.
    ///
    /// Callers at once share one question: that many pools are silent must not keep the monitors' threads busy.
    func answer(
        ofCluster clusterID: String,
        at monitors: [String],
        as credentials: Credentials,
        _ link: @escaping @Sendable () async throws(VolumeError) -> ClusterLink
    ) async -> MonitorsAnswer {
        let silence = MonitorsAnswer.silence(ErrorMapping.silence(ofCluster: clusterID, at: monitors))
        do throws(VolumeError) {
            return try await run(
                "ask the monitors of cluster '\(clusterID)'",
                on: "state \(clusterID)",
                fingerprint: "\(credentials)",
                deadline: .now + Self.patience
            ) { () async throws(VolumeError) -> MonitorsAnswer in
                let link = try await link()
                do throws(RADOSError) {
                    return .state(
                        try await link.asking { (cluster) throws(RADOSError) in try ClusterState(askedOf: cluster) }
                    )
                } catch {
                    return error.code == .timedOut ? silence : .refused
                }
            }
        } catch {
            switch error.code {
            // A connection that cannot be made is `.unavailable`; one behind another user's question is `.aborted`.
            case .deadlineExceeded, .unavailable, .aborted: return silence
            default: return .refused
            }
        }
    }
}
