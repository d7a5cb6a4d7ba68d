import ArgumentParser
import CephVolumes
import CommandNames
import ExactText
import KubernetesAPI
import Provisioner
import RBD
import Secrets
import Timestamps
import Volumes
import YAML

/// `nacre volume undelete`.
struct VolumeUndelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undelete",
        abstract: "Take a deleted volume out of Ceph's trash again, with its data, and give it back to its claim.",
        discussion: """
            Works for as long as the volume is kept: see --trash-retention of the service, and trashRetention of a class. \
            Without a volume it lists those that can be had back. Works on Ceph itself, without the service. A volume that \
            is there already is a success, and is said.

            Where a Kubernetes is named, by --kubeconfig, KUBECONFIG or as a pod, the PersistentVolume that the volume had \
            comes back too, for the claim that it had, and the claim is made if it is not there. A repetition goes on where \
            it was broken off.

            EXAMPLES
              nacre volume undelete
              nacre volume undelete data --kubeconfig ~/.kube/config --plan
              nacre volume undelete data --pool replicapool --image-only
            """
    )

    @Argument(help: VolumeName.help, completion: Completion.deletedVolumes)
    var volume: VolumeName?

    @Option(help: "The pool it was in; all without.", completion: Completion.pools)
    var pool: String?

    @Option(help: "The cluster's clusterID in config.json; all without.", completion: Completion.clusters)
    var cluster: String?

    @Option(
        help: ArgumentHelp(
            "Which one, by its IMAGE-ID, where volumes of that name were deleted more than once.",
            valueName: "id"
        )
    )
    var imageID: String?

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

    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard imageID == nil || volume != nil else { throw ValidationError("--image-id goes with a volume") }
        guard !imageOnly || (claim == nil && kubeconfig == nil && context == nil) else {
            throw ValidationError("--image-only goes with neither --claim nor --kubeconfig nor --context")
        }
    }

    func run() async throws {
        let what = volume.map { "volume '\($0)' was" } ?? "anything was"
        try await Interruption.beforeAnything("\(what) restored") { try await work() }
    }

    private func work() async throws {
        let credentials = try ceph.credentials()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let answers = try await session.during("reading the trash") {
            deadline -> [Result<[DeletedVolume], VolumeError>] in
            // A handle says where to look, and that nothing else is meant.
            let (clusterID, pool) = (cluster ?? volume?.handle?.clusterID, pool ?? volume?.handle?.pool)
            return try await answered(by: deadline) {
                try await backend.store.trash.deletedVolumes(
                    clusterID: clusterID,
                    pool: pool,
                    credentials: credentials,
                    until: deadline
                )
            }
        }
        let (all, missing) = Session.gathered(answers)
        if all.isEmpty, missing == nil, let lack = await backend.lackOfClusters() { throw lack }
        guard let volume else {
            let lines = all.isEmpty ? [] : DeletedVolumeReport.table(all, session.terminal)
            try session.show(all.map { DeletedVolumeReport($0) }, lines: output.quiet ? all.map { "\($0.id)" } : lines)
            await session.noteConfigurationFaults()
            if let missing {
                let hasLooked = answers.contains { if case .success = $0 { true } else { false } }
                try session.tell(missing, besides: hasLooked, pool: pool)
            }
            let seen = missing == nil ? "" : ", of what was looked at"
            if all.isEmpty { session.note("there is no deleted volume that can be had back\(scope)\(seen)") }
            return
        }
        let found = try await find(volume, all, missing, session, backend, credentials)
        let name = (found.metadata[ImageMetadataKey.requestName] ?? found.id.image).onOneLine
        let objects = try imageOnly ? nil : keptObjects(found)
        let restoration = try objects.map { ObjectRestoration(try client(), $0, handle: "\(found.id)") }
        if let restoration {
            _ = try await session.during("looking for what is in the way") { deadline in
                try await answered(by: deadline) { try await restoration.check() }
            }
        }
        let report = DeletedVolumeReport(found, objects)
        guard !plan else {
            let image =
                found.deleted == nil ? "the image is there already" : "would restore image \(found.id.imageSpec)"
            return try session.show(report, lines: [image] + Self.manifests(objects))
        }
        if let deleted = found.deleted {
            try await session.changing("restoring volume '\(name)'", "see nacre volume undelete") { deadline in
                try await answered(by: deadline) {
                    try await backend.store.trash.undelete(deleted, credentials: credentials)
                }
            }
        }
        if let restoration {
            let title = "bringing volume '\(name)' back to Kubernetes"
            try await session.changing(title, "see nacre volume undelete") { deadline in
                try await answered(by: deadline) { try await restoration.restore() }
            }
        }
        var lines = found.deleted == nil ? [] : ["undeleted \(name) (\(found.id))"]
        if let objects { lines.append("PersistentVolume \(objects.name) is there, for claim \(objects.claimName)") }
        try session.show(report, lines: output.quiet ? [] : lines)
        if found.deleted == nil { session.note("the image of volume '\(name)' is there, and not in the trash") }
    }

    /// A volume in the trash, or one that is there.
    struct Found {
        let id: VolumeID
        let deleted: DeletedVolume?
        let metadata: [String: String]
    }

    private var scope: String {
        "\(pool.map { " in pool '\($0)'" } ?? "")\(cluster.map { " of cluster '\($0)'" } ?? "")"
    }

    private func find(
        _ volume: VolumeName,
        _ all: [DeletedVolume],
        _ missing: VolumeError?,
        _ session: Session,
        _ backend: DirectBackend,
        _ credentials: Credentials
    ) async throws -> Found {
        let named = all.filter { volume.names($0.id, called: $0.metadata[ImageMetadataKey.requestName]) }
            .sorted { $0.deletedAt > $1.deletedAt }
        let found = named.filter { imageID?.isExactly($0.imageID) ?? true }
        if let newest = found.first {
            if let other = found.dropFirst().first(where: { $0.id != newest.id }) {
                throw CommandFailure(.usage, "'\(volume)' may be '\(newest.id)' or '\(other.id)'; name one of them")
            }
            guard found.count == 1 else {
                throw CommandFailure(
                    .usage,
                    "'\(volume)' was deleted \(found.count) times; choose one by --image-id:\(Self.choice(found))"
                )
            }
            if let missing { session.note("took '\(newest.id)', but not everywhere was looked: \(missing.message)") }
            return Found(id: newest.id, deleted: newest, metadata: newest.metadata)
        }
        if let imageID {
            throw CommandFailure(
                .notFound,
                "there is no deleted volume '\(volume)' with image id '\(imageID)' in the trash\(scope); "
                    + (named.isEmpty
                        ? "nacre volume undelete shows those there are" : "there are:\(Self.choice(named))")
            )
        }
        let (pool, cluster) = (pool ?? volume.handle?.pool, cluster ?? volume.handle?.clusterID)
        let list = try await session.during("looking for volume '\(volume)'") { deadline in
            try await session.volumes(limit: nil, deadline: deadline).within(pool: pool, cluster: cluster)
        }
        let present = list.volumes.filter { volume.names($0.id, called: $0.facts.name) }
        guard present.count < 2 else {
            let candidates = present.map { "\n  \($0.id)" }.joined()
            throw CommandFailure(
                .usage,
                "'\(volume)' is the name of \(present.count) volumes; name one of\(candidates)"
            )
        }
        let refusal = Self.refused(await session.backend.refusedPools(), pool, cluster)
        let unseen = missing ?? list.missing ?? refusal
        guard let id = present.first?.id else {
            if let unseen {
                throw CommandFailure(
                    ExitStatus(unseen.code),
                    "no deleted volume '\(volume)' was found, but not everywhere was looked: \(unseen.message)"
                )
            }
            let near = CommandNames.nearest(
                to: volume.description,
                of: all.compactMap { $0.metadata[ImageMetadataKey.requestName] }
            )
            throw CommandFailure(
                .notFound,
                "there is no deleted volume '\(volume)' in the trash\(scope); "
                    + (near.map { "did you mean '\($0)'?" } ?? "nacre volume undelete shows those there are")
            )
        }
        if let missing { session.note("took '\(id)', but not everywhere was looked: \(missing.message)") }
        let metadata = try await session.during("reading what image '\(id.imageSpec)' says of itself") { deadline in
            try await answered(by: deadline) {
                try await backend.store.metadata(of: id, credentials: credentials) ?? [:]
            }
        }
        return Found(id: id, deleted: nil, metadata: metadata)
    }

    /// Deleted volumes of one name, each on a line.
    private static func choice(_ volumes: [DeletedVolume]) -> String {
        let now = ThisMachine.now
        return volumes.map { volume in
            let since = Age(of: volume.deletedAt.components.seconds, at: now)
            return
                "\n  \(volume.imageID)  deleted \(since) ago at \(Timestamp.text(volume.deletedAt))"
        }.joined()
    }

    /// Why pools that are meant could not be looked into.
    private static func refused(_ pools: [RefusedPool], _ pool: String?, _ cluster: String?) -> VolumeError? {
        let meant = pools.filter { pool?.isExactly($0.pool) ?? true && cluster?.isExactly($0.clusterID) ?? true }
        return Session.refusal(meant).map { VolumeError(.permissionDenied, $0) }
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
        do {
            return try ClusterAccess(kubeconfigOrEnvironment: kubeconfig, context: context).client()
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
}

/// Reads `namespace/name`.
private func claimName(_ text: String) throws -> ClaimName {
    let parts = text.parts(at: "/")
    guard parts.count == 2, !parts.contains(where: \.isEmpty) else {
        throw ValidationError("'\(text)' is not namespace/name")
    }
    return ClaimName(namespace: parts[0], name: parts[1])
}
