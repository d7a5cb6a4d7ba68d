internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import JSON

/// Erases disks.
struct ZapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zap",
        abstract:
            "Erase disks so that a new OSD takes them: plan, proof of identity, exclusive claim, erase, read back.",
        discussion: """
            On a terminal it shows the plan and asks for each disk's serial number. A script gives --serial or \
            --plan-hash for each disk. If any of several disks is refused, none is touched. After an interruption, \
            run it again: it finishes what was begun.
            """
    )

    @OptionGroup var arguments: DeviceArguments
    @OptionGroup var zap: ZapArguments
    @OptionGroup var output: OutputOptions

    @Option(help: "The serial number (or what plan shows instead) of a disk. Once for each disk.")
    var serial: [String] = []

    @Option(help: "The hash of the plan of a disk. Once for each disk.")
    var planHash: [String] = []

    @OptionGroup var planning: PlanOptions

    @Option(help: "Save the headers that are erased, without keys, to this directory.", completion: .directory)
    var backup: String?

    @Option(help: "How many disks at a time.")
    var parallel: Int = 16

    func validate() throws {
        if arguments.devices.isEmpty { throw ValidationError("name at least one device; nacre-disk list shows them") }
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel wants 1 to 64, not \(parallel)") }
    }

    func run() throws {
        let session = try ZapSession(host: Host(), arguments: arguments, zap: zap)
        let refused = session.plans.filter { !$0.refusals.isEmpty }
        guard refused.isEmpty, !planning.isPlan else {
            output.show(.array(session.plans.map(\.report))) { _ in
                session.plans.flatMap(\.lines).joined(separator: "\n")
            }
            for plan in refused {
                for refusal in plan.refusals { Console.error("refusing to zap '\(plan.path)': \(refusal.text)") }
            }
            if !refused.isEmpty { throw ExitStatus.refused }
            return
        }
        let backup = try backup.map { try HeaderBackup.announced(session.plans, in: $0) }
        try Confirmation(serials: serial, hashes: planHash).check(session.plans)
        let outcomes = ParallelZap(plans: session.plans, host: session.host, backup: backup, limit: parallel).run()
        output.show(.array(outcomes.map(\.report))) { _ in outcomes.map(\.line).joined(separator: "\n") }
        for outcome in outcomes where !outcome.isClean { Console.error("'\(outcome.path)': \(outcome.summary)") }
        if let status = outcomes.exitStatus { throw status }
    }
}

extension HeaderBackup {
    /// Checks the directory, and says of which disks there is nothing to save; ends the program where it cannot be used.
    static func announced(_ plans: [ZapPlan], in directory: String) throws -> HeaderBackup {
        let backup: HeaderBackup
        do throws(Refusal) {
            backup = try HeaderBackup(directory: directory)
        } catch {
            Console.error("refusing to erase anything: \(error.text); nothing was written")
            throw ExitStatus.refused
        }
        for plan in plans where plan.headers.isEmpty {
            Console.note("\(plan.path): --backup saves nothing of it, for no known header is on it")
        }
        return backup
    }
}

extension ZapOutcome {
    /// Whether something was changed, or may have been.
    var isChanged: Bool {
        if case .refused = state { return !steps.isEmpty }
        return true
    }

    /// One line for people.
    var line: String {
        let rate = duration > .zero ? humanSize(UInt64(Double(bytesErased) / (duration / .seconds(1)))) + "/s" : "-"
        let saved = backup.map { ", headers saved to \($0)" } ?? ""
        return "\(path) (\(identity.proof)): \(summary); \(humanSize(bytesErased)) erased, "
            + "\(humanSize(bytesVerified)) read back in \(humanTime(duration)), \(rate)\(saved)"
    }
}

extension [ZapOutcome] {
    /// The exit status for them: the worst of all.
    var exitStatus: ExitCode? {
        if allSatisfy(\.isClean) { return nil }
        if contains(where: { $0.state == .interrupted }) { return ExitStatus.interrupted }
        // A refusal says that nothing was changed, and that has to be true of all.
        return contains(where: \.isChanged) ? ExitStatus.failed : ExitStatus.refused
    }
}
