import ArgumentParser
import CephVolumes
import Volumes

/// `nacre controller orphans list`.
struct OrphansList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List images that no claim and no PersistentVolume has.",
        discussion: """
            EXAMPLES
              nacre controller orphans list
              nacre controller orphans list --pool replicapool --output json
            """
    )

    @Option(help: "Images of this pool alone.", completion: Completion.pools)
    var pool: String?

    @OptionGroup(title: "Kubernetes") var options: OrphansOptions
    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let search = try OrphanSearch(options, session, backend, pool: pool)
        let (orphans, missing) = try await search.orphans()
        if orphans.isEmpty, missing == nil, let lack = await backend.lackOfClusters() { throw lack }
        let plan = OrphanPlan(orphans)
        await session.noteConfigurationFaults()
        let refusal = await search.refusal()
        if orphans.isEmpty {
            if let missing { throw missing }
            if let refusal { throw CommandFailure(.notPermitted, refusal) }
        }
        try session.show(plan, lines: output.quiet ? plan.images.map(\.volumeId) : plan.lines)
        // What was found is shown all the same.
        if let missing { throw missing }
        if let refusal { try session.tell(VolumeError(.permissionDenied, refusal), besides: true, pool: pool) }
    }
}
