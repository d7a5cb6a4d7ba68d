import CephVolumes
import CommandNames
import ExactText
import Provisioner
import RBD
import Timestamps
import Volumes

/// A deleted volume, for the table and for scripts.
struct DeletedVolumeReport: Encodable {
    let volumeId: String
    /// The name that it was created with.
    let name: String?
    /// Nothing once it is restored, as are the next two.
    let imageId: String?
    /// When it was deleted: `2026-11-21T08:09:47Z`.
    let deletedAt: String?
    /// Until when it is kept at least: `2026-11-28T08:09:47Z`.
    let keptUntil: String?
    /// The claim that had it, or gets it: `namespace/name`.
    let claim: String?
    /// The PersistentVolume that it had.
    let persistentVolume: String?

    init(_ volume: DeletedVolume) {
        let note = volume.metadata[ImageMetadataKey.persistentVolume]
        self.init(
            VolumeUndelete.Found(id: volume.id, deleted: volume, metadata: volume.metadata),
            note.flatMap { KeptObjects(note: $0, claim: nil) }
        )
    }

    init(_ found: VolumeUndelete.Found, _ objects: KeptObjects?) {
        volumeId = "\(found.id)"
        name = found.metadata[ImageMetadataKey.requestName]
        imageId = found.deleted?.imageID
        deletedAt = found.deleted.map { Timestamp.text($0.deletedAt) }
        keptUntil = found.deleted.map { Timestamp.text($0.keptUntil) }
        claim = objects?.claimName.description
        persistentVolume = objects?.name
    }

    /// Many for a person, a volume a line.
    static func table(_ volumes: [DeletedVolume], _ terminal: Terminal) -> [String] {
        let now = ThisMachine.now
        var table = Table("NAME", "DELETED", "KEPT FOR", "CLAIM", "IMAGE-ID", "VOLUME-ID")
        table.rows = volumes.map { volume in
            let report = DeletedVolumeReport(volume)
            let left = Age(of: now, at: volume.keptUntil.components.seconds)
            return [
                (report.name ?? volume.id.image).onOneLine,
                "\(Age(of: volume.deletedAt.components.seconds, at: now)) ago", "\(left)", report.claim ?? "-",
                volume.imageID, report.volumeId,
            ]
        }
        return table.lines { terminal.colored($0, .bold) }
    }
}
