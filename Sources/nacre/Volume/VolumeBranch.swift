import ArgumentParser
import CommandNames
import ExactText
import KubernetesAPI
import Provisioner
import Timestamps
import Volumes

/// `nacre volume branch`.
struct VolumeBranch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "branch",
        abstract: "Make a writable copy of a claim's volume in another namespace, for a time.",
        discussion: """
            For a test environment: a snapshot and a clone, so it takes a second and no space, and what is written to one \
            does not reach the other. The copy's claim has the name that the volume's has, and is deleted with its volume when \
            its time is over; pods that use it hold it. The same command again finds the branch, with the time that it has. \
            The annotation nacre.io/branch-expires of its PersistentVolume prolongs it.

            A branch is as a crash at that moment would leave the volume. Of several volumes each has a moment of its own, so \
            they are refused unless --not-at-one-instant says that this is enough. Works on Ceph itself, without the service.

            EXAMPLES
              nacre volume branch db/pgdata-0 --into-namespace review --ttl 2h
              nacre volume branch pvc-8c897ba5-1a1d-4d9d-a6fb-948526940f5d \\
                --name review-117 --into-namespace review --ttl 1d
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The volume: its claim as namespace/name, its name, its image, or clusterID/pool/namespace/image.",
            valueName: "volume"
        ),
        completion: Completion.volumes
    )
    var volumes: [VolumeName]

    @Option(help: "The namespace of the copy's claim; it must be there.")
    var intoNamespace: String

    @Option(help: "How long it stays: 90m, 2h, 7d (1m to 366d).", transform: timeLimit)
    var ttl: TimeLimit

    @Option(help: "What the branch is called, so that a volume can have several.")
    var name = "branch"

    @Flag(help: "Copy several volumes one after the other, though data and log are then of different moments.")
    var notAtOneInstant = false

    @Option(help: "A kubeconfig; without one the pod's own service account (KUBECONFIG).", completion: .file())
    var kubeconfig: String?

    @Option(help: "The kubeconfig's context; its current one without.")
    var context: String?

    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard volumes.count < 2 || notAtOneInstant else {
            throw ValidationError(
                "\(volumes.count) volumes are not copied at one instant yet, and a database's data and log would not fit "
                    + "together; branch one, or add --not-at-one-instant if that does not matter"
            )
        }
        if let refusal = ttl.refusal(outside: 60...(366 * 86_400), "--ttl") { throw refusal }
        let isLabel =
            name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            } && !name.startsExactly(with: "-") && !name.endsExactly(with: "-")
        guard isLabel, (1...63).contains(name.utf8.count) else {
            throw ValidationError("--name '\(name.printable)' is not 1 to 63 small letters, digits and '-'")
        }
    }

    func run() async throws {
        try await Interruption.beforeAnything("a branch was made") { try await work() }
    }

    private func work() async throws {
        let client = try ClusterAccess(kubeconfigOrEnvironment: kubeconfig, context: context).client()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let (uid, present) = try await session.during("looking at what Kubernetes has") { deadline in
            try await answered(by: deadline) { () async throws -> (String?, PresentVolumes) in
                let cluster = ClusterUID()
                try await cluster.read(client)
                return (cluster.text, try await PresentVolumes.read(client))
            }
        }
        var reports: [BranchReport] = []
        for volume in volumes { reports.append(try await branch(volume, present, uid, client, backend, session)) }
        try session.show(
            reports,
            lines: output.quiet ? reports.map(\.volumeId) : BranchReport.table(reports, session.terminal)
        )
    }

    private func branch(
        _ volume: VolumeName,
        _ present: PresentVolumes,
        _ cluster: String?,
        _ client: KubernetesClient,
        _ backend: DirectBackend,
        _ session: Session
    ) async throws -> BranchReport {
        let credentials = try ceph.credentials()
        let id = try await Self.id(of: volume, present, session)
        let status = try await session.during("looking at volume '\(volume)'") {
            try await backend.status(of: "\(id)", deadline: $0)
        }
        let sizeBytes = status.volume.capacityBytes
        let source = try await session.during("reading its PersistentVolume") { deadline in
            try await answered(by: deadline) { () async throws -> PersistentVolume? in
                guard let name = present.name(of: "\(id)") else { return nil }
                return PersistentVolume(try await client.call(.get(APIPath.persistentVolume(name))))
            }
        }
        guard let source else {
            throw CommandFailure(
                .notFound,
                "no PersistentVolume of this Kubernetes has volume '\(volume)'; a copy without one is made by nacre volume create "
                    + "--from-volume"
            )
        }
        let expires = ThisMachine.now + ttl.duration.components.seconds
        let planned = try BranchMaking(client, of: source, name: name, into: intoNamespace, expires: expires)
        let title = "branching volume '\(volume)'"
        let hint = "a repetition goes on; what was made goes when its time is over"
        let made = try await session.changing(title, hint) { deadline in
            try await answered(by: deadline) {
                var making = planned
                let isThere = try await making.check()
                let request = try making.request(credentials, cluster: cluster, sizeBytes: sizeBytes)
                let copy = try backend.controller.handle(of: request.name, parameters: request.parameters)
                // Again when the PersistentVolume goes meanwhile; what is there of the image is found then.
                var isMade = isThere
                while !isMade {
                    try Task.checkCancellation()
                    try await making.begin(copy, sizeBytes: sizeBytes)
                    _ = try await backend.create(request, deadline: deadline)
                    isMade = try await making.end()
                }
                return BranchReport(making, copy, wasThere: isThere)
            }
        }
        if made.wasThere {
            session.note("branch '\(name)' of volume '\(volume)' is there already, until \(made.expires)")
        }
        return made
    }

    /// A claim's volume, or the one that a person means otherwise.
    private static func id(
        of volume: VolumeName,
        _ present: PresentVolumes,
        _ session: Session
    ) async throws -> VolumeID {
        let parts = volume.description.parts(at: "/")
        if parts.count == 2, let handle = present.handle(of: ClaimName(namespace: parts[0], name: parts[1])) {
            return try VolumeID(parsing: handle)
        }
        return try await session.volume(volume)
    }
}

/// A branch, for the table and for scripts.
struct BranchReport: Encodable, Sendable {
    let volumeId: String
    let branch: String
    /// `namespace/name`.
    let claim: String
    let persistentVolume: String
    /// The handle of the volume that it is a copy of.
    let source: String
    /// Until when: `2026-11-21T08:09:47Z`.
    let expires: String
    /// Whether nothing was made.
    let wasThere: Bool

    init(_ making: BranchMaking, _ id: VolumeID, wasThere: Bool) {
        volumeId = "\(id)"
        branch = making.mark.name
        claim = "\(making.claim)"
        persistentVolume = making.mark.volume
        source = making.mark.source
        expires = Timestamp.text(.seconds(making.mark.expires))
        self.wasThere = wasThere
    }

    /// Many for a person, a branch a line.
    static func table(_ branches: [BranchReport], _ terminal: Terminal) -> [String] {
        var table = Table("CLAIM", "BRANCH", "UNTIL", "VOLUME-ID")
        table.rows = branches.map { [$0.claim, $0.branch, $0.expires, $0.volumeId] }
        return table.lines { terminal.colored($0, .bold) }
    }
}
