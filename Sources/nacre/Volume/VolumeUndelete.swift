import ArgumentParser
import CephVolumes
import ExactText
import KubernetesAPI
import Provisioner
import RBD
import Secrets
import Volumes
import YAML

/// `nacre volume undelete`.
struct VolumeUndelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undelete",
        abstract: "Take a deleted volume out of Ceph's trash again, with its data, and give it back to its claim.",
        discussion: """
            Works for as long as the volume is kept: see --trash-retention of the service, and trashRetention of a class. \
            Without a volume it lists those that can be had back. Works on Ceph itself, without the service.

            Where a Kubernetes is named, by --kubeconfig, KUBECONFIG or as a pod, the PersistentVolume that the volume had \
            comes back too, for the claim that it had, and the claim is made if it is not there. A repetition goes on where it was broken off.

            EXAMPLES
              nacre volume undelete --pool replicapool
              nacre volume undelete data --pool replicapool --kubeconfig ~/.kube/config --plan
              nacre volume undelete data --pool replicapool --image-only
            """
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName?

    @Option(help: "The pool it was in.")
    var pool: String

    @Option(help: "The cluster's clusterID in config.json; may be left out where there is one.")
    var cluster: String?

    @Flag(help: "Show what would be made, and stop.")
    var plan = false

    @Flag(help: "Restore the image alone, whatever Kubernetes there is.")
    var imageOnly = false

    @Option(
        help: ArgumentHelp("Give it to this claim, not to the one that it had.", valueName: "namespace/name"),
        transform: claimName
    )
    var claim: ClaimName?

    @Option(help: "A kubeconfig; without one the pod's own service account (KUBECONFIG).", completion: .file())
    var kubeconfig: String?

    @Option(help: "The kubeconfig's context; its current one without.")
    var context: String?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard !imageOnly || (claim == nil && kubeconfig == nil && context == nil) else {
            throw ValidationError("--image-only goes with neither --claim nor --kubeconfig nor --context")
        }
    }

    func run() async throws {
        let credentials = try connection.credentials()
        let backend = try DirectServices.controller(connection)
        let session = Session(backend, connection, output)
        let clusterID = try clusterID()
        let all = try await session.during("reading the trash of pool '\(pool)'") { _ in
            try await backend.store.deletedVolumes(clusterID: clusterID, pool: pool, credentials: credentials)
        }
        guard let volume else {
            let report = all.map { DeletedVolumeReport($0) }
            return try session.show(report, lines: report.isEmpty ? [] : DeletedVolumeReport.table(report))
        }
        let found = try await find(volume, all, session, backend, credentials)
        let objects = try imageOnly ? nil : keptObjects(found)
        let restoration = try objects.map { ObjectRestoration(try client(), $0, handle: "\(found.id)") }
        if let restoration {
            try await session.during("looking for what is in the way") { _ in try await restoration.check() }
        }
        let report = DeletedVolumeReport(found, objects)
        guard !plan else {
            let image =
                found.deleted == nil ? "the image is there already" : "would restore image \(found.id.imageSpec)"
            return try session.show(report, lines: [image] + Self.manifests(objects))
        }
        if let deleted = found.deleted {
            try await session.during("restoring volume '\(found.id)'") { _ in
                try await backend.store.undelete(deleted, credentials: credentials)
            }
        }
        if let restoration {
            try await session.during("bringing volume '\(found.id)' back to Kubernetes") { _ in
                try await restoration.restore()
            }
        }
        var lines = ["undeleted \(found.id)"]
        if let objects { lines.append("PersistentVolume \(objects.name) is there, for claim \(objects.claimName)") }
        try session.show(report, lines: output.quiet ? [] : lines)
    }

    /// A volume in the trash, or one that an earlier try has restored.
    struct Found {
        let id: VolumeID
        let deleted: DeletedVolume?
        let metadata: [String: String]
    }

    private func find(
        _ volume: VolumeName,
        _ all: [DeletedVolume],
        _ session: Session,
        _ backend: DirectBackend,
        _ credentials: Credentials
    ) async throws -> Found {
        let found = all.filter { $0.id == volume.handle || volume.names($0.id) }.sorted { $0.deletedAt > $1.deletedAt }
        if let newest = found.first {
            if let other = found.dropFirst().first(where: { $0.id != newest.id }) {
                throw CommandFailure(.usage, "'\(volume)' may be '\(newest.id)' or '\(other.id)'; name one of them")
            }
            return Found(id: newest.id, deleted: newest, metadata: newest.metadata)
        }
        if !imageOnly, let id = try await session.find(volume) {
            let metadata = try await backend.store.metadata(of: id, credentials: credentials) ?? [:]
            if metadata[ImageMetadataKey.persistentVolume] != nil {
                return Found(id: id, deleted: nil, metadata: metadata)
            }
        }
        throw CommandFailure(.notFound, "there is no deleted volume '\(volume)' in the trash of pool '\(pool)'")
    }

    /// What its image keeps of Kubernetes; nothing for a volume that had no PersistentVolume, unless a Kubernetes was named.
    private func keptObjects(_ found: Found) throws -> KeptObjects? {
        let note = found.metadata[ImageMetadataKey.persistentVolume]
        if note == nil, claim == nil, kubeconfig == nil, context == nil { return nil }
        guard let objects = note.flatMap({ KeptObjects(note: $0, claim: claim) }) else {
            throw CommandFailure(
                .usage,
                "the image of '\(found.id)' does not say which PersistentVolume it had: it had none, or an earlier release "
                    + "deleted it; restore the image by --image-only"
            )
        }
        return objects
    }

    private func client() throws -> KubernetesClient {
        var words: [String] = []
        if let kubeconfig { words += ["--kubeconfig", kubeconfig] }
        if let context { words += ["--context", context] }
        do {
            let identity = try ClusterAccess(try ControllerOptions.parse(words)).identity()
            return try KubernetesClient(identity, userAgent: "nacre/\(Nacre.version)")
        } catch let failure as CommandFailure {
            throw CommandFailure(failure.status, "\(failure.message); or restore the image alone by --image-only")
        }
    }

    private static func manifests(_ objects: KeptObjects?) -> [String] {
        guard let objects else { return [] }
        return [objects.volume, objects.claim].flatMap { object in
            ["---"] + object.yaml.parts(at: "\n", omittingEmpty: true)
        }
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

/// A deleted volume, for the table and for scripts.
struct DeletedVolumeReport: Encodable {
    let volumeId: String
    /// Nothing once it is restored, as are the next two.
    let imageId: String?
    /// Seconds since 1970.
    let deletedAt: Int64?
    /// Seconds since 1970.
    let keptUntil: Int64?
    /// The claim that had it, or gets it: `namespace/name`.
    let claim: String?
    /// The PersistentVolume that it had.
    let persistentVolume: String?

    init(_ volume: DeletedVolume) {
        let note = volume.metadata[ImageMetadataKey.persistentVolume]
        self.init(
            VolumeUndelete.Found(id: volume.id, deleted: volume, metadata: volume.metadata),
            note.flatMap { KeptObjects(note: $0, claim: nil) }
        )
    }

    init(_ found: VolumeUndelete.Found, _ objects: KeptObjects?) {
        volumeId = "\(found.id)"
        imageId = found.deleted?.imageID
        deletedAt = found.deleted?.deletedAt.components.seconds
        keptUntil = found.deleted?.keptUntil.components.seconds
        claim = objects?.claimName.description
        persistentVolume = objects?.name
    }

    static func table(_ reports: [DeletedVolumeReport]) -> [String] {
        let now = Duration.sinceEpoch.components.seconds
        var table = Table("VOLUME", "DELETED", "KEPT FOR", "ITS CLAIM WAS")
        table.rows = reports.map { report in
            [
                report.volumeId, "\(now - (report.deletedAt ?? now))s ago",
                "\(max(0, (report.keptUntil ?? now) - now))s",
                report.claim ?? "not noted",
            ]
        }
        return table.lines()
    }
}

/// Reads `namespace/name`.
private func claimName(_ text: String) throws -> ClaimName {
    let parts = text.parts(at: "/")
    guard parts.count == 2, !parts.contains(where: \.isEmpty) else {
        throw ValidationError("'\(text)' is not namespace/name")
    }
    return ClaimName(namespace: parts[0], name: parts[1])
}
