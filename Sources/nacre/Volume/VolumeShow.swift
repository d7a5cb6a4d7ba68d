import ArgumentParser
import Volumes

/// `nacre volume show`.
struct VolumeShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a volume's size and how it is.",
        discussion: """
            EXAMPLES
              nacre volume show data
              nacre volume show replicapool/csi-vol-0f3a7c52-8f0e-4a5e-9d5a-2f6c3b1d7e90
              nacre volume show data --output yaml
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let session = try await Session(connection, output)
        let id = try await session.volume(volume)
        let status = try await session.during("reading volume '\(id)'") {
            try await session.backend.status(of: "\(id)", deadline: $0)
        }
        try session.show(
            VolumeReport(status.volume, condition: status.condition),
            lines: VolumeReport.lines(status.volume, condition: status.condition, terminal: session.terminal)
        )
    }
}
