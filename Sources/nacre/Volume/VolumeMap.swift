import ArgumentParser
import Volumes

/// `nacre volume map`.
struct VolumeMap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map",
        abstract: "Make a volume a block device of this machine.",
        discussion: """
            Prints the device's path. The same command again finds the device. Stages and publishes the volume as a \
            Block volume, as CSI has it; nacre volume unmap takes it back.

            EXAMPLES
              device=$(nacre volume map wal)
              nacre volume map wal --read-only --mounter nbd
              e2fsck -f "$(nacre volume map --repair data)" && nacre volume unmap data
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Flag(help: "Refuse writes.")
    var readOnly = false

    @Flag(help: "Map a volume that was made for a file system, to check or repair that; no node mounts it meanwhile.")
    var repair = false

    @OptionGroup var mounter: MounterOptions

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("volume '\(volume)' was mapped") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, local, output)
        let id = try await session.volume(volume)
        let use = LocalUse(
            volumeID: "\(id)",
            kind: .device,
            path: local.uses.devicePath(of: id),
            name: session.wording.name(of: id)
        )
        try await session.begin(
            use,
            of: id,
            in: local.uses,
            as: VolumeCapability(.block, mode: readOnly ? .singleNodeReaderOnly : .singleNodeWriter),
            credentials: credentials,
            context: try await session.nodeParameters(of: id).merging(mounter.context) { _, given in given }.merging(
                repair ? [StageRequest.repair: "true"] : [:]
            ) { own, _ in own }
        )
        try session.show(use, inUse: true)
    }
}
