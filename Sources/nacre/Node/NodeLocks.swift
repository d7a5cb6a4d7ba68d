import ArgumentParser
import CephVolumes
import RBD
import Volumes

/// `nacre node locks`.
struct NodeLocks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "locks",
        abstract: "List who has which volume.",
        discussion: """
            One line for every client that has an image's lock or watches it. A client is alive while it renews its watch; \
            that of a dead one lasts 30 s. A dash stands for what no node has written down: the client is not Nacre's.

            EXAMPLES
              nacre node locks
              nacre node locks --node worker-3
              nacre node locks --output json | jq -r '.[] | select(.alive | not) | .address'
            """
    )

    @Option(help: "Only what this node, or this address, has.", completion: Completion.holders)
    var node: String?

    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let answers = try await session.during("reading who has which volume") { deadline in
            try await answered(by: deadline) { await backend.store.holders.all(until: deadline) }
        }
        let (all, missing) = Session.gathered(answers)
        if all.isEmpty, missing == nil, let lack = await backend.lackOfClusters() { throw lack }
        let holders = node.map { node in all.filter { $0.matches(node) } } ?? all
        await session.noteConfigurationFaults()
        try session.show(
            holders.map(HolderReport.init),
            lines: output.quiet ? holders.map(\.client.address) : HolderReport.lines(holders, session.terminal)
        )
        if let missing { try session.tell(missing, besides: !holders.isEmpty) }
    }
}
