import ArgumentParser
import CephVolumes
import ExactText
import Glibc
import Volumes

/// `nacre volume list`.
struct VolumeList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the volumes of all clusters and pools, by their names.",
        discussion: """
            Volumes are the images whose names end in a UUID; other images are passed over. USED-BY has the nodes that \
            have a volume, other clients by their addresses, and the path on this machine where nacre volume mount or \
            map put it.

            EXAMPLES
              nacre volume list
              nacre volume list --output wide
              nacre volume list --watch
              nacre volume list --pool replicapool --quiet --max 20
              nacre volume list --output json | jq -r '.[].volumeId'
            """,
        aliases: ["ls"]
    )

    @Option(help: "The most volumes to list; all of them without.")
    var max: Int?

    @Option(help: "Volumes of this pool alone.", completion: Completion.pools)
    var pool: String?

    @Flag(name: .shortAndLong, help: "List again every two seconds, until Ctrl-C.")
    var watch = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard max.map({ $0 > 0 }) ?? true else { throw ValidationError("--max must be at least 1") }
        guard !watch || [.table, .wide].contains(output.output) else {
            throw ValidationError("--watch goes with the tables alone")
        }
    }

    func run() async throws {
        let session = try await Session(connection, output)
        var isFirst = true
        while true {
            let list = try await session.during("listing volumes") { deadline in
                try await listed(session, deadline)
            }
            let volumes = list.volumes.sorted { ExactText($0.title) < ExactText($1.title) }
            // Unreadable local records do not matter for a list of the clusters' volumes.
            let own = (try? local.uses.present(local.uses.all())) ?? []
            let uses = Dictionary(
                (own + local.uses.elsewhere().compactMap(\.shown)).map { ($0.volumeID, $0) },
                uniquingKeysWith: { first, _ in first }
            )
            let reports = volumes.map { VolumeReport($0, use: uses["\($0.id)"]) }
            let table = VolumeReport.table(reports, isWide: output.output == .wide, session.terminal)
            if watch { print(session.terminal.cleared, terminator: "") }
            try session.show(reports, lines: output.quiet ? volumes.map { "\($0.id)" } : table)
            if list.isCut { session.note("there are more volumes than --max \(volumes.count)") }
            // After the list, for by that a service learns which pools it is refused; together, for one answer tells all.
            async let lack = session.backend.lackOfClusters()
            async let faults = session.backend.configurationFaults()
            async let refusals = session.backend.refusedPools()
            if volumes.isEmpty, !watch, let lack = await lack { throw lack }
            let unseen = await faults
            for fault in unseen { session.warn("not looked at: \(fault)") }
            let refused = await refusals.filter { pool?.isExactly($0.pool) ?? true }
            let refusal = Session.refusal(refused)
            // Names alone tell nobody that some are missing.
            if volumes.isEmpty || output.quiet, let refusal, list.missing == nil, !watch {
                throw CommandFailure(.notPermitted, output.quiet ? "not looked at: \(refusal)" : refusal)
            }
            if let refusal { session.warn("not looked at: \(refusal)") }
            if volumes.isEmpty, unseen.isEmpty, refusal == nil, list.missing == nil, isFirst {
                if let pool,
                    let absence = await session.backend.absence(
                        ofPool: pool,
                        deadline: session.budget.rest(.seconds(5))
                    )
                {
                    throw absence
                }
                if !watch {
                    session.note(
                        "there are no volumes\(pool.map { " in pool '\($0)'" } ?? ""); make one by nacre volume create"
                    )
                }
            }
            isFirst = false
            guard watch else {
                if let missing = list.missing { throw missing }
                return
            }
            if let missing = list.missing { session.warn(missing.message) }
            // What reads it through a pipe shall not wait for the next page of memory.
            fflush(nil)
            try await Task.sleep(for: .seconds(2))
            session.budget.renew()
        }
    }

    private func listed(_ session: Session, _ deadline: ContinuousClock.Instant) async throws -> VolumeListing {
        guard let pool else { return try await session.volumes(limit: max, deadline: deadline) }
        var list = try await session.volumes(limit: nil, deadline: deadline).within(pool: pool)
        if let max, list.volumes.count > max {
            list.volumes = Array(list.volumes.prefix(max))
            list.isCut = true
        }
        return list
    }
}

extension Volume {
    /// Its name; its image's for one of another program.
    fileprivate var title: String { facts.name ?? id.image }
}
