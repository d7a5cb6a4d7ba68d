import ArgumentParser
import Volumes

/// `nacre volume unmount`.
struct VolumeUnmount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Take back what nacre volume mount did; fine when there is nothing.",
        discussion: """
            EXAMPLES
              nacre volume unmount /mnt/data
              nacre volume unmount data
            """,
        aliases: ["umount"]
    )

    @Argument(
        help: ArgumentHelp("Where the volume is mounted, or the volume.", valueName: "path or volume"),
        completion: Completion.uses(.mount)
    )
    var target: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("'\(target)' was unmounted") { try await work() }
    }

    private func work() async throws {
        let session = try await Session(connection, local, output)
        try await session.end(target, .mount, in: local.uses)
    }
}
