import ArgumentParser
import Volumes

/// `nacre volume expand`.
struct VolumeExpand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expand",
        abstract: "Grow a volume; one that is large enough stays as it is.",
        discussion: """
            Where the volume is in use, its device and file system have to be told: --path names where it is mounted or \
            mapped on this machine.

            EXAMPLES
              nacre volume expand data --size 20GiB
              nacre volume expand data --size 20GiB --path /mnt/data
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Option(help: "The size to have at least: 20GiB, 20Gi, 20G or bytes; rounded up to whole MiB.", transform: quantity)
    var size: Quantity

    @Option(help: "Where the volume is mounted or mapped on this machine; grows device and file system too.")
    var path: LocalPath?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let credentials = try connection.credentials()
        let range = try CapacityRange(requiredBytes: Int64(clamping: size.bytes), limitBytes: 0)
        let session =
            try await path == nil
            ? Session(connection, output) : Session(connection, local, output)
        let id = try await session.volume(volume)
        let grown = try await session.during("growing volume '\(id)'") { deadline in
            let request = ExpandVolumeRequest(
                volumeID: "\(id)",
                range: range,
                capability: nil,
                credentials: credentials
            )
            var grown = try await session.backend.expand(request, deadline: deadline)
            guard let path else { return grown }
            let onNode = NodeExpandRequest(
                volumeID: "\(id)",
                volumePath: path.absolute,
                stagingPath: "",
                range: range,
                capability: nil
            )
            grown.capacityBytes = try await session.backend.expandOnNode(onNode, deadline: deadline)
            grown.nodeExpansionRequired = false
            return grown
        }
        let report = ExpansionReport(
            volumeId: "\(id)",
            capacityBytes: grown.capacityBytes,
            nodeExpansionRequired: grown.nodeExpansionRequired
        )
        try session.show(report, lines: output.quiet ? [] : ["\(id) has \(VolumeReport.size(grown.capacityBytes))"])
        if grown.nodeExpansionRequired { session.note("where it is mounted or mapped, repeat this with --path") }
    }
}
