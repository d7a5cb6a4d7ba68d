internal import JSON
internal import Volumes

extension BackupStore {
    /// The id of a volume's chain, which is made with the first backup.
    ///
    /// Where its file is damaged, the newest manifest has it, and the file is written anew.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - newest: The last of its backups there.
    /// - Returns: The id, and what a person may want to know.
    /// - Throws: `VolumeError`.
    func chain(
        of volume: VolumeID,
        after newest: Manifest?
    ) async throws(VolumeError) -> (id: String, note: String?) {
        let keys = BackupKeys(volume)
        var damage: String?
        do throws(VolumeError) {
            let found = try await readingOne(of: keys) { () async throws(VolumeError) in
                try await destination.bytes(of: keys.chain)
            }
            if let bytes = found {
                do throws(Damage) {
                    return (try SignedDocument.fields(bytes).text("chain"), nil)
                } catch {
                    throw damaged(keys.chain, error)
                }
            }
        } catch {
            guard error.code == .dataLoss else { throw error }
            damage = error.message
        }
        // Without its file a place has begun anew, whatever manifests were copied there.
        let known = damage == nil ? nil : newest
        let id = known?.chain ?? BackupCreation.newID()
        let members: [(String, JSONValue)] = [("chain", .string(id)), ("volume", .string("\(volume)"))]
        try await destination.put(SignedDocument.bytes(members), as: keys.chain)
        guard let damage else { return (id, nil) }
        guard let known else {
            return (
                id,
                "\(damage); no manifest tells the chain's id, so a new chain begins, and the snapshots of the old one stay on the "
                    + "image until nacre backup forget"
            )
        }
        return (id, "\(damage); it was written anew by what the manifest of backup \(known.id) says")
    }
}
