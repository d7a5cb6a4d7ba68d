import CephVolumes
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

    init(_ holder: VolumeHolder, _ names: VolumeNames) {
        volumeId = "\(holder.id)"
        name = names[holder.id]
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
    static func lines(_ holders: [VolumeHolder], _ names: VolumeNames, _ terminal: Terminal) -> [String] {
        var table = Table("NODE", "VOLUME", "ADDRESS", "SINCE", "MAPPER", "LOCKS", "STATE")
        table.rows = holders.map { holder in
            let report = HolderReport(holder, names)
            let state = report.alive ? "alive" : "dead"
            return [
                report.node ?? "-", names.title(of: holder.id), report.address, report.since ?? "-",
                report.mapper ?? "-",
                report.locks.isEmpty ? "-" : report.locks.joined(separator: "+"),
                report.fencedUntil == nil ? state : "fenced, \(state)",
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}

/// What volumes are called, by their handles; images of other programs have no names.
struct VolumeNames: Sendable {
    private var names: [VolumeID: String] = [:]

    subscript(id: VolumeID) -> String? { names[id] }

    /// `replicapool/data`, or the image where no name is known.
    func title(of id: VolumeID) -> String {
        guard let name = names[id] else { return id.imageSpec }
        return (id.namespace.isEmpty ? "\(id.pool)/\(name)" : "\(id.pool)/\(id.namespace)/\(name)").onOneLine
    }

    /// None.
    init() {}

    /// Reads them, for ten seconds at most, and tells a person that some are missing.
    ///
    /// A silent pool takes four seconds of them, and keeps no names of others away.
    init(_ session: Session) async {
        var fault: String?
        do {
            let list = try await session.volumes(limit: nil, deadline: .now + .seconds(10))
            for volume in list.volumes { names[volume.id] = volume.facts.name }
            fault = list.missing?.message
        } catch {
            fault = "\(error)"
        }
        if let fault { session.note("names of volumes could not be read, so images are named instead: \(fault)") }
    }
}
