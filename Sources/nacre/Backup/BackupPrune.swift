import ArgumentParser
import Backups
import CommandNames
import Volumes

/// `nacre backup prune`.
struct BackupPrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove a volume's old backups, and what only they needed.",
        discussion: """
            Kept are the last backups, and the last one of each of the last days, weeks (from Monday) and months, in UTC, in \
            which there are any. A chunk goes when no kept backup needs it.

            EXAMPLES
              nacre backup prune data --from /srv/backups --keep-last 3 --plan
              nacre backup prune data --from /srv/backups --keep-daily 7 --keep-weekly 4
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Option(help: "How many of the last ones are kept.")
    var keepLast = 0

    @Option(help: "Of how many days the last one is kept.")
    var keepDaily = 0

    @Option(help: "Of how many weeks the last one is kept.")
    var keepWeekly = 0

    @Option(help: "Of how many months the last one is kept.")
    var keepMonthly = 0

    @Flag(help: "Show what would be removed, and stop.")
    var plan = false

    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    private var retention: Retention {
        get throws(VolumeError) {
            try Retention(last: keepLast, daily: keepDaily, weekly: keepWeekly, monthly: keepMonthly)
        }
    }

    func validate() throws {
        do throws(VolumeError) {
            _ = try retention
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        let retention = try retention
        let store = try await source.store()
        let work = BackupWork(isQuiet: output.quiet)
        let id = try await work("reading backups") { try await store.volume(volume) }
        if plan {
            try await store.requireBackups(of: id)
            let backups = try await work("reading backups") { try await store.backups(of: id).backups }
            let kept = retention.kept(of: backups.map { ($0.id, $0.created) })
            let reports = backups.filter { !kept.contains($0.id) }.map { BackupReport($0) }
            if let text = try output.output.text(reports) { return print(text) }
            for report in reports { print("would remove \(report.id), \(report.created)") }
            return
        }
        let removal = try await work.changing("removing old backups of volume '\(volume)'") {
            try await store.remove(from: id, for: BackupWork.owner, work.progress) { backups in
                Set(backups.map(\.id)).subtracting(retention.kept(of: backups.map { ($0.id, $0.created) }))
            }
        }
        try removal.show(output)
    }
}

extension BackupStore.Removal {
    /// Prints what went.
    func show(_ output: OutputOptions) throws {
        if unknown > 0 {
            Terminal.say(
                "nacre: \(unknown) chunks and maps stay that no backup here needs, for nothing says whose they are; the manifest "
                    + "of a backup may be lost\n"
            )
        }
        let reports = removed.map { BackupReport($0) }
        if let text = try output.output.text(reports) { return print(text) }
        guard !output.quiet else { return }
        for report in reports { print("removed \(report.id), \(report.created)") }
        if objects > 0 { print("removed \(objects) chunks and maps that nothing needs any more") }
    }
}
