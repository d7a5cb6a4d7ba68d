import ArgumentParser
import Volumes

/// `nacre volume list`.
struct VolumeList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the volumes of all clusters and pools.",
        discussion: """
            Volumes are the images whose names end in a UUID; other images are passed over.

            EXAMPLES
              nacre volume list
              nacre volume list --quiet --max 20
              nacre volume list --output json | jq -r '.[].volumeId'
            """
    )

    @Option(help: "The most volumes to list; all of them without.")
    var max: Int?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard max.map({ $0 > 0 }) ?? true else { throw ValidationError("--max must be at least 1") }
    }

    func run() async throws {
        let session = try await Session(connection, output)
        let (volumes, isCut) = try await session.during("listing volumes") { deadline in
            try await session.volumes(limit: max, deadline: deadline)
        }
        var table = Table("VOLUME ID", "SIZE", "IMAGE")
        table.rows = volumes.map { ["\($0.id)", $0.capacityBytes.inBinaryUnits, $0.id.imageSpec] }
        let lines = table.lines { session.terminal.colored($0, .bold) }
        try session.show(
            volumes.map { VolumeReport($0) },
            lines: output.quiet ? volumes.map { "\($0.id)" } : lines
        )
        if isCut { session.note("there are more volumes than --max \(volumes.count)") }
    }
}
