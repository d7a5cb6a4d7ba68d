import ArgumentParser
import Volumes

/// `nacre snapshot show`.
struct SnapshotShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a snapshot: its volume, its size, and when it was taken.",
        discussion: """
            EXAMPLES
              nacre snapshot show before-upgrade
              nacre snapshot show before-upgrade --output yaml
            """,
        aliases: ["status", "info", "get"]
    )

    @Argument(help: SnapshotName.help)
    var snapshot: SnapshotName

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let session = try await Session(connection, output)
        let found = try await session.snapshot(snapshot)
        let report = SnapshotReport(found)
        try session.show(report, lines: report.lines(session.terminal))
    }
}
