import ArgumentParser
import Backups
import CephVolumes
import ExactText
import Volumes

/// `nacre backup restore`.
struct BackupRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a new volume of a backup, in the same or another cluster.",
        discussion: """
            The volume is made as by nacre volume create, then all of the backup is written to it and read back from Ceph. A \
            restore that was interrupted goes on with the same command. Until it is done the volume is to be left alone: a file \
            system on it cannot be mounted, for its beginning is written last. Nothing is ever restored over data.

            EXAMPLES
              nacre backup restore 4c1d --from /srv/backups --name data2 --pool rbd
              nacre backup restore 4c1d --from /srv/b --name d --cluster ceph-b --pool rbd
            """
    )

    @Argument(help: "The backup's id, or how it begins.")
    var backup: String

    @OptionGroup(title: "Backups") var source: BackupSource

    @Option(help: "The new volume's name, 1 to 128 bytes.")
    var name: String

    @Option(
        help: "The cluster's clusterID in config.json; not needed when there is one alone.",
        completion: Completion.clusters
    )
    var cluster: String?

    @Option(help: "The RBD pool of the image.", completion: Completion.pools)
    var pool: String?

    @Option(
        name: .customLong("parameter"),
        help: ArgumentHelp("Any parameter of a ceph-csi StorageClass; may be repeated.", valueName: "key=value")
    )
    var pairs: [String] = []

    @OptionGroup(title: "Ceph") var connection: BackupConnection
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard !name.isEmpty else { throw ValidationError("the volume's name is empty") }
        for pair in pairs where pair.firstIndex(of: "=").map({ $0 == pair.startIndex }) ?? true {
            throw ValidationError("--parameter '\(pair)' is not key=value")
        }
    }

    func run() async throws {
        let ceph = try connection.ceph()
        let credentials = try ceph.credentials()
        let store = try await source.store()
        let work = BackupWork(isQuiet: output.quiet)
        let manifest = try await work("reading backups") { try await store.backup(backup) }
        let request = CreateVolumeRequest(
            name: name,
            range: try CapacityRange(requiredBytes: Int64(clamping: manifest.sizeBytes), limitBytes: 0),
            capabilities: [manifest.capability],
            parameters: try parameters(manifest),
            credentials: credentials
        )
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let volume = try await session.changing("creating volume '\(name)'", "see nacre volume show \(name.shellWord)")
        {
            try await session.backend.create(request, deadline: $0)
        }
        let outcome = try await work.changing("restoring volume '\(name)'") {
            let image = try await backend.store.access.image(volume.id, as: credentials)
            return try await Restoration(of: manifest, from: store, into: image, work.progress).run()
        }
        let report = Report(
            volumeId: "\(volume.id)",
            name: name,
            backup: manifest.id,
            writtenBytes: outcome.writtenBytes,
            checksum: "\(outcome.checksum)"
        )
        try session.show(
            report,
            lines: output.quiet
                ? [report.volumeId]
                : [
                    "restored \(name) (\(report.volumeId)) from backup \(manifest.id) of \(manifest.created)",
                    "read back and compared: SHA-256 \(report.checksum)",
                ]
        )
        if outcome.wasBegun { session.note("this restore had been begun before; it was gone on with") }
    }

    /// The class' parameters: what the options say, and what the volume's node needs, as the backup has it.
    private func parameters(_ manifest: Manifest) throws -> [String: String] {
        var options: [String] = []
        if let pool { options += ["--pool", pool] }
        if let cluster { options += ["--cluster", cluster] }
        for pair in pairs { options += ["--parameter", pair] }
        let given = try CreateOptions.parse(options).parameters(config: connection.config)
        return manifest.facts.nodeParameters.merging(given) { $1 }
    }

    private struct Report: Encodable {
        let volumeId: String
        let name: String
        let backup: String
        let writtenBytes: UInt64
        let checksum: String
    }
}

extension Manifest {
    /// What is known of the volume.
    fileprivate var facts: VolumeFacts { VolumeFacts(metadata: metadata) }

    /// How it was used.
    fileprivate var capability: VolumeCapability {
        let fileSystem = facts.fileSystem ?? ""
        return VolumeCapability(
            fileSystem.isExactly("block") ? .block : .mount(MountAccess(fsType: fileSystem)),
            mode: AccessModeChoice.readWriteOnce.mode
        )
    }
}
