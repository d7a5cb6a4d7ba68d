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
    /// `exclusive`, `advisory`; nothing for who only watches.
    let lock: String?
    let alive: Bool
    let fencedUntil: String?

    init(_ holder: VolumeHolder) {
        volumeId = "\(holder.id)"
        node = holder.node
        address = holder.client.address
        since = holder.client.record?.sinceTime
        mapper = holder.client.record?.mapper
        lock = holder.client.lock.map { $0 == .exclusive ? "exclusive" : "advisory" }
        alive = holder.client.isWatching
        fencedUntil = holder.refusedUntil
    }

    /// A table of them.
    static func lines(_ holders: [VolumeHolder], _ terminal: Terminal) -> [String] {
        var table = Table("NODE", "VOLUME", "ADDRESS", "SINCE", "MAPPER", "LOCK", "STATE")
        table.rows = holders.map { holder in
            let report = HolderReport(holder)
            let state = report.alive ? "alive" : "dead"
            return [
                report.node ?? "-", holder.id.imageSpec, report.address, report.since ?? "-", report.mapper ?? "-",
                report.lock ?? "-", report.fencedUntil == nil ? state : "fenced, \(state)",
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}
