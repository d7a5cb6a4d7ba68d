import ArgumentParser
import Backups

/// `nacre backup show`.
struct BackupShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a backup.",
        discussion: """
            EXAMPLES
              nacre backup show 4c1d --from /srv/backups
              nacre backup show 4c1d --from /srv/backups --output yaml
            """
    )

    @Argument(help: "The backup's id, or how it begins.")
    var backup: String

    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let store = try await source.store()
        let manifest = try await BackupWork(isQuiet: output.quiet)("reading backups") { try await store.backup(backup) }
        let report = BackupReport(manifest)
        if let text = try output.output.text(report) {
            print(text)
        } else {
            report.lines(Terminal()).forEach { print($0) }
        }
    }
}
