import ArgumentParser
import Backups
import Volumes

/// `nacre backup verify`.
struct BackupVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read backups from their place, all of them, and find what is damaged.",
        discussion: """
            Every chunk is read once, unpacked, and compared with its SHA-256. For what is damaged, the file and the parts of \
            the volumes that it held are told. What is lost, or cannot be read, keeps nothing else from being checked. Nothing \
            is changed; no Ceph is needed.

            EXAMPLES
              nacre backup verify --from /srv/backups
              nacre backup verify --from /srv/backups --volume data
              nacre backup verify 4c1d --from /srv/backups
            """
    )

    @Argument(help: "The only backup that is meant: its id, or how it begins.")
    var backup: String?

    @Option(help: "The volume whose backups are meant; all of them without.")
    var volume: VolumeName?

    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard backup == nil || volume == nil else { throw ValidationError("a backup and --volume exclude each other") }
    }

    func run() async throws {
        let store = try await source.store()
        let work = BackupWork(isQuiet: output.quiet)
        let finding = try await work("checking backups") {
            var meant: VolumeID?
            var id: String?
            if let backup {
                let manifest = try await store.backup(backup)
                (meant, id) = (manifest.volume, manifest.id)
            }
            if let volume { meant = try await store.volume(volume) }
            return try await store.verify(meant, only: id, work.progress)
        }
        let report = Report(chunks: finding.chunks, bytes: finding.bytes, faults: finding.faults)
        if let text = try output.output.text(report) {
            print(text)
        } else {
            if !output.quiet { print("read \(finding.chunks) chunks, \(finding.bytes.inShort)") }
            finding.faults.forEach { print($0) }
        }
        guard finding.faults.isEmpty else {
            throw CommandFailure(
                .failed,
                "\(finding.faults.count) files at '\(store.name)' are damaged; put those files back from a copy, or make a new "
                    + "backup while the volume still has what they held: nacre backup create VOLUME --full writes damaged chunks "
                    + "anew"
            )
        }
    }

    private struct Report: Encodable {
        let chunks: Int
        let bytes: UInt64
        let faults: [String]
    }
}
