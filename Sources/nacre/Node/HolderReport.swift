import CephVolumes
import CommandNames
import ExactText
import RADOS
import RBD
import Volumes

/// Who has a volume, as JSON and YAML show it.
struct HolderReport: Encodable {
    let volumeId: String
    /// The volume's name, where the image has one.
    let name: String?
    let node: String?
    let address: String
    let since: String?
    let mapper: String?
    /// `holder`, Nacre's, and `exclusive`, librbd's, or `shared` where it was taken so by hand; empty for a client that
    /// only watches.
    let locks: [String]
    let alive: Bool
    let fencedUntil: String?

    init(_ holder: VolumeHolder) {
        volumeId = "\(holder.id)"
        name = holder.name
        node = holder.node
        address = holder.client.address
        since = holder.client.record?.sinceTime
        mapper = holder.client.record?.mapper
        locks = holder.client.locks.map { name, owner in
            name == .exclusive && owner.isShared ? "shared" : "\(name)"
        }
        .sorted()
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
                report.node ?? "-", holder.title, report.address, report.since ?? "-",
                report.mapper ?? "-",
                report.locks.isEmpty ? "-" : report.locks.joined(separator: "+"),
                report.fencedUntil == nil ? state : "fenced, \(state)",
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}

extension VolumeHolder {
    /// `replicapool/data`, or the image where it has no name.
    fileprivate var title: String {
        guard let name else { return id.imageSpec }
        return (id.namespace.isEmpty ? "\(id.pool)/\(name)" : "\(id.pool)/\(id.namespace)/\(name)").onOneLine
    }
}
