import ArgumentParser
import CephVolumes
import ExactText
import RBD
import Volumes

/// `nacre node fence`.
struct NodeFence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fence",
        abstract: "Make Ceph refuse a node's clients, and free its volumes.",
        discussion: """
            Shows which clients would be refused and which volumes they have, asks for the target once more, then puts the \
            clients on Ceph's blocklist for 30 days, breaks their locks, and looks whether both is so. All of a client's \
            I/O fails from then on, in all volumes that it has; what it had not written is lost. Once its node has booted, \
            or its processes have ended, nothing of it is left and nothing needs to be taken back.

            EXAMPLES
              nacre node fence worker-3 --plan
              nacre node fence worker-3
              nacre node fence 10.0.0.7:0/2893421 --yes
            """
    )

    @Argument(
        help: "A node's name, a client's address, or the address' host: see nacre node locks.",
        completion: Completion.holders
    )
    var target: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("'\(target)' was fenced") { try await work() }
    }

    private func work() async throws {
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let answers = try await session.during("reading who has which volume") { deadline in
            try await answered(by: deadline) { await backend.store.holders.all(until: deadline) }
        }
        let (holders, missing) = Session.gathered(answers)
        await session.noteConfigurationFaults()
        let fence = Fence(of: target, among: holders)
        guard !fence.clients.isEmpty else {
            if let missing { throw missing }
            if let lack = await backend.lackOfClusters() { throw lack }
            if let fault = backend.configuration.shortcomings.first {
                throw CommandFailure(.tryAgain, "cannot tell whether a client at '\(target)' has a volume: \(fault)")
            }
            throw CommandFailure(
                .notFound,
                "no volume is with a client at '\(target)' or on a node of that name; see nacre node locks"
            )
        }
        if let missing { session.note("not everywhere was looked: \(missing.message)") }
        let plan = FenceReport.plan(fence)
        guard !confirmation.plan else { return try session.show(FenceReport(fence.clients), lines: plan) }
        try await session.confirm(confirmation, "fence '\(target)'", word: target, plan: plan)
        var fenced: [Fence.Client] = []
        var failure: (any Error)?
        do {
            try await session.changing("fencing '\(target)'", "see nacre node locks") { deadline in
                let outcomes = await backend.store.holders.fence(fence.clients, deadline: deadline)
                fenced = zip(fence.clients, outcomes).filter { (try? $1.get()) != nil }.map { $0.0 }
                for outcome in outcomes { _ = try outcome.get() }
            }
        } catch {
            failure = error
        }
        if !fenced.isEmpty {
            let report = FenceReport(fenced, isDone: true)
            try session.show(report, lines: output.quiet ? [] : report.lines)
        }
        if let failure {
            let rest = fence.clients.filter { !fenced.contains($0) }.map(\.address).joined(separator: ", ")
            session.warn("not fenced, or not wholly: \(rest); the same command again goes on with them")
            throw failure
        }
        // Not done until it is done in every cluster.
        if let missing { throw missing }
    }
}

/// What fence says.
struct FenceReport: Encodable {
    struct Client: Encodable {
        let clusterID: String
        let address: String
        let node: String?
        let alive: Bool
        let volumes: [HolderReport]
    }

    let clients: [Client]
    let fenced: Bool

    init(_ clients: [Fence.Client], isDone: Bool = false) {
        self.clients = clients.map { client in
            Client(
                clusterID: client.clusterID,
                address: client.address,
                node: client.holders.compactMap(\.node).first,
                alive: client.isAlive,
                volumes: client.holders.map(HolderReport.init)
            )
        }
        fenced = isDone
    }

    /// What was done, for a person.
    var lines: [String] {
        clients.map { client in
            let locks = client.volumes.reduce(0) { $0 + $1.locks.count }
            return "fenced \(client.address)\(client.node.map { " of node '\($0)'" } ?? ""): blocklisted, "
                + "\(locks) lock\(locks == 1 ? "" : "s") broken"
        }
    }

    /// What would be done, for a person.
    static func plan(_ fence: Fence) -> [String] {
        fence.clients.flatMap { client -> [String] in
            let node =
                client.holders.compactMap(\.node).first.map { " of node '\($0)'" } ?? ", of which no node made a note"
            let state = client.isAlive ? "ALIVE: its I/O will fail" : "not heard of"
            return ["client \(client.address)\(node), cluster \(client.clusterID), \(state)"]
                + client.holders.map { holder in
                    let locks = HolderReport(holder).locks.joined(separator: ", ")
                    return
                        "  volume \(holder.name.map { "'\($0.onOneLine)', " } ?? "")\(holder.id): \(locks.isEmpty ? "only watched" : "locks broken: \(locks)")"
                }
        }
    }
}
