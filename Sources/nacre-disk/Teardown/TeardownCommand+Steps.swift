internal import BlockDevices
internal import CommandNames
internal import DiskZap
internal import ExactText
internal import LinuxKernel

/// The steps of a teardown: agree, erase, remove the directories.
extension TeardownCommand {
    /// Has the fsid as proof, from the command line or from a person.
    func agree(to plan: [String], _ clusters: [String]) throws {
        func deed(_ cluster: String) -> String { "remove the cluster \(cluster) from this node" }
        func option(_ cluster: String) -> String { cluster == clusters[0] ? "--fsid" : "--foreign-fsid" }
        guard !confirm.isEmpty else {
            for (number, cluster) in clusters.enumerated() {
                let instead = "give the fsid once more with --confirm"
                let agreement = Agreement(to: deed(cluster), typing: "its fsid", instead: instead)
                try agreement.ask(number == 0 ? plan : []) { typed in
                    typed.lowercased() == cluster
                        ? nil : "you typed '\(typed)', and \(option(cluster)) is '\(cluster)'"
                }
            }
            return
        }
        let given = confirm.map { $0.description.lowercased() }
        let strange = given.filter { !clusters.contains($0) }
        for cluster in clusters where !given.contains(cluster) || !strange.isEmpty {
            let words = strange.isEmpty ? "only those of other clusters" : "'\(strange.joined(separator: "', '"))'"
            Console.error(
                "refusing to \(deed(cluster)): --confirm gave \(words), and \(option(cluster)) is '\(cluster)'; "
                    + "nothing was written"
            )
            throw ExitStatus.refused
        }
    }

    func erase(
        _ teardown: NodeTeardown,
        on host: Host,
        saving backup: HeaderBackup?
    ) -> (outcomes: [ZapOutcome], waiting: [ZapPlan]) {
        func zap(_ plans: [ZapPlan]) -> [ZapOutcome] {
            guard !plans.isEmpty else { return [] }
            let zaps = ParallelZap(
                plans: plans,
                host: host,
                backup: backup,
                limit: parallel,
                isAllOrNone: false,
                progress: telling.progress
            )
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
    func lines(_ teardown: NodeTeardown, _ directories: [String]) -> [String] {
        let read = teardown.left.contains(where: \.isUnclear) ? " that could be told" : ""
        let none =
            teardown.plans.isEmpty
            ? ["no disk here\(read) holds anything of the cluster \(teardown.clusters.joined(separator: ", "))"] : []
        return none + teardown.plans.flatMap { $0.lines + elsewhere($0) }
            + directories.map { "remove the directory \($0)" }
            + teardown.left.map { "stays: \($0.text)" }
    }

    /// What erases a disk that teardown cannot be told enough of.
    private func elsewhere(_ plan: ZapPlan) -> [String] {
        guard plan.refusals.contains(where: { $0.code == .content || $0.code == .unknownOSD }) else { return [] }
        let clusters = ["--fsid \(fsid)"] + foreignFsid.map { "--foreign-fsid \($0)" }
        return [
            "  teardown has no --content and no --unknown-osd; give them to nacre-disk zap \(plan.path.shellWord) "
                + clusters.joined(separator: " ").lowercased()
        ]
    }

    /// Only if every disk is clean, because the directory tells Rook what it had here.
    ///
    /// - Returns: What is gone.
    func removeDirectories(
        _ entries: (own: [String], others: [String]),
        in directory: RookDirectory
    ) -> [String] {
        var removed: [String] = []
        for path in entries.own {
            do throws(KernelError) {
                try directory.remove(path, ofCluster: fsid.description.lowercased())
                Console.note("removed \(path)")
                removed.append(path)
            } catch {
                let advice = error.isBusy ? "unmount what is mounted in it" : "mend that"
                Console.error("cannot remove the directory '\(path)': \(error.words); \(advice), then run it again")
                // The namespaces come last: they tell whose the others are.
                break
            }
        }
        for path in entries.others { Console.note("stays: \(path)") }
        return removed
    }
}
