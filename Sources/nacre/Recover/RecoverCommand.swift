import ArgumentParser
import CephVolumes
import KubernetesAPI
import Provisioner
import Volumes

/// `nacre recover`: PersistentVolumes and claims from what is on the images.
struct RecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Make the PersistentVolumes and claims of a lost Kubernetes again, from what is on a pool's images.",
        discussion: """
            For a Kubernetes whose etcd is lost: each image says which claim has it, and what its PersistentVolume was. \
            Without --apply nothing is made: the plan is shown, and with --output yaml the objects themselves, for kubectl \
            apply. Nothing is changed on the images, ever. Works on Ceph itself, without the service. Make the namespaces, \
            classes and Secrets first, and no claims. A repetition makes what lacks and leaves the rest.

            A new Kubernetes has another id than the lost one, which the images name: --of-cluster says that it is lost. \
            Its nodes must not run any more.

            EXAMPLES
              nacre recover --pool replicapool
              nacre recover --pool replicapool --kubeconfig admin.conf \\
                --of-cluster 1c0b4a52-7d5b-4f0e-9d0c-3f6f7c1f5a11
              nacre recover --pool replicapool --output yaml \\
                --of-cluster 1c0b4a52-7d5b-4f0e-9d0c-3f6f7c1f5a11 > objects.yaml
              nacre recover --pool replicapool --kubeconfig admin.conf --apply \\
                --of-cluster 1c0b4a52-7d5b-4f0e-9d0c-3f6f7c1f5a11
            """
    )

    @OptionGroup var options: RecoverOptions

    @Flag(help: "Make the objects; without it they are shown.")
    var apply = false

    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("an object was made") { try await work() }
    }

    private func work() async throws {
        let access = ClusterAccess(kubeconfigOrEnvironment: options.kubeconfig, context: options.context)
        let client = try apply ? access.client() : access.clientIfThere()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let search = RecoverySearch(options, try ceph.credentials(), session, backend, client)
        var items = try await search.items()
        var made: [String] = []
        if apply, let client { made = try await make(&items, client, session) }
        let report = RecoveryReport(items, pool: options.pool, made: Set(made))
        await session.noteConfigurationFaults()
        if output.output == .yaml, !apply {
            RecoveryReport.manifests(items).forEach { print($0) }
            for line in report.refusals { session.warn(line) }
        } else {
            try session.show(report, lines: output.quiet ? report.claims : report.lines(session.terminal))
        }
        if client == nil {
            session.note("what Kubernetes has was not looked at; name it by --kubeconfig")
        }
        guard apply else {
            let count = items.count { $0.standing == .missing }
            return session.note("nothing was made; --apply would make the objects of \(count) volumes")
        }
        let blocked = report.volumes.filter { $0.state == .blocked }
        guard let first = blocked.first else { return }
        throw CommandFailure(
            .failed,
            "\(blocked.count) of \(report.volumes.count) volumes were not brought back: \(first.volumeId): \(first.reason ?? "")"
        )
    }

    /// Makes what lacks, some volumes at once, and says of each what came of it.
    ///
    /// - Returns: The handles of the volumes whose objects were made.
    private func make(
        _ items: inout [RecoveryItem],
        _ client: KubernetesClient,
        _ session: Session
    ) async throws -> [String] {
        let due = items.indices.filter { items[$0].standing == .missing }
        guard !due.isEmpty else { return [] }
        let present = try await session.during("reading the PersistentVolumes") { deadline in
            try await answered(by: deadline) { try await PresentVolumes.read(client) }
        }
        var made: [String] = []
        var rest = due[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.atOnce)
            rest = rest.dropFirst(Self.atOnce)
            let jobs = batch.compactMap { index in
                items[index].objects.map { RecoveryJob(index: index, objects: $0, handle: "\(items[index].image.id)") }
            }
            let title = "bringing \(due.count) volumes back to Kubernetes"
            let outcomes = try await session.changing(title, "see nacre recover --pool \(options.pool)") { deadline in
                try await answered(by: deadline) { await RecoveryJob.run(jobs, client, present) }
            }
            for (index, failure) in outcomes {
                if let failure {
                    items[index].standing = .blocked(failure)
                } else {
                    items[index].standing = .present
                    made.append("\(items[index].image.id)")
                }
            }
        }
        return made
    }

    /// So many volumes are made at once: the API server is new, and everything else begins on it, too.
    private static let atOnce = 16
}

/// The objects of one volume that are to be made.
struct RecoveryJob: Sendable {
    let index: Int
    let objects: KeptObjects
    let handle: String

    /// Makes those of several volumes at once.
    ///
    /// - Returns: For each why it could not be done; nothing where it was.
    static func run(
        _ jobs: [RecoveryJob],
        _ client: KubernetesClient,
        _ present: PresentVolumes
    ) async -> [(index: Int, failure: String?)] {
        await withTaskGroup(of: RecoveryOutcome.self) { group in
            for job in jobs {
                group.addTask {
                    let failure: String?
                    do {
                        try await ObjectRestoration(client, job.objects, handle: job.handle, elsewhere: "")
                            .restore(among: present, after: "what was made before stays")
                        failure = nil
                    } catch {
                        failure = (error as? VolumeError)?.message ?? "\(error)"
                    }
                    return RecoveryOutcome(index: job.index, failure: failure)
                }
            }
            return await group.reduce(into: []) { $0.append(($1.index, $1.failure)) }
        }
    }
}

/// What came of a job.
private struct RecoveryOutcome: Sendable {
    let index: Int
    let failure: String?
}
