import ArgumentParser
import ExactText
import Volumes

/// `nacre snapshot create`.
struct SnapshotCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Take a snapshot of a volume, or find the one of that name.",
        discussion: """
            The same command again finds the snapshot it took. A volume in use goes on meanwhile: what its file system had \
            written by then is in the snapshot, as after a power failure.

            EXAMPLES
              nacre snapshot create before-upgrade --volume data
              nacre snapshot create monday --volume replicapool/data --output json
            """
    )

    @Argument(help: "The snapshot's name, 1 to 128 bytes.")
    var name: String

    @Option(name: .customLong("volume"), help: VolumeName.help)
    var volume: VolumeName

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard !name.isEmpty else { throw ValidationError("the snapshot's name is empty") }
        guard !name.holdsDirectionalCharacters else {
            throw ValidationError(
                "the snapshot's name '\(name.printable)' holds a character that changes the direction of the text; leave it "
                    + "out"
            )
        }
    }

    func run() async throws {
        try await Interruption.beforeAnything("snapshot '\(name)' was taken") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, output)
        let id = try await session.volume(volume)
        let title = "taking snapshot '\(name)' of volume '\(session.wording.name(of: id))'"
        let snapshot = try await session.changing(title, "see nacre snapshot show \(name.shellWord)") {
            try await session.backend.createSnapshot(
                CreateSnapshotRequest(name: name, source: "\(id)", credentials: credentials),
                deadline: $0
            )
        }
        let report = SnapshotReport(snapshot, volume: session.wording.name(of: id))
        try session.show(report, lines: output.quiet ? ["\(snapshot.id)"] : report.lines(session.terminal))
    }
}
