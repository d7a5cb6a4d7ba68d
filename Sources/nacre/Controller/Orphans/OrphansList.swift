import ArgumentParser
import CephVolumes
import ExactText

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
        let plan = OrphanPlan(try await OrphanSearch(options, session, backend, pool: pool).orphans())
        await session.noteConfigurationFaults()
        let refused = await backend.refusedPools().filter { pool?.isExactly($0.pool) ?? true }
        if let refusal = Session.refusal(refused) {
            guard !plan.images.isEmpty else { throw CommandFailure(.notPermitted, refusal) }
            session.note("not looked at: \(refusal)")
        }
        try session.show(plan, lines: output.quiet ? plan.images.map(\.volumeId) : plan.lines)
    }
}
