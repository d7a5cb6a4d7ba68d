internal import ArgumentParser
internal import BlockDevices
internal import CommandNames
internal import DiskZap
internal import ExactText
internal import JSON
internal import LinuxKernel

/// A cluster leaves a node.
struct TeardownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "teardown",
        abstract:
            "Remove one cluster, and only that one, from this node: mappings, disks, stale names, Rook's directory.",
        discussion: """
            Finds every disk, partition, volume and mapping of the cluster by what they hold, shows one plan and asks \
            for the fsid as proof (--confirm in scripts). Disks that are refused stay, with the reason; run it again \
            when that is mended. Exit status 0 only if every disk of the node was looked at and none of the cluster's \
            is left. A zero or shred that was killed goes on where it was when the same is run again.

            EXAMPLES
              nacre-disk teardown --fsid ID --plan
              nacre-disk teardown --fsid ID --data-dir /var/lib/rook
              nacre-disk teardown --fsid ID --method shred --passes 3
              nacre-disk teardown --fsid ID --foreign-fsid OTHER --confirm ID --confirm OTHER
            """
    )

    @Option(help: "The cluster.", transform: uuidArgument) var fsid: GUID
    @Option(
        help: "Another cluster whose disks go, too; its directories stay. May be repeated.",
        transform: uuidArgument
    )
    var foreignFsid: [GUID] = []
    @Option(
        help: "The fsid once more: the proof that a script means it. Once for each cluster.",
        transform: uuidArgument
    )
    var confirm: [GUID] = []
    @OptionGroup var way: MethodOptions
    @OptionGroup var planning: PlanOptions
    @OptionGroup var include: IncludeOptions
    @Option(help: "Rook's dataDirHostPath; what is this cluster's below it goes.", completion: .directory) var dataDir:
        String?
    @Option(help: "Save the headers that are erased, without keys, to this directory.", completion: .directory)
    var backup: String?
    @Option(help: "How many disks at a time.") var parallel: Int = 16
    @OptionGroup var telling: ProgressOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel wants 1 to 64, not \(parallel)") }
        guard dataDir?.startsExactly(with: "/") ?? true else {
            throw ValidationError("--data-dir wants an absolute path")
        }
    }

    func run() throws {
        let host = Host()
        let survey = try include.survey(host)
        let cluster = fsid.description.lowercased()
        let foreign = Set(foreignFsid.map { $0.description.lowercased() }).subtracting([cluster]).sorted()
        let teardown = NodeTeardown(cluster: cluster, foreign: foreign, survey: survey, method: way.zapMethod)
        let directory = dataDir.map { RookDirectory(path: $0).entries(ofCluster: cluster) }
        let plan = lines(teardown, directory?.own ?? [])
        if planning.isPlan || !confirm.isEmpty { Console.note(plan.joined(separator: "\n")) }
        if planning.isPlan {
            if output.output == .json || output.output == .yaml {
                output.show(teardown.report(directories: directory?.own ?? [])) { _ in "" }
            }
            if !teardown.refused.isEmpty { throw ExitStatus.refused }
            return try refuseUnclear(teardown)
        }
        let backup = try backup.map { try HeaderBackup.announced(teardown.plans, in: $0) }
        try agree(to: plan, [cluster] + foreign)
        let (outcomes, waiting) = erase(teardown, on: host, saving: backup)
        for outcome in outcomes { Console.note(outcome.line) }
        let stale = StaleLinks().removeCephLeftovers(isDryRun: false)
        for name in stale { Console.note("removed \(name)") }
        var removed: [String] = []
        if teardown.isFreed(by: outcomes, waiting), let directory, let dataDir {
            removed = removeDirectories(directory, in: RookDirectory(path: dataDir))
        }
        let result = TeardownResult(
            teardown: teardown,
            outcomes: outcomes,
            waiting: waiting,
            links: stale,
            directories: removed,
            directoriesLeft: (directory?.own ?? []).filter { !removed.containsExactly($0) }
        )
        output.show(result.report) { _ in result.summary }
        if result.isComplete { return }
        let isChanged = !stale.isEmpty || outcomes.contains(where: \.isChanged)
        if let status = outcomes.exitStatus {
            throw status == ExitStatus.refused && isChanged ? ExitStatus.failed : status
        }
        if !teardown.refused.isEmpty || !waiting.isEmpty {
            throw isChanged ? ExitStatus.failed : ExitStatus.refused
        }
        if !result.directoriesLeft.isEmpty { throw ExitStatus.failed }
        try refuseUnclear(teardown)
    }

    /// Ends the program where a disk may be the cluster's, and nobody can tell.
    private func refuseUnclear(_ teardown: NodeTeardown) throws {
        let unclear = teardown.left.filter(\.isUnclear)
        guard !unclear.isEmpty else { return }
        Console.error(
            "nobody knows whether the cluster has left this node: \(unclear.map(\.text).joined(separator: "; ")); "
                + "\(unclear.compactMap(\.remedy).joined(separator: "; ")); then run it again"
        )
        throw ExitStatus.failed
    }
}
