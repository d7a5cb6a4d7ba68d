import ArgumentParser
import Volumes

/// `nacre volume delete`.
struct VolumeDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a volume and what it holds.",
        discussion: """
            Shows the volume and asks for its image's name. Refused while anybody has the image open. A volume that is \
            gone is a success. With --direct the command stays until the image is gone from Ceph's trash.

            EXAMPLES
              nacre volume delete data
              nacre volume delete data --yes
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Flag(help: "Do not ask; needed where there is no terminal.")
    var yes = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, output)
        let id = try await session.volume(volume)
        guard ImageName.endsInUUID(id.image) else {
            throw CommandFailure(.usage, "image '\(id.imageSpec)' is no volume: its name does not end in a UUID")
        }
        guard let status = try await session.present(id) else {
            try session.show(DeletionReport(volumeId: "\(id)", deleted: false), lines: ["\(id) is gone already"])
            return
        }
        if !yes { try session.confirmDeletion(status) }
        try await session.during("deleting volume '\(id)'") {
            try await session.backend.delete("\(id)", credentials: credentials, deadline: $0)
        }
        let backend = session.backend
        let rest = try await session.during("emptying the trash", step: { backend.purgeStep }) {
            await backend.emptyTrash(deadline: $0)
        }
        try session.show(
            DeletionReport(volumeId: "\(id)", deleted: true),
            lines: output.quiet ? [] : ["deleted \(id)"]
        )
        if let rest { session.note("the image is still in Ceph's trash: \(rest)") }
    }
}
