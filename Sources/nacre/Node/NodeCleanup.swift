import ArgumentParser
import ExactText
import JSON
import KubernetesAPI
import Logging
import NodeAgent
import SystemPackage

/// `nacre node cleanup`: the work of Rook's cleanup job, by nacre-disk.
struct NodeCleanup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract: "Erase what a Ceph cluster leaves on this node's disks, in the place of Rook's cleanup job.",
        discussion: """
            Runs nacre-disk teardown, which finds the cluster's disks by what they hold: first the plan, then, if every \
            fsid was confirmed, the erasure. In a pod it tells of plan, progress and result by Events of that pod. A pod \
            that was killed goes on in the next one. deploy/cleanup has a Job for each node.

            Method, data source and iteration are those of Rook's cleanupPolicy.sanitizeDisks. quick erases all places \
            where marks are; complete overwrites every byte with zeros or with random bytes and then zeros.

            EXAMPLES
              nacre node cleanup --fsid b9127830-b0cc-4e34-aa47-9d1a2e9949a8 --plan
              nacre node cleanup --fsid b9127830-b0cc-4e34-aa47-9d1a2e9949a8 \\
                --confirm b9127830-b0cc-4e34-aa47-9d1a2e9949a8
            """
    )

    enum Method: String, ExpressibleByArgument, CaseIterable {
        case quick, complete
    }

    enum DataSource: String, ExpressibleByArgument, CaseIterable {
        case zero, random
    }

    @Option(help: "The cluster.") var fsid: String
    @Option(help: "Other clusters whose disks go, too, by their fsids, apart by blanks. May be repeated.")
    var foreignFsid: [String] = []
    @Option(help: "The proof: each of these fsids once more, apart by blanks. May be repeated.")
    var confirm: [String] = []
    @Option(help: "How disks are erased.") var method = Method.quick
    @Option(help: "What complete overwrites them with; random ends with zeros.") var dataSource = DataSource.zero
    @Option(help: "How often complete overwrites them.") var iteration = 1
    @Option(help: "Rook's dataDirHostPath; what is the cluster's below it goes.", completion: .directory)
    var dataDir: String?
    @Flag(help: "Show what would be done, and stop.") var plan = false
    @Option(help: "Look at this device, too, though it is no disk: a loop device. May be repeated.")
    var include: [String] = []
    @Option(help: "This node, in Events and in the summary; $NODE_NAME unless given.") var nodeName: String?
    @Option(help: "A file that gets the summary: the pod's terminationMessagePath.", completion: .file())
    var summaryFile: String?
    @Option(help: "nacre-disk; by default the one beside this program.", completion: .file()) var program: String?
    @Option(help: "A kubeconfig; without one the pod's own service account.", completion: .file())
    var kubeconfig: String?
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (1...100).contains(iteration) else {
            throw ValidationError("--iteration wants 1 to 100, not \(iteration)")
        }
        // Rook takes whatever it does not know for a complete erasure; here nothing has two meanings.
        if method == .quick, dataSource != .zero || iteration != 1 {
            throw ValidationError("--data-source and --iteration are for --method complete; quick writes zeros once")
        }
    }

    func run() async throws {
        var logger = Logger(label: "nacre", factory: MaskingLogHandler.init)
        logger.logLevel = .warning
        let client = try ClusterAccess(kubeconfig: kubeconfig).foundClient(logger)
        let node =
            nodeName ?? Environment.value("NODE_NAME") ?? ThisMachine.hostName ?? "this node"
        let events = CleanupEvents(client, of: Self.ownPod, node: node)
        let sending = Task { await events.run() }
        let report: CleanupReport
        var failure: CleanupFailure?
        var lines: [String] = []
        do throws(CleanupFailure) {
            (report, failure) = try await clean(node, events)
            lines = report.lines
        } catch {
            (report, failure) = (CleanupReport(node: node, failure: error.message), error)
            events.warn("CleanupFailed", error.message)
        }
        let dropped = await events.end(sending)
        if dropped > 0 { Terminal.say("\(dropped) \(dropped == 1 ? "Event" : "Events") could not be sent\n") }
        // What kubelet shows of a pod that has ended; it reads 4096 bytes, which a list of many disks may fill.
        if let summaryFile { write((failure.map { ["\(node): \($0.message)"] } ?? []) + lines, to: summaryFile) }
        if let text = try output.output.text(report) {
            print(text)
        } else if !output.quiet {
            for line in lines { print(line) }
        }
        if let failure { throw CommandFailure(failure) }
    }

    /// Plans, and erases what was confirmed.
    private func clean(
        _ node: String,
        _ events: CleanupEvents
    ) async throws(CleanupFailure) -> (CleanupReport, CleanupFailure?) {
        let disk = CleanupProgram(path: program ?? ThisMachine.program("nacre-disk"))
        let none = "no plan was made; nothing was written"
        let planned = try await disk.run(
            words + ["--plan", "--output", "json"],
            ifLost: none,
            say: say
        ) { _ in }
        guard let answer = planned.report else { throw disk.failure(planned, none) }
        let plan = CleanupReport(node: node, method: way, plan: answer, errors: planned.errors)
        events.planned(plan)
        guard !self.plan else { return (plan, planned.status == 0 ? nil : disk.failure(planned, "see the plan")) }
        guard !confirmed.isEmpty else {
            let refusal = CleanupFailure(
                .usage,
                "refusing to clean node '\(node)' unasked: no fsid is confirmed; nothing was written. See whether the plan is "
                    + "right, then give every fsid once more with --confirm"
            )
            events.warn("CleanupFailed", refusal.message)
            return (plan, refusal)
        }
        let proofs = confirmed.flatMap { ["--confirm", $0] }
        var progress = CleanupProgress()
        let again = "run it again: it goes on where it was"
        let done = try await disk.run(
            words + proofs + ["--progress", "json", "--output", "json"],
            ifLost: again,
            say: say
        ) { moment in
            if let message = progress.news(moment) { events.tell("CleanupProgress", message) }
        }
        guard let answer = done.report else { throw disk.failure(done, again) }
        let report = CleanupReport(node: node, method: way, result: answer, errors: done.errors)
        let failure = done.status == 0 ? nil : disk.failure(done, "mend what is told above, then run it again")
        events.ended(report, isDone: failure == nil, after: plan)
        return (report, failure)
    }

    /// What nacre-disk says, on standard error.
    private func say(_ line: String) {
        if !output.quiet { Terminal.say(line + "\n") }
    }

    /// The pod that POD_NAMESPACE, POD_NAME and POD_UID name; `nil` where one of them is missing.
    private static var ownPod: ObjectMeta? {
        guard let namespace = Environment.value("POD_NAMESPACE"), let name = Environment.value("POD_NAME"),
            let uid = Environment.value("POD_UID")
        else { return nil }
        return ObjectMeta([
            "metadata": [
                "namespace": .string(namespace), "name": .string(name), "uid": .string(uid), "resourceVersion": "",
            ]
        ])
    }

    private func write(_ lines: [String], to path: String) {
        let text = lines.joined(separator: "\n") + "\n"
        do {
            let file = try FileDescriptor.open(
                path,
                .writeOnly,
                options: [.create, .truncate],
                permissions: .ownerReadWrite
            )
            _ = try file.closeAfter { try file.writeAll(text.utf8.prefix(4096)) }
        } catch {
            Terminal.say("cannot write the summary to '\(path)': \(error)\n")
        }
    }

    /// How disks are erased, in Rook's words.
    private var way: String {
        guard method == .complete else { return method.rawValue }
        return "complete, \(dataSource.rawValue)\(iteration == 1 ? "" : ", \(iteration) times")"
    }

    /// The words of `nacre-disk teardown` that say what goes, and how.
    private var words: [String] {
        var words = ["teardown", "--fsid", fsid]
        words += Self.list(foreignFsid).flatMap { ["--foreign-fsid", $0] }
        switch (method, dataSource) {
        case (.quick, _): break
        case (.complete, .zero): words += ["--method", "zero", "--passes", "\(iteration)"]
        case (.complete, .random): words += ["--method", "shred", "--passes", "\(iteration)"]
        }
        if let dataDir { words += ["--data-dir", dataDir] }
        return words + include.flatMap { ["--include", $0] }
    }

    private var confirmed: [String] { Self.list(confirm) }

    /// A manifest gives a list in one variable, which may be empty.
    private static func list(_ texts: [String]) -> [String] {
        texts.flatMap { $0.parts(at: " ", omittingEmpty: true) }
    }
}
