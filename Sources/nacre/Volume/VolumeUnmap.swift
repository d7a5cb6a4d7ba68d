import ArgumentParser
import Volumes

/// `nacre volume unmap`.
struct VolumeUnmap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmap",
        abstract: "Take back what nacre volume map did; fine when there is nothing.",
        discussion: """
            EXAMPLE
              nacre volume unmap wal
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let session = try await Session(connection, local, output)
        let id = try await session.volume(volume)
        guard let use = try local.uses.use(of: id) else {
            session.note("volume '\(id)' is not mapped by nacre volume map")
            return
        }
        guard use.kind == .device else {
            throw CommandFailure(.failed, "volume '\(id)' is mounted at '\(use.path)'; use '\(use.kind.opposite)'")
        }
        try await session.end(use, in: local.uses)
        try session.show(use, inUse: false)
    }
}
