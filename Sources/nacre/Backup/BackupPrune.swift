import ArgumentParser
import Backups
import CommandNames
import ExactText
import Volumes

/// `nacre backup prune`.
struct BackupPrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove a volume's old backups, and what only they needed.",
        discussion: """
            Kept are the last backups, and the last one of each of the last days, weeks (from Monday) and months, in UTC, in \
            which there are any. A chunk goes when no kept backup needs it, and it is known to be that of a removed one.

            Chunks of which nothing says whose they are stay, and are counted, for a manifest may be lost and come back from a \
            copy. With --unknown they are what is removed, and nothing else: it shows how many there are and asks for the \
            volume's name. It is refused while a manifest is damaged or a backup is begun.

            EXAMPLES
              nacre backup prune data --from /srv/backups --keep-last 3 --plan
              nacre backup prune data --from /srv/backups --keep-daily 7 --keep-weekly 4
              nacre backup prune data --from /srv/backups --unknown --plan
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

    @Flag(help: "Remove chunks and maps of which nothing says whose they are, and no backup.")
    var unknown = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Backups") var source: BackupSource
    @OptionGroup(title: "Output") var output: OutputOptions

    private var retention: Retention {
        get throws(VolumeError) {
            try Retention(last: keepLast, daily: keepDaily, weekly: keepWeekly, monthly: keepMonthly)
        }
    }

    func validate() throws {
        guard !unknown else {
            guard keepLast == 0, keepDaily == 0, keepWeekly == 0, keepMonthly == 0 else {
                throw ValidationError("--unknown removes no backup; leave --keep-last and the like out")
            }
            return
        }
        guard !confirmation.yes else { throw ValidationError("--yes goes with --unknown alone; nothing else is asked") }
        do throws(VolumeError) {
            _ = try retention
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        let store = try await source.store()
        let work = BackupWork(isQuiet: output.quiet)
        let id = try await work("reading backups") { try await store.volume(volume) }
        guard !unknown else { return try await removeUnknown(of: id, store, work) }
        let retention = try retention
        if confirmation.plan {
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

    private func removeUnknown(of id: VolumeID, _ store: BackupStore, _ work: BackupWork) async throws {
        let found = try await work("looking for what no backup needs") {
            try await store.unknown(of: id, work.progress)
        }
        let what = "\(found.objects) chunks and maps, \(found.bytes.inShort)"
        let words = "\(what), that none of \(found.backups) backups needs"
        guard found.objects > 0, !confirmation.plan else {
            if let text = try output.output.text(UnknownReport(found)) { return print(text) }
            if found.objects == 0 { return print("there is nothing of which nobody knows whose it is") }
            return print("would remove \(words)")
        }
        let name = "\(volume)".printable
        try confirmation.confirm("remove what no backup of volume '\(name)' needs", word: name, plan: [words])
        let gone = try await work.changing("removing what no backup of volume '\(name)' needs") {
            try await store.remove(found, of: id, for: BackupWork.owner, work.progress)
        }
        if let text = try output.output.text(UnknownReport(gone)) { return print(text) }
        if !output.quiet { print("removed \(gone.objects) chunks and maps that no backup needs") }
    }

    private struct UnknownReport: Encodable {
        let objects: Int
        let bytes: UInt64
        let backups: Int

        init(_ unknown: BackupStore.Unknown) {
            (objects, bytes, backups) = (unknown.objects, unknown.bytes, unknown.backups)
        }
    }
}

extension BackupStore.Removal {
    /// Prints what went.
    func show(_ output: OutputOptions) throws {
        if unknown > 0 {
            Terminal.say(
                "nacre: \(unknown) chunks and maps stay that no backup here needs, for nothing says whose they are; the manifest "
                    + "of a backup may be lost; when none is: nacre backup prune --unknown\n"
            )
        }
        let reports = removed.map { BackupReport($0) }
        if let text = try output.output.text(reports) { return print(text) }
        guard !output.quiet else { return }
        for report in reports { print("removed \(report.id), \(report.created)") }
        if objects > 0 { print("removed \(objects) chunks and maps that nothing needs any more") }
    }
}
