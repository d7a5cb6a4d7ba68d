import ArgumentParser
import ExactText
import Volumes

/// `nacre snapshot delete`.
struct SnapshotDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a snapshot.",
        discussion: """
            Shows the snapshot and asks for its name. Volumes that were made from it stay whole. A snapshot that is not \
            there, or not any more, is a success, and is said. The last snapshot of a deleted volume takes the volume's \
            image with it.

            EXAMPLES
              nacre snapshot delete before-upgrade
              nacre snapshot delete before-upgrade --plan
              nacre snapshot delete before-upgrade --yes
            """,
        aliases: ["rm", "remove"]
    )

    @Argument(help: SnapshotName.help)
    var snapshot: SnapshotName

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("snapshot '\(snapshot)' was deleted") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, output)
        guard let found = try await session.find(snapshot, everywhere: true) else {
            // A success would say that it is gone.
            if let lack = await session.backend.lackOfClusters() { throw lack }
            if let fault = await session.backend.configurationFaults().first {
                throw CommandFailure(.tryAgain, "cannot tell whether there is a snapshot '\(snapshot)': \(fault)")
            }
            try session.show(
                SnapshotDeletionReport(snapshotId: snapshot.handle.map { "\($0)" } ?? "\(snapshot)", deleted: false),
                lines: []
            )
            return session.note(
                "there was no snapshot '\(snapshot)' when it was looked for, so nothing was deleted; 'nacre snapshot list' "
                    + "shows those there are"
            )
        }
        let report = SnapshotReport(found)
        let plan = report.lines(session.terminal) + ["and what the volume had then and has no more, for good"]
        guard !confirmation.plan else { return try session.show(report, lines: plan) }
        try await session.confirm(confirmation, "delete snapshot '\(found.title)'", word: found.title, plan: plan)
        try await session.changing("deleting snapshot '\(found.title)'", "see nacre snapshot list") {
            try await session.backend.deleteSnapshot("\(found.id)", credentials: credentials, deadline: $0)
        }
        let backend = session.backend
        let rest = try await session.during("emptying the trash", step: { backend.purgeStep }) {
            await backend.emptyTrash(deadline: $0)
        }
        try session.show(
            SnapshotDeletionReport(snapshotId: "\(found.id)", deleted: true),
            lines: output.quiet ? [] : ["deleted \(found.title)"]
        )
        if let rest { session.note("the image of its volume is still in Ceph's trash: \(rest)") }
    }
}
