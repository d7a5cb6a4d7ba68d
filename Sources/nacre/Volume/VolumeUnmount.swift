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
            """
    )

    @Argument(
        help: "Where the volume is mounted, or the volume.",
        completion: .directory
    )
    var target: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let session = try await Session(connection, local, output)
        guard let use = try await use(session) else {
            session.note("'\(target)' is not mounted by nacre volume mount")
            return
        }
        guard use.kind == .mount else {
            throw CommandFailure(.failed, "volume '\(use.volumeID)' is mapped, not mounted; use '\(use.kind.opposite)'")
        }
        try await session.end(use, in: local.uses)
        try session.show(use, inUse: false)
    }

    private func use(_ session: Session) async throws -> LocalUse? {
        if let path = LocalPath(argument: target), let use = try local.uses.use(at: path.absolute) { return use }
        // No volume's name starts so: it was meant as a path.
        guard !target.hasPrefix("/"), !target.hasPrefix("."), let name = VolumeName(argument: target) else {
            return nil
        }
        return try local.uses.use(of: try await session.volume(name))
    }
}
