import ArgumentParser
import Backups
import CephVolumes
import Volumes

/// `nacre backup create`.
struct BackupCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Back up a volume: all of it, or what has changed since its last backup there.",
        discussion: """
            The volume may be in use: a snapshot of it is read, which is as it would be after a power cut. The snapshot stays \
            on the image until the next backup to the same place, which reads what has changed since. If it is gone, all is \
            read, and that is said. A backup that was interrupted goes on with the same command, and reads nothing from Ceph \
            again that it had stored.

            What is read and lies there already is compared with that, and written anew where it is damaged. With --full this \
            is done for all that the volume holds.

            EXAMPLES
              nacre backup create data --to /srv/backups
              nacre backup create data --to /srv/backups --full
              nacre backup create data --to s3://backups/a --s3-endpoint https://s3.lan
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Option(
        help: "Where to: a directory, which must be there, or s3://bucket/prefix.",
        completion: .directory
    )
    var to: String

    @Flag(help: "Read all of the volume, and all of it that lies there already, although the changes would do.")
    var full = false

    @OptionGroup(title: "S3") var s3: S3Options
    @OptionGroup(title: "Ceph") var connection: BackupConnection
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let ceph = try connection.ceph()
        let credentials = try ceph.credentials()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let store = try await BackupStore.open(to, s3)
        let id = try await session.volume(volume)
        let name = session.wording.name(of: id)
        let image = try await session.during("opening volume '\(name)'") { _ in
            try await backend.store.access.image(id, as: credentials)
        }
        let work = BackupWork(isQuiet: output.quiet)
        let outcome = try await work.changing("backing up volume '\(name)'") {
            try await BackupCreation(store, of: image, for: BackupWork.owner, isFull: full, work.progress).run()
        }
        let report = BackupReport(outcome.manifest)
        try session.show(report, lines: output.quiet ? [report.id] : report.lines(session.terminal))
        if outcome.wasBegun { session.note("this backup had been begun before; it was gone on with") }
        for note in outcome.notes { session.warn(note) }
    }
}
