import ArgumentParser
import Backups
import Volumes

/// `nacre backup list`.
struct BackupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the backups at a place.",
        discussion: """
            EXAMPLES
              nacre backup list --from /srv/backups
              nacre backup list data --from /srv/backups --output json
            """,
        aliases: ["ls"]
    )

    @Argument(help: "The volume whose backups are meant; all of them without.")
    var volume: VolumeName?

    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let store = try await source.store()
        let listing = try await BackupWork(isQuiet: output.quiet)("reading backups") { try await store.backups() }
        let backups = listing.backups.filter { volume?.names($0.volume, called: $0.name) ?? true }
        let reports = backups.map { BackupReport($0) }
        let terminal = Terminal()
        if let text = try output.output.text(reports) {
            print(text)
        } else {
            let lines = output.quiet ? reports.map(\.id) : BackupReport.table(reports, terminal)
            lines.forEach { print($0) }
        }
        for damage in listing.damaged { Terminal.say("nacre: \(damage.message)\n") }
        guard listing.damaged.isEmpty else {
            throw CommandFailure(
                .failed,
                "\(listing.damaged.count) backups at '\(store.name)' are damaged, and not in the list"
            )
        }
    }
}

extension BackupStore {
    /// The volume that a person means, of those that have backups.
    func volume(_ name: VolumeName) async throws -> VolumeID {
        if let handle = name.handle { return handle }
        let listing = try await backups()
        var found: [VolumeID] = []
        for manifest in listing.backups where name.names(manifest.volume, called: manifest.name) {
            if found.last != manifest.volume { found.append(manifest.volume) }
        }
        guard let one = found.first else {
            if let damage = listing.damaged.first { throw damage }
            throw CommandFailure(
                .notFound,
                "there are no backups of a volume '\(name)' at '\(self.name)'; 'nacre backup list' shows those there are"
            )
        }
        guard found.count == 1 else {
            let candidates = found.map { "\n  \($0)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) volumes; name one of\(candidates)")
        }
        return one
    }
}
