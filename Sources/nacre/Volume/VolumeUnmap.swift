import ArgumentParser
import Volumes

/// `nacre volume unmap`.
struct VolumeUnmap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmap",
        abstract: "Take back what nacre volume map did; fine when there is nothing.",
        discussion: """
            EXAMPLES
              nacre volume unmap wal
              nacre volume unmap "$device"
            """
    )

    @Argument(
        help: ArgumentHelp("The volume, or the path that map printed.", valueName: "volume"),
        completion: Completion.uses(.device)
    )
    var target: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("'\(target)' was unmapped") { try await work() }
    }

    private func work() async throws {
        let session = try await Session(connection, local, output)
        try await session.end(target, .device, in: local.uses)
    }
}
