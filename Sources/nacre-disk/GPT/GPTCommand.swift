internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// Partition tables: what sgdisk does for OSDs.
struct GPTCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gpt",
        abstract: "Show, verify and change GUID partition tables; refuses on disks in use.",
        subcommands: [
            GPTPrint.self, GPTVerify.self, GPTNew.self, GPTAdd.self, GPTDelete.self, GPTType.self, GPTName.self,
            GPTUUID.self, GPTBackup.self, GPTRestore.self, GPTRepair.self, GPTZap.self, GPTReread.self, GPTTypes.self,
        ]
    )
}

/// What every change to a table needs: the disk, and the proof that it is meant.
struct GPTTarget: ParsableArguments {
    @Argument(help: "The disk.")
    var device: String

    @Option(help: "The disk's serial number, or what plan shows instead; asked for on a terminal.")
    var serial: String?

    @Flag(help: "Show the table as it would be and stop.")
    var dryRun = false

    /// The plan by whose rules the disk may be touched.
    func plan(_ host: Host, options: ZapOptions = ZapOptions()) throws -> ZapPlan {
        var arguments = DeviceArguments()
        arguments.devices = [device]
        let tree = try host.tree()
        let named = try arguments.named(in: tree)
        let survey = HostSurvey.take(host, tree, including: Set(named.map(\.node.name)), reach: .asNeeded)
        let running = RunningOSDs(on: host, survey.use)
        guard let first = named.first,
            let plan = survey.plan(device, first.node.name, options, running: running)
        else { throw ExitStatus.noDevice }
        return plan
    }

    /// The valid table on the disk, ready to be changed.
    func layout(_ plan: ZapPlan) throws -> GPTLayout {
        let contents = plan.inspection.contents
        guard let gpt = contents?.gpt, let layout = GPTLayout(gpt, sizeBytes: plan.identity.sizeBytes) else {
            let hint = contents?.foreignGPT == nil ? "make one with gpt new" : "its table is in sectors of another size"
            Console.error("'\(device)' has no valid table in its own sectors; \(hint)")
            throw ExitStatus.failed
        }
        return layout
    }

    /// Checks the rules and the proof, then writes; or only shows.
    func write(_ layout: GPTLayout?, _ plan: ZapPlan, on host: Host) throws {
        let writer = TableWriter(plan, on: host)
        for refusal in writer.refusals { Console.error("refusing to change '\(device)': \(refusal.text)") }
        guard writer.refusals.isEmpty else { throw ExitStatus.refused }
        if dryRun {
            Console.result(layout?.text ?? "'\(device)' would have no partition table")
            return
        }
        let given = serial ?? Console.ask("To change \(device), type its \(plan.identity.proofKind):")
        guard given == plan.identity.proof else {
            Console.error("refusing to change '\(device)': its \(plan.identity.proofKind) was not given (--serial)")
            throw ExitStatus.refused
        }
        do {
            for line in try writer.write(layout) { Console.note("\(device): \(line)") }
        } catch let refusal as Refusal {
            Console.error("refusing to change '\(device)': \(refusal.text)")
            throw ExitStatus.refused
        }
    }

    /// Changes the table that is there.
    func edit(_ change: (inout GPTLayout) throws -> Void) throws {
        let host = Host()
        let plan = try plan(host)
        var layout = try layout(plan)
        try change(&layout)
        try write(layout, plan, on: host)
    }
}

extension GPTLayout {
    /// For people.
    var text: String {
        var table = Table("NUMBER", "FIRST", "LAST", "SIZE", "TYPE", "NAME", "UUID")
        for (number, entry) in entries.sorted(by: { $0.key < $1.key }) {
            table.rows.append(entry.row(number, sectorBytes))
        }
        return "disk \(diskGUID), \(blocks) sectors of \(sectorBytes)\n\(table.text)"
    }
}

extension GPTEntry {
    func row(_ number: Int, _ sectorBytes: UInt64) -> [String] {
        let blocks = lastLBA >= firstLBA ? lastLBA - firstLBA + 1 : 0
        let size = blocks.multipliedReportingOverflow(by: sectorBytes)
        return [
            "\(number)", "\(firstLBA)", "\(lastLBA)", size.overflow ? "?" : humanSize(size.partialValue),
            PartitionType.of(type)?.name ?? type.description, name.isEmpty ? "-" : name, unique.description,
        ]
    }
}

/// Reads a UUID of the command line.
@Sendable
func uuidArgument(_ text: String) throws -> GUID {
    guard let guid = GUID(text: text) else { throw ValidationError("'\(text)' is not a UUID") }
    return guid
}
