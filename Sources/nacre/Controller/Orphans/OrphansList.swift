import ArgumentParser

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

    @Option(help: "Images of this pool alone.")
    var pool: String?

    @OptionGroup(title: "Kubernetes") var options: OrphansOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let backend = try DirectServices.controller(connection)
        let session = Session(backend, connection, output)
        let plan = OrphanPlan(try await OrphanSearch(options, session, backend, pool: pool).orphans())
        try session.show(plan, lines: output.quiet ? plan.images.map(\.volumeId) : plan.lines)
    }
}
