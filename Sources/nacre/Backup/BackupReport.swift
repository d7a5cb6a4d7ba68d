import Backups
import CommandNames
import ExactText
import Timestamps

/// A backup, for the table and for scripts.
struct BackupReport: Encodable {
    let id: String
    let volumeId: String
    /// The name that the volume was created with.
    let name: String?
    /// When it was made: `2026-11-21T08:09:47.000120Z`.
    let created: String
    /// `full` or `incremental`.
    let kind: String
    /// Why it is a full one.
    let reason: String?
    /// The backup that it goes on from.
    let parent: String?
    /// The volume's size.
    let sizeBytes: UInt64
    /// What of it is not zeroes.
    let dataBytes: UInt64
    /// The chunks that it needs.
    let storedBytes: UInt64
    /// What had changed.
    let changedBytes: UInt64
    /// What was read from Ceph for it.
    let readBytes: UInt64
    /// The chunks that it added.
    let addedBytes: UInt64

    init(_ manifest: Manifest) {
        id = manifest.id
        volumeId = "\(manifest.volume)"
        name = manifest.name
        created = manifest.created
        kind = manifest.kind.rawValue
        reason = manifest.reason
        parent = manifest.parent
        sizeBytes = manifest.sizeBytes
        dataBytes = manifest.dataBytes
        storedBytes = manifest.storedBytes
        changedBytes = manifest.changedBytes
        readBytes = manifest.readBytes
        addedBytes = manifest.addedBytes
    }

    /// A backup for a person, a property a line.
    func lines(_ terminal: Terminal) -> [String] {
        let lines: [(heading: String, value: String?)] = [
            ("BACKUP", id),
            ("VOLUME", name),
            ("CREATED", created),
            ("KIND", kind + (reason.map { ": \($0)" } ?? "")),
            ("PARENT", parent),
            ("SIZE", sizeBytes.asWritten),
            ("DATA", dataBytes.inShort),
            ("STORED", storedBytes.inShort),
            ("CHANGED", changedBytes.inShort),
            ("READ", readBytes.inShort),
            ("ADDED", addedBytes.inShort),
            ("VOLUME ID", volumeId),
        ]
        return lines.compactMap { heading, value in
            value.map {
                terminal.colored(heading, .bold) + String(repeating: " ", count: 13 - heading.count) + $0.onOneLine
            }
        }
    }

    /// Many for a person, a backup a line.
    static func table(_ backups: [BackupReport], _ terminal: Terminal) -> [String] {
        var table = Table("VOLUME", "BACKUP", "AGE", "KIND", "SIZE", "DATA", "STORED", "ADDED")
        table.rows = backups.map { backup in
            let seconds = Timestamp.seconds(parsing: "\(backup.created.prefix(19))Z")
            return [
                backup.name ?? backup.volumeId, backup.id, "\(Age(of: seconds))", backup.kind,
                backup.sizeBytes.asWritten,
                backup.dataBytes.inShort, backup.storedBytes.inShort, backup.addedBytes.inShort,
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}
