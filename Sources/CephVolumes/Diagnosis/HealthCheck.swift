internal import ExactText
internal import FoundationEssentials

/// One of Ceph's health checks that is raised: `OSD_FULL`.
///
/// See: docs.ceph.com, "Health checks".
struct HealthCheck: Sendable {
    /// Ceph's name of it.
    let code: String
    /// `HEALTH_WARN` or `HEALTH_ERR`.
    let severity: String
    /// Ceph's own summary: `1 full osd(s)`.
    let summary: String
    /// Whether an administrator has muted it.
    let isMuted: Bool
    /// Ceph's sentences about single parts, where they were asked for.
    let details: [String]

    /// What it means for volumes and what to do; `nil` for a check that does not stop I/O.
    var standstill: String? {
        switch code {
        case "OSDMAP_FLAGS":
            let flags = summary.split { $0 == " " || $0 == "," }
            if flags.contains(where: { $0.startsExactly(with: "pause") }) {
                return "the cluster's I/O is paused (\(summary)); run: ceph osd unset pause"
            }
            return flags.contains("full") ? "the cluster is full (\(summary)); add OSDs or delete data" : nil
        case "OSD_FULL": return "OSDs are full, and writes to them wait (\(summary)); add OSDs or delete data"
        case "POOL_FULL":
            return "a pool is full or at its quota, and writes to it wait (\(summary)); add room or raise it"
        case "PG_AVAILABILITY":
            return
                "I/O to some placement groups waits (\(summary)); start the OSDs that are down, see 'ceph health detail'"
        case "OBJECT_UNFOUND": return "I/O to lost objects waits (\(summary)); see 'ceph health detail'"
        default: return nil
        }
    }

    /// Whether volumes suffer, or will soon.
    ///
    /// Checks that stop I/O count whatever their severity. Other errors count too, except those of parts of Ceph that
    /// volumes do not need. A muted check counts only if it stops I/O.
    var isHarmful: Bool {
        if standstill != nil { return true }
        guard severity == "HEALTH_ERR", !isMuted else { return false }
        return !Self.othersParts.contains { code.startsExactly(with: $0) }
    }

    /// The check in words: `OSD_FULL (1 full osd(s))`.
    var words: String { "\(code) (\(summary))\(isMuted ? ", muted" : "")" }

    /// Deprecated key types, file systems, manager modules, cephadm, crash reports.
    private static let othersParts = [
        "AUTH_INSECURE_", "AUTH_BAD_CAPS", "FS_", "MDS_", "MGR_", "CEPHADM_", "RECENT_", "TELEMETRY_", "DASHBOARD_",
        "UPGRADE_", "DEVICE_HEALTH",
    ]
}

/// `checks` of `ceph health` and `ceph status`.
struct HealthChecks: Decodable, Sendable {
    private struct Check: Decodable {
        struct Summary: Decodable {
            var message: String
        }
        var severity: String
        var summary: Summary
        var muted: Bool?
        var detail: [Summary]?
    }

    /// `HEALTH_OK`, `HEALTH_WARN` or `HEALTH_ERR`.
    let status: String
    /// In the order of their names.
    let all: [HealthCheck]

    private enum CodingKeys: CodingKey {
        case status, checks
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        status = try container.decode(String.self, forKey: .status)
        let checks = try container.decodeIfPresent([String: Check].self, forKey: .checks) ?? [:]
        all = checks.sorted { $0.key < $1.key }.map { code, check in
            HealthCheck(
                code: code,
                severity: check.severity,
                summary: check.summary.message,
                isMuted: check.muted ?? false,
                details: (check.detail ?? []).map(\.message)
            )
        }
    }
}
