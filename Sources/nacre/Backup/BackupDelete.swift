import ArgumentParser
import Backups
import CommandNames
import Volumes

/// `nacre backup delete`.
struct BackupDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Remove one backup, and what only it needed.",
        discussion: """
            Other backups of the volume stay whole, also those that went on from this one.

            EXAMPLES
              nacre backup delete 4c1d --from /srv/backups
              nacre backup delete 4c1d --from /srv/backups --yes
            """,
        aliases: ["rm", "remove"]
    )

    @Argument(help: "The backup's id, or how it begins.")
    var backup: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let store = try await source.store()
        let work = BackupWork(isQuiet: output.quiet)
        let manifest = try await work("reading backups") { try await store.backup(backup) }
        let report = BackupReport(manifest)
        let lines = report.lines(Terminal())
        guard !confirmation.plan else {
            if let text = try output.output.text(report) { return print(text) }
            return lines.forEach { print($0) }
        }
        try confirmation.confirm("delete backup \(manifest.id)", word: manifest.id, plan: lines)
        let removal = try await work.changing("removing backup \(manifest.id)") {
            try await store.remove(from: manifest.volume, for: BackupWork.owner, work.progress) { _ in [manifest.id] }
        }
        try removal.show(output)
    }
}

extension ConfirmationOptions {
    /// Asks on a terminal for what is to be typed, unless `--yes` was given; for commands without a session.
    func confirm(_ deed: String, word: String, plan: [String]) throws {
        guard !yes else { return }
        let agreement = Agreement(to: deed, typing: word, instead: "add --yes")
        guard Terminal().isInteractive else { throw CommandFailure(.usage, agreement.unasked) }
        Terminal.say(agreement.question(plan))
        guard (readLine() ?? "") == word else {
            throw CommandFailure(.failed, agreement.denied("that was not '\(word)'"))
        }
    }
}
