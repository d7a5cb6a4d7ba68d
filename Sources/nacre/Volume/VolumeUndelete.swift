import ArgumentParser
import CephVolumes
import ExactText
import RBD
import Volumes

/// `nacre volume undelete`.
struct VolumeUndelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undelete",
        abstract: "Take a deleted volume out of Ceph's trash again, with its data.",
        discussion: """
            Works for as long as the volume is kept: see --trash-retention of the service, and trashRetention of a class. \
            Without a volume it lists those that can be had back. Works on Ceph itself, without the service.

            The image comes back, not its PersistentVolume and claim: make a PersistentVolume with the handle that is \
            printed, and a claim that names it.

            EXAMPLES
              nacre volume undelete --pool replicapool
              nacre volume undelete data --pool replicapool
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName?

    @Option(help: "The pool it was in.")
    var pool: String

    @Option(help: "The cluster's clusterID in config.json; may be left out where there is one.")
    var cluster: String?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let credentials = try connection.credentials()
        let backend = try DirectServices.controller(connection)
        let session = Session(backend, connection, output)
        let clusterID = try clusterID()
        let all = try await session.during("reading the trash of pool '\(pool)'") { _ in
            try await backend.store.deletedVolumes(clusterID: clusterID, pool: pool, credentials: credentials)
        }
        guard let volume else {
            let report = all.map(DeletedVolumeReport.init)
            return try session.show(report, lines: report.isEmpty ? [] : DeletedVolumeReport.table(report))
        }
        let found = all.filter { $0.id == volume.handle || volume.names($0.id) }.sorted { $0.deletedAt > $1.deletedAt }
        guard let newest = found.first else {
            throw CommandFailure(.notFound, "there is no deleted volume '\(volume)' in the trash of pool '\(pool)'")
        }
        if let other = found.dropFirst().first(where: { $0.id != newest.id }) {
            throw CommandFailure(.usage, "'\(volume)' may be '\(newest.id)' or '\(other.id)'; name one of them")
        }
        try await session.during("restoring volume '\(newest.id)'") { _ in
            try await backend.store.undelete(newest, credentials: credentials)
        }
        try session.show(DeletedVolumeReport(newest), lines: output.quiet ? [] : ["undeleted \(newest.id)"])
    }

    private func clusterID() throws -> String {
        if let cluster { return cluster }
        let clusters = ClusterConfiguration(path: connection.config).clusters
        guard clusters.count == 1, let only = clusters.first else {
            throw CommandFailure(
                .usage,
                "there are \(clusters.count) clusters in '\(connection.config)'; name one by --cluster"
            )
        }
        return only.clusterID
    }
}

/// A deleted volume, for a person and for a script.
struct DeletedVolumeReport: Encodable {
    let volumeId: String
    let imageId: String
    /// Seconds since 1970.
    let deletedAt: Int64
    /// Seconds since 1970.
    let keptUntil: Int64

    init(_ volume: DeletedVolume) {
        volumeId = "\(volume.id)"
        imageId = volume.imageID
        deletedAt = volume.deletedAt.components.seconds
        keptUntil = volume.keptUntil.components.seconds
    }

    static func table(_ reports: [DeletedVolumeReport]) -> [String] {
        let now = Duration.sinceEpoch.components.seconds
        var table = Table("VOLUME", "DELETED", "KEPT FOR")
        table.rows = reports.map { report in
            [report.volumeId, "\(now - report.deletedAt)s ago", "\(max(0, report.keptUntil - now))s"]
        }
        return table.lines()
    }
}
