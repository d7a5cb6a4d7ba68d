import CommandNames
import ExactText
import Timestamps
import Volumes

/// A snapshot for JSON and YAML; its keys are CSI's if CSI has them, and are stable.
struct SnapshotReport: Encodable, Equatable {
    let snapshotId: String
    /// The name that it was taken with.
    var name: String?
    let clusterID: String
    let pool: String
    let namespace: String
    /// The handle of the volume that it was taken of.
    let sourceVolumeId: String
    /// What people call that volume.
    var volume: String?
    /// Whether that volume was deleted since.
    let sourceDeleted: Bool
    let sizeBytes: UInt64
    /// When it was taken: `2026-11-21T08:09:47Z`.
    let creationTime: String
    let readyToUse: Bool
    /// What was noted with it, such as its names in Kubernetes.
    var notes: [String: String]?

    init(_ snapshot: Snapshot, volume: String? = nil) {
        snapshotId = "\(snapshot.id)"
        name = snapshot.name.isEmpty ? nil : snapshot.name
        clusterID = snapshot.id.clusterID
        pool = snapshot.id.pool
        namespace = snapshot.id.namespace
        sourceVolumeId = snapshot.sourceHandle
        self.volume = snapshot.source == nil ? nil : volume
        sourceDeleted = snapshot.source == nil
        sizeBytes = snapshot.sizeBytes
        creationTime = Timestamp.text(snapshot.created)
        readyToUse = snapshot.isReady
        notes = snapshot.notes.isEmpty ? nil : snapshot.notes
        age = Age(of: snapshot.created.components.seconds)
        title = snapshot.title
    }

    /// How long ago it was taken.
    private let age: Age
    private let title: String

    private enum CodingKeys: CodingKey {
        case snapshotId, name, clusterID, pool, namespace, sourceVolumeId, volume, sourceDeleted, sizeBytes,
            creationTime
        case readyToUse, notes
    }

    /// A snapshot for a person, a property a line.
    func lines(_ terminal: Terminal) -> [String] {
        let lines: [(heading: String, value: String?)] = [
            ("NAME", name), ("VOLUME", volumeText), ("SIZE", sizeBytes.asWritten), ("POOL", place),
            ("TAKEN", creationTime), ("SNAPSHOT ID", snapshotId),
        ]
        return lines.compactMap { heading, value in
            value.map { value in
                let gap = String(repeating: " ", count: 13 - heading.count)
                return terminal.colored(heading, .bold) + gap + value.onOneLine
            }
        }
    }

    /// Many snapshots for a person, a snapshot a line.
    static func table(_ reports: [SnapshotReport], isWide: Bool, _ terminal: Terminal) -> [String] {
        var table =
            isWide
            ? Table("NAME", "VOLUME", "SIZE", "POOL", "AGE", "SNAPSHOT-ID")
            : Table("NAME", "VOLUME", "SIZE", "POOL", "AGE")
        table.rows = reports.map { report in
            let row = [
                report.title.onOneLine, report.volumeText.onOneLine, report.sizeBytes.asWritten, report.place,
                "\(report.age)",
            ]
            return isWide ? row + [report.snapshotId] : row
        }
        return table.lines { terminal.colored($0, .bold) }
    }

    /// The pool, and the RADOS namespace if there is one.
    private var place: String { namespace.isEmpty ? pool : "\(pool)/\(namespace)" }

    /// What people call the volume, else its image; `(deleted)` behind one that is.
    private var volumeText: String {
        let image = (try? VolumeID(parsing: sourceVolumeId))?.image ?? sourceVolumeId
        return (volume ?? image) + (sourceDeleted ? " (deleted)" : "")
    }
}

/// What delete says.
struct SnapshotDeletionReport: Encodable {
    let snapshotId: String
    let deleted: Bool
}

extension Snapshot {
    /// What people call it; its name on the image where that is not known.
    var title: String { name.isEmpty ? id.name : name }
}
