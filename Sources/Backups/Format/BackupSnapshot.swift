internal import ExactText
internal import JSON
internal import OrderedCollections
internal import Volumes

/// The snapshots that backups keep on images.
enum BackupSnapshot {
    /// The snapshot of a backup.
    static func name(of backup: String) -> String { ImageName.backupPrefix + backup }

    /// The key of the snapshot's record in the image's metadata: a JSON object with `backup` and `chain`, and `destination`
    /// and `owner` for people.
    static func key(of backup: String) -> String { ImageMetadataKey.backupPrefix + name(of: backup) }

    /// What a record says.
    struct Record: Sendable, Hashable {
        var backup: String
        /// The place, by the id of its chain: directories of two machines have one path.
        var chain: String
        /// The place as the person named it who made the backup.
        var destination: String
        /// Who made it: a machine, a process, a time.
        var owner: String

        /// The record.
        var text: String {
            var members: JSONObject = [:]
            members[name: "backup"] = .string(backup)
            members[name: "chain"] = .string(chain)
            members[name: "destination"] = .string(String(destination.prefix(512)))
            members[name: "owner"] = .string(String(owner.prefix(512)))
            return String(decoding: JSONValue.object(members).bytes, as: UTF8.self)
        }

        init(backup: String, chain: String, destination: String, owner: String) {
            self.backup = backup
            self.chain = chain
            self.destination = destination
            self.owner = owner
        }

        /// Reads the record of a key; `nil` if it is none.
        init?(parsing text: String, ofKey key: String) {
            guard let fields = try? Fields(parsing: Array(text.utf8)), let backup = fields.optional("backup"),
                let chain = fields.optional("chain"), ImageName.isUUID(backup.utf8),
                key.isExactly(BackupSnapshot.key(of: backup))
            else { return nil }
            self.init(
                backup: backup,
                chain: chain,
                destination: fields.optional("destination") ?? "",
                owner: fields.optional("owner") ?? ""
            )
        }
    }
}
