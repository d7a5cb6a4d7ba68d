import ArgumentParser
import Volumes

/// `nacre volume create`.
struct VolumeCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a volume, or find the one of that name.",
        discussion: """
            The same command again finds the volume it made. The image is named after the volume: pvc-UUID gives \
            csi-vol-UUID, any other name a UUID that follows from it.

            EXAMPLES
              nacre volume create data --pool replicapool --size 10GiB
              nacre volume create wal --pool replicapool --size 20Gi --block
              nacre volume create logs --cluster ceph-a --pool meta --data-pool ec42
              nacre volume create one --pool rbd --parameter mkfsOptions=-m1
            """
    )

    @Argument(help: "The volume's name, 1 to 128 bytes.")
    var name: String

    @OptionGroup(title: "Volume") var properties: CreateOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let parameters = try properties.parameters(config: connection.config)
        let request = CreateVolumeRequest(
            name: name,
            range: try properties.range,
            capabilities: [properties.capability],
            parameters: parameters,
            credentials: try connection.credentials()
        )
        let session = try await Session(connection, output)
        let volume = try await session.during("creating volume '\(name)'") {
            try await session.backend.create(request, deadline: $0)
        }
        let lines = VolumeReport.lines(volume, terminal: session.terminal)
        try session.show(VolumeReport(volume), lines: output.quiet ? ["\(volume.id)"] : lines)
    }
}
