import ArgumentParser
internal import CephVolumes
import ExactText
import Volumes

/// `nacre snapshot list`.
struct SnapshotList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the snapshots of all clusters and pools, by their names.",
        discussion: """
            VOLUME is the volume that a snapshot was taken of; one that was deleted since is said to be. Snapshots that \
            other programs took are passed over.

            EXAMPLES
              nacre snapshot list
              nacre snapshot list --volume data
              nacre snapshot list --output json | jq -r '.[].snapshotId'
            """,
        aliases: ["ls"]
    )

    @Option(name: .customLong("volume"), help: VolumeName.help)
    var volume: VolumeName?

    @Option(help: "Snapshots in this pool alone.", completion: Completion.pools)
    var pool: String?

    @Option(help: "The most snapshots to list; all of them without.")
    var max: Int?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard max.map({ $0 > 0 }) ?? true else { throw ValidationError("--max must be at least 1") }
    }

    func run() async throws {
        let session = try await Session(connection, output)
        var source: VolumeID?
        if let volume { source = try await session.volume(volume) }
        var list = try await session.during("listing snapshots") { deadline in
            try await session.snapshots(of: source, deadline: deadline)
        }
        if let pool { list = list.within(pool: pool) }
        var found = list.snapshots.sorted { ExactText($0.title) < ExactText($1.title) }
        let count = found.count
        if let max { found = Array(found.prefix(max)) }
        let names = await names(of: found, session)
        let reports = found.map { SnapshotReport($0, volume: names[ExactText($0.sourceHandle)]) }
        let table = SnapshotReport.table(reports, isWide: output.output == .wide, session.terminal)
        try session.show(reports, lines: output.quiet ? found.map { "\($0.id)" } : table)
        if count > found.count { session.note("there are more snapshots than --max \(found.count)") }
        if found.isEmpty, let lack = await session.backend.lackOfClusters() { throw lack }
        await session.noteConfigurationFaults()
        let refused = await session.backend.refusedPools().filter { pool?.isExactly($0.pool) ?? true }
        if let refusal = Session.refusal(refused) {
            guard !found.isEmpty, !output.quiet else { throw CommandFailure(.notPermitted, refusal) }
            session.warn("not looked at: \(refusal)")
        }
        if let missing = list.missing { throw missing }
        if found.isEmpty { session.note("there are no snapshots\(scope); take one by nacre snapshot create") }
    }

    private var scope: String {
        (volume.map { " of volume '\($0)'" } ?? "") + (pool.map { " in pool '\($0)'" } ?? "")
    }

    /// What people call the volumes, by their handles; nothing where that is not told in time.
    private func names(of snapshots: [Snapshot], _ session: Session) async -> [ExactText: String] {
        guard !snapshots.isEmpty, !output.quiet else { return [:] }
        let list = try? await session.volumes(limit: nil, deadline: session.budget.rest(.seconds(5)))
        return (list?.volumes ?? []).reduce(into: [:]) { $0[ExactText("\($1.id)")] = $1.facts.name }
    }
}
