import ArgumentParser
import Backups
import CephVolumes
import CommandNames
import ExactText
import Volumes

/// `nacre backup forget`.
struct BackupForget: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove from a volume what the backups of a place keep on it, when that place is gone for good.",
        discussion: """
            The last backup to each place keeps a snapshot on the volume's image until the next one to that place. Where no \
            next one comes, it stays and takes space: this command removes it, and its record. Shows what goes and asks for \
            the volume's name. Backups are not touched, wherever they are; a place that is not gone makes its next backup in \
            full.

            A place is known by an id, for directories of two machines may have one path. With several places on the volume, \
            --chain says which one is meant; --plan shows them all.

            EXAMPLES
              nacre backup forget data --plan
              nacre backup forget data --chain 7f3a
              nacre backup forget data --chain 7f3a --yes
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Option(help: "The place that is gone: its id as --plan shows it, or how that begins; not needed for the only one.")
    var chain: String?

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Ceph") var connection: BackupConnection
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        // A variable of a script that is not set would mean any place.
        guard chain?.isEmpty != true else {
            throw ValidationError("the place's id is empty; --plan shows those there are")
        }
    }

    func run() async throws {
        let ceph = try connection.ceph()
        let credentials = try ceph.credentials()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let id = try await session.volume(volume)
        let name = session.wording.name(of: id)
        let traces = try await session.during("reading what backups keep on volume '\(name)'") { _ in
            BackupTraces(on: try await backend.store.access.image(id, as: credentials))
        }
        let all = try await session.during("reading what backups keep on volume '\(name)'") { _ in
            try await traces.all()
        }
        guard !confirmation.plan else {
            let shown = try chain == nil ? all : chosen(all, name)
            return try session.show(shown.map { Report($0) }, lines: Report.table(shown, session.terminal))
        }
        let meant = try chosen(all, name)
        guard !meant.isEmpty else {
            try session.show([Report](), lines: [])
            let others = Set(all.compactMap(\.chain)).sortedExactly().map(\.printable).joined(separator: ", ")
            session.note(
                chain == nil || others.isEmpty
                    ? "no backup keeps anything on volume '\(name)'"
                    : "no place whose id begins with '\(chain?.printable ?? "")' keeps anything on volume '\(name)'; there are \(others)"
            )
            return
        }
        let places = Set(meant.filter { $0.chain != nil }.map(\.destination)).sortedExactly()
        let deed =
            places.isEmpty
            ? "remove snapshots of no use from volume '\(name)'"
            : "forget the backups of volume '\(name)' at \(places.map { "'\($0.printable)'" }.joined(separator: " and "))"
        try await session.confirm(confirmation, deed, word: name, plan: Report.table(meant, session.terminal))
        try await session.changing("removing what backups keep on volume '\(name)'", "see nacre backup forget --plan") {
            _ in
            try await traces.remove(meant)
        }
        try session.show(
            meant.map { Report($0) },
            lines: output.quiet ? [] : meant.map { "removed the snapshot of backup \($0.backup)" }
        )
    }

    /// What of all goes: what the place that is meant keeps, and snapshots that are no place's.
    private func chosen(_ all: [BackupTraces.Trace], _ name: String) throws -> [BackupTraces.Trace] {
        let chains = Set(all.compactMap(\.chain)).filter { $0.startsExactly(with: chain ?? "") }.sortedExactly()
        guard chains.count < 2 else {
            throw CommandFailure(
                .usage,
                "\(chains.count) places keep snapshots on volume '\(name)'; name the one that is gone by --chain: "
                    + chains.map(\.printable).joined(separator: ", ")
            )
        }
        // With an id that is nowhere nothing is meant.
        guard chain == nil || !chains.isEmpty else { return [] }
        return all.filter { trace in trace.chain.map { chains.containsExactly($0) } ?? true }
    }

    private struct Report: Encodable {
        let backup: String
        let chain: String?
        let destination: String
        let owner: String
        let created: String?

        init(_ trace: BackupTraces.Trace) {
            backup = trace.backup
            chain = trace.chain
            destination = trace.destination
            owner = trace.owner
            created = trace.created
        }

        /// For a person, a snapshot a line.
        static func table(_ traces: [BackupTraces.Trace], _ terminal: Terminal) -> [String] {
            guard !traces.isEmpty else { return [] }
            var table = Table("CHAIN", "PLACE", "BACKUP", "SNAPSHOT", "MADE BY")
            table.rows = traces.map { trace in
                [
                    trace.chain?.printable ?? "none", trace.chain == nil ? "none" : trace.destination.printable,
                    trace.backup, trace.created ?? "gone", trace.owner.isEmpty ? "unknown" : trace.owner.printable,
                ]
            }
            return table.lines { terminal.colored($0, .bold) }
        }
    }
}
