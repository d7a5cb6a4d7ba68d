internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// What a zap would do.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what zap would erase, to the byte, and its hash; or why it would refuse. Writes nothing.",
        discussion: "Exit status 77 when zap would refuse."
    )

    @OptionGroup var arguments: DeviceArguments
    @OptionGroup var zap: ZapArguments
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if arguments.devices.isEmpty { throw ValidationError("name at least one device; nacre-disk list shows them") }
    }

    func run() throws {
        let plans = try ZapSession(host: Host(), arguments: arguments, zap: zap).plans
        output.show(.array(plans.map(\.report))) { _ in
            plans.map { $0.lines.joined(separator: "\n") }.joined(separator: "\n")
        }
        if plans.contains(where: { !$0.refusals.isEmpty }) { throw ExitStatus.refused }
    }
}

/// The plans for the devices of a command line, which take related disks of the host into account.
struct ZapSession {
    let host: Host
    let plans: [ZapPlan]

    init(host: Host, arguments: DeviceArguments, zap: ZapArguments) throws {
        self.host = host
        let tree = try host.tree()
        let named = try arguments.named(in: tree)
        let survey = HostSurvey.take(host, tree, including: Set(named.map(\.node.name)), reach: .asNeeded)
        let together = Set(named.map(\.node.name))
        let running = RunningOSDs(on: host, survey.use)
        plans = named.compactMap {
            survey.plan($0.path, $0.node.name, zap.options, together: together, running: running)
        }
    }
}
