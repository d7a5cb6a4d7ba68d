import ArgumentParser
import ExactText
import Volumes

/// `nacre volume mount`.
struct VolumeMount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mount a volume's file system on this machine, making it on a blank volume.",
        discussion: """
            PATH is made when it is missing, and removed by nacre volume unmount; a directory that holds anything is \
            refused, and so is a volume that holds anything but the file system, or was made for none (create --block). \
            A file system is made only on an empty image that Nacre made, or was given (nacre.io/adopted).
            Which file system it is stands on the image: it is asked for once.

            EXAMPLES
              nacre volume mount data /mnt/data
              nacre volume mount data /mnt/data --mount-option noatime
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Argument(help: "Where to mount it.")
    var path: LocalPath

    @Option(
        name: .customLong("fs"),
        help: "The file system to make on a blank volume, or to be there; what create was told without, or else ext4."
    )
    var fileSystem: FileSystemChoice?

    @Flag(help: "Mount it read-only; its file system must be there.")
    var readOnly = false

    @Option(name: .customLong("mount-option"), help: "A mount option such as noatime; may be repeated.")
    var mountOptions: [String] = []

    // Each of them begins with a dash.
    @Option(parsing: .unconditional, help: "Options for mkfs in place of our own, separated by spaces.")
    var mkfsOptions: String?

    @OptionGroup var mounter: MounterOptions

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("volume '\(volume)' was mounted") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, local, output)
        let id = try await session.volume(volume)
        let use = LocalUse(
            volumeID: "\(id)",
            kind: .mount,
            path: path.absolute,
            name: session.wording.name(of: id)
        )
        try await session.begin(
            use,
            of: id,
            in: local.uses,
            as: VolumeCapability(
                .mount(MountAccess(fsType: fileSystem?.rawValue ?? "", mountFlags: mountOptions)),
                mode: readOnly ? .singleNodeReaderOnly : .singleNodeWriter
            ),
            credentials: credentials,
            context: try await session.nodeParameters(of: id).merging(context) { _, given in given },
            check: path.checkMountable
        )
        try session.show(use, inUse: true)
    }

    /// What a StorageClass would say, as far as this command was told.
    var context: [String: String] {
        mounter.context.merging(mkfsOptions.map { ["mkfsOptions": $0] } ?? [:]) { own, _ in own }
    }
}
