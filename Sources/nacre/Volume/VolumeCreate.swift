import ArgumentParser
import CephVolumes
import ExactText
import Volumes

/// `nacre volume create`.
struct VolumeCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a volume, or find the one of that name.",
        discussion: """
            The same command again finds the volume it made, and says so. The image is named after the volume: pvc-UUID \
            gives csi-vol-UUID, any other name a UUID that follows from it. The file system is made when the volume is \
            first mounted.

            EXAMPLES
              nacre volume create data --pool replicapool --size 10GiB
              nacre volume create wal --pool replicapool --size 20Gi --block
              nacre volume create logs --cluster ceph-a --pool meta --data-pool ec42
              nacre volume create one --pool rbd --parameter mkfsOptions=-m1
              nacre volume create data-old --from-snapshot before-upgrade
              nacre volume create data-copy --from-volume data --size 20GiB
            """
    )

    @Argument(help: "The volume's name, 1 to 128 bytes.")
    var name: String

    @Option(
        help: """
            The snapshot to make it from, as nacre snapshot show takes it: the volume has what the source had, and its size \
            at least. Cluster and pool are the source's unless they are given.
            """
    )
    var fromSnapshot: SnapshotName?

    @Option(help: "The volume to make it from, as it is now: a copy that costs no copying.")
    var fromVolume: VolumeName?

    @OptionGroup(title: "Volume") var properties: CreateOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard fromSnapshot == nil || fromVolume == nil else {
            throw ValidationError("--from-snapshot and --from-volume exclude each other")
        }
        guard !name.isEmpty else { throw ValidationError("the volume's name is empty") }
        guard !name.holdsDirectionalCharacters else {
            throw ValidationError(
                "the volume's name '\(name.printable)' holds a character that changes the direction of the text; leave it out"
            )
        }
    }

    func run() async throws {
        try await Interruption.beforeAnything("volume '\(name)' was created") { try await work() }
    }

    private func work() async throws {
        if fromSnapshot == nil, fromVolume == nil { _ = try properties.parameters(config: connection.config) }
        let credentials = try connection.credentials()
        let session = try await Session(connection, output)
        let (source, place) = try await source(session)
        let parameters = try properties.parameters(config: connection.config, ofSource: place)
        let request = CreateVolumeRequest(
            name: name,
            range: try properties.range,
            capabilities: [properties.capability],
            parameters: parameters,
            credentials: credentials,
            source: source
        )
        let wasThere = try await isThere(parameters, session)
        var volume = try await session.changing("creating volume '\(name)'", "see nacre volume show \(name.shellWord)")
        {
            do {
                return try await session.backend.create(request, deadline: $0)
            } catch let error as VolumeError {
                throw VolumeError(error.code, properties.asTyped(error.message))
            }
        }
        volume.facts.name = name
        let report = VolumeReport(volume)
        try session.show(report, lines: output.quiet ? ["\(volume.id)"] : report.lines(session.terminal))
        for words in kept(volume, parameters) { session.note(words) }
        if wasThere {
            session.note("volume '\(name)' exists already, with \(volume.capacityBytes.asWritten); nothing was made")
        } else if let size = properties.size, volume.capacityBytes > size.wholeBytes {
            session.note(
                "volume '\(name)' has \(volume.capacityBytes.asWritten), not \(size.bytes.asWritten): its file system takes "
                    + "no less"
            )
        }
    }

    /// What it is made from, and where that lies.
    private func source(_ session: Session) async throws -> (ContentSource?, PoolAddress?) {
        if let fromSnapshot {
            let id = try await session.snapshot(fromSnapshot).id
            return (.snapshot("\(id)"), PoolAddress(clusterID: id.clusterID, pool: id.pool))
        }
        guard let fromVolume else { return (nil, nil) }
        let id = try await session.volume(fromVolume)
        return (.volume("\(id)"), PoolAddress(clusterID: id.clusterID, pool: id.pool))
    }

    /// What a volume that was found has, and was not asked for: it stays.
    private func kept(_ volume: Volume, _ asked: [String: String]) -> [String] {
        ParameterKey.imagesOwn.compactMap { parameterKey, key in
            let parameter = parameterKey.rawValue
            let (has, wanted) = (volume.context[parameter], asked[parameter])
            guard has.map(ExactText.init) != wanted.map(ExactText.init) else { return nil }
            let present = has.map { "\(parameter) '\($0.printable)'" } ?? "no \(parameter)"
            let image = volume.id.imageSpec.shellWord
            let change = wanted.map { "set \(image) \(key) \($0.shellWord)" } ?? "remove \(image) \(key)"
            let asked = wanted.map { "'\($0.printable)'" } ?? "none"
            return "volume '\(name)' has \(present), where \(asked) is asked for, and stays so; to change it: "
                + "rbd image-meta \(change)"
        }
    }

    /// Whether the volume exists before the create, which does not tell a new volume from a found one.
    private func isThere(_ parameters: [String: String], _ session: Session) async throws -> Bool {
        let clusters = ClusterConfiguration(path: connection.config)
        guard let clusterID = parameters["clusterID"], let pool = parameters["pool"],
            let image = try? ImageName.image(
                forRequest: name,
                prefix: parameters["volumeNamePrefix"] ?? VolumeParameters.usualNamePrefix
            ),
            let id = try? VolumeID(
                clusterID: clusterID,
                pool: pool,
                namespace: (try? clusters.cluster(clusterID).radosNamespace) ?? "",
                image: image
            )
        else { return false }
        // If the cluster is slow, the time is left for the create.
        return try await session.during("looking for volume '\(name)'") { _ in
            let status = try? await session.backend.status(of: "\(id)", deadline: session.budget.share(.seconds(3)))
            return status.map { $0.volume.capacityBytes > 0 } ?? false
        }
    }
}
