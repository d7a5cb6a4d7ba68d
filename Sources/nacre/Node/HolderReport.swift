import CephVolumes
import RBD
import Volumes

/// Who has a volume, as JSON and YAML show it.
struct HolderReport: Encodable {
    let volumeId: String
    let node: String?
    let address: String
    let since: String?
    let mapper: String?
    /// `holder`, Nacre's, and `exclusive`, librbd's; empty for a client that only watches.
    let locks: [String]
    let alive: Bool
    let fencedUntil: String?

    init(_ holder: VolumeHolder) {
        volumeId = "\(holder.id)"
        node = holder.node
        address = holder.client.address
        since = holder.client.record?.sinceTime
        mapper = holder.client.record?.mapper
        locks = holder.client.locks.keys.map { "\($0)" }.sorted()
        alive = holder.client.isWatching
        fencedUntil = holder.refusedUntil
    }

    /// A table of them.
    static func lines(_ holders: [VolumeHolder], _ terminal: Terminal) -> [String] {
        var table = Table("NODE", "VOLUME", "ADDRESS", "SINCE", "MAPPER", "LOCKS", "STATE")
        table.rows = holders.map { holder in
            let report = HolderReport(holder)
            let state = report.alive ? "alive" : "dead"
            return [
                report.node ?? "-", holder.id.imageSpec, report.address, report.since ?? "-", report.mapper ?? "-",
                report.locks.isEmpty ? "-" : report.locks.joined(separator: "+"),
                report.fencedUntil == nil ? state : "fenced, \(state)",
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}
