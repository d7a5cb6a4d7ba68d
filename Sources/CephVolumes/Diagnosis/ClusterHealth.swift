internal import Volumes

/// The state of the parts of a cluster that volumes need.
public struct ClusterHealth: Sendable {
    /// One part and how it is.
    public struct Part: Sendable {
        /// `monitors`, `osds`, `placement groups`, `health`.
        public let name: String
        /// Whether volumes can be served.
        public let isWell: Bool
        /// One sentence.
        public let message: String
    }

    /// The parts that could be asked about.
    public let parts: [Part]

    /// The only part that could be asked about.
    init(monitors error: VolumeError) {
        parts = [Part(name: "monitors", isWell: false, message: error.message)]
    }

    /// The service has no user of its own: users come with each call, and their faults are reported to the caller.
    init() {
        parts = [Part(name: "monitors", isWell: true, message: "not asked, for the service has no user of its own")]
    }

    init(_ status: Status) {
        let up = status.osdmap.num_up_osds
        let all = status.osdmap.num_osds
        let inactive = status.pgmap.inactive_pgs_ratio ?? 0
        parts = [
            Part(name: "monitors", isWell: true, message: "answer"),
            Self.health(status.health),
            // Data stays available if a minority is down, and is unavailable if all are down.
            Part(name: "osds", isWell: up > 0, message: "\(up) of \(all) are up"),
            Part(
                name: "placement groups",
                isWell: inactive == 0,
                message: inactive == 0 ? "all are active" : "a share of \(inactive) is inactive; I/O to them stalls"
            ),
        ]
    }

    /// Ceph's own health: all raised checks, first those that affect volumes.
    private static func health(_ health: HealthChecks) -> Part {
        let harmful = health.all.filter(\.isHarmful)
        let told = harmful.map { $0.standstill.map { words in "\(words)" } ?? $0.words }
        let others = health.all.filter { !$0.isHarmful }.map(\.words)
        let most = 8
        let list = (told + others).prefix(most).joined(separator: "; ")
        let more = told.count + others.count > most ? "; and \(told.count + others.count - most) more" : ""
        return Part(
            name: "health",
            isWell: harmful.isEmpty,
            message: health.status + (list.isEmpty ? "" : ": \(list)\(more)")
        )
    }

    struct Status: Decodable {
        struct OSDMap: Decodable {
            var num_osds: Int
            var num_up_osds: Int
        }
        struct PGMap: Decodable {
            var inactive_pgs_ratio: Double?
        }
        var health: HealthChecks
        var osdmap: OSDMap
        var pgmap: PGMap
    }
}
