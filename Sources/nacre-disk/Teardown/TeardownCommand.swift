internal import ArgumentParser
internal import BlockDevices
internal import CommandNames
internal import DiskZap
internal import ExactText
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
            is left.
            """
    )

    @Option(help: "The cluster.", transform: uuidArgument) var fsid: GUID
    @Option(help: "The fsid once more: the proof that a script means it.", transform: uuidArgument) var confirm: GUID?
    @OptionGroup var planning: PlanOptions
    @OptionGroup var include: IncludeOptions
    @Option(help: "Rook's dataDirHostPath; what is this cluster's below it goes.", completion: .directory) var dataDir:
        String?
    @Option(help: "Save the headers that are erased, without keys, to this directory.", completion: .directory)
    var backup: String?
    @Option(help: "How many disks at a time.") var parallel: Int = 16
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
        let teardown = NodeTeardown(cluster: cluster, survey: survey)
        let directory = dataDir.map { RookDirectory(path: $0).entries(ofCluster: cluster) }
        let plan = lines(teardown, directory?.own ?? [])
        if planning.isPlan || confirm != nil { Console.note(plan.joined(separator: "\n")) }
        if planning.isPlan {
            if output.output == .json || output.output == .yaml { output.show(teardown.report) { _ in "" } }
            if !teardown.refused.isEmpty { throw ExitStatus.refused }
            return try refuseUnclear(teardown)
        }
        let backup = try backup.map { try HeaderBackup.announced(teardown.plans, in: $0) }
        try agree(to: plan, cluster)
        let (outcomes, waiting) = erase(teardown, on: host, saving: backup)
        var left = teardown.left.count + teardown.refused.count + waiting.count
        for outcome in outcomes {
            Console.note(outcome.line)
            if !outcome.isClean { left += 1 }
        }
        let stale = StaleLinks().removeCephLeftovers(isDryRun: false)
        for name in stale { Console.note("removed \(name)") }
        let isClean = outcomes.allSatisfy(\.isClean) && teardown.refused.isEmpty && waiting.isEmpty
        var isEmptied = true
        if isClean, let directory, let dataDir {
            isEmptied = removeDirectories(directory, in: RookDirectory(path: dataDir))
        }
        output.show(.list(outcomes.map(\.report))) { _ in
            let done = outcomes.filter(\.isClean).count
            return "\(done) disks freed, \(left) left as they are"
        }
        let isChanged = !stale.isEmpty || outcomes.contains(where: \.isChanged)
        if let status = outcomes.exitStatus {
            throw status == ExitStatus.refused && isChanged ? ExitStatus.failed : status
        }
        if !teardown.refused.isEmpty || !waiting.isEmpty {
            throw isChanged ? ExitStatus.failed : ExitStatus.refused
        }
        if !isEmptied { throw ExitStatus.failed }
        try refuseUnclear(teardown)
    }

    /// Ends the program where a disk may be the cluster's, and nobody can tell.
    private func refuseUnclear(_ teardown: NodeTeardown) throws {
        let unclear = teardown.left.filter(\.isUnclear)
        guard !unclear.isEmpty else { return }
        Console.error(
            "nobody knows whether the cluster has left this node: \(unclear.map(\.text).joined(separator: "; ")); "
                + "mend or erase these, then run it again"
        )
        throw ExitStatus.failed
    }

    /// Has the fsid as proof, from the command line or from a person.
    private func agree(to plan: [String], _ cluster: String) throws {
        func mismatch(_ given: String, by origin: String) -> String? {
            given.lowercased() == cluster ? nil : "\(origin) '\(given)', and --fsid is '\(cluster)'"
        }
        let deed = "remove the cluster \(cluster) from this node"
        guard let confirm else {
            let agreement = Agreement(to: deed, typing: "its fsid", instead: "give the fsid once more with --confirm")
            return try agreement.ask(plan) { mismatch($0, by: "you typed") }
        }
        guard let why = mismatch(confirm.description.lowercased(), by: "--confirm gave") else { return }
        Console.error("refusing to \(deed): \(why); nothing was written")
        throw ExitStatus.refused
    }

    private func erase(
        _ teardown: NodeTeardown,
        on host: Host,
        saving backup: HeaderBackup?
    ) -> (outcomes: [ZapOutcome], waiting: [ZapPlan]) {
        func zap(_ plans: [ZapPlan]) -> [ZapOutcome] {
            guard !plans.isEmpty else { return [] }
            let zaps = ParallelZap(plans: plans, host: host, backup: backup, limit: parallel, isAllOrNone: false)
            return zaps.run()
        }
        let first = zap(teardown.first)
        let unfinished = zip(teardown.first, first).filter { !$0.1.isClean }.map(\.0)
        let (plans, waiting) = teardown.second(without: unfinished)
        if let unsaved = first.first(where: \.isUnsaved) {
            for plan in plans + waiting {
                Console.note("stays: \(plan.path): the headers of '\(unsaved.path)' cannot be saved")
            }
            return (first, plans + waiting)
        }
        for plan in waiting {
            Console.note(
                "stays: \(plan.path): the db or wal of its OSD is not erased yet, and only it knows whose that is"
            )
        }
        return (first + zap(plans), waiting)
    }

    /// The plan, for people.
    private func lines(_ teardown: NodeTeardown, _ directories: [String]) -> [String] {
        let read = teardown.left.contains(where: \.isUnclear) ? " that could be told" : ""
        let none =
            teardown.plans.isEmpty ? ["no disk here\(read) holds anything of the cluster \(teardown.cluster)"] : []
        return none + teardown.plans.flatMap(\.lines) + directories.map { "remove the directory \($0)" }
            + teardown.left.map { "stays: \($0.text)" }
    }

    /// Only if every disk is clean, because the directory tells Rook what it had here.
    ///
    /// - Returns: Whether all that is the cluster's is gone.
    private func removeDirectories(_ entries: (own: [String], others: [String]), in directory: RookDirectory) -> Bool {
        var isEmptied = true
        for path in entries.own {
            do throws(KernelError) {
                try directory.remove(path, ofCluster: fsid.description.lowercased())
                Console.note("removed \(path)")
            } catch {
                let advice = error.isBusy ? "unmount what is mounted in it" : "mend that"
                Console.error("cannot remove the directory '\(path)': \(error.words); \(advice), then run it again")
                isEmptied = false
                // The namespaces come last: they tell whose the others are.
                break
            }
        }
        for path in entries.others { Console.note("stays: \(path)") }
        return isEmptied
    }
}
