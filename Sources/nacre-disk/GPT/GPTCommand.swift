internal import ArgumentParser
internal import BlockDevices
internal import CommandNames
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

/// What every change of a table needs: the disk, and the proof of its identity.
struct GPTTarget: ParsableArguments {
    @Argument(help: "The disk.", completion: Completion.disks)
    var device: String

    @Option(help: "The disk's serial number, or what plan shows instead; asked for on a terminal.")
    var serial: String?

    @OptionGroup var planning: PlanOptions

    /// The plan whose rules say whether the disk may be changed.
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
        guard let gpt = contents?.gpt, gpt.restorable != nil else {
            let hint = contents?.foreignGPT == nil ? "make one with gpt new" : "its table is in sectors of another size"
            Console.error("'\(device)' has no valid table in its own sectors; \(hint)")
            throw ExitStatus.failed
        }
        let own = (contents?.mbr?.entries ?? []).filter { $0.type != 0xEE }.map { String($0.number) }
        if !own.isEmpty {
            Console.note(
                "\(device): its MBR has partitions of its own beside the table (\(own.joined(separator: ", "))); a change "
                    + "puts a protective one in their place"
            )
        }
        do throws(GPTLayoutError) {
            return try GPTLayout(gpt, sizeBytes: plan.identity.sizeBytes)
        } catch {
            throw impossible(error)
        }
    }

    /// Checks the rules and the proof, then writes, or only shows the change.
    func write(_ layout: GPTLayout?, _ plan: ZapPlan, on host: Host) throws {
        let writer = TableWriter(plan, on: host)
        for refusal in writer.refusals { Console.error("refusing to change '\(device)': \(refusal.text)") }
        guard writer.refusals.isEmpty else { throw ExitStatus.refused }
        if planning.isPlan {
            Console.result(layout?.text ?? "'\(device)' would have no partition table")
            return
        }
        try prove(layout, plan)
        do {
            let written = try writer.write(layout)
            for line in written.done { Console.note("\(device): \(line)") }
            for line in written.refused {
                Console.error("'\(device)': \(line); stop its user, then run nacre-disk gpt reread \(device)")
            }
            if !written.refused.isEmpty { throw ExitStatus.failed }
        } catch let refusal as Refusal {
            Console.error("refusing to change '\(device)': \(refusal.text)")
            throw ExitStatus.refused
        } catch let error as KernelError {
            Console.error(
                "cannot write the table of '\(device)': \(error.words); one of its copies is whole, old or new: see "
                    + "nacre-disk gpt verify \(device), then nacre-disk gpt repair"
            )
            throw ExitStatus.failed
        }
    }

    /// Shows what will be done before it asks for the proof; ends the program without the proof.
    private func prove(_ layout: GPTLayout?, _ plan: ZapPlan) throws {
        let identity = plan.identity
        let kind = identity.proofKind
        if let serial {
            guard serial != identity.proof else { return }
            Console.error("refusing to change '\(device)': \(identity.mismatch([serial], by: "--serial gave"))")
            throw ExitStatus.refused
        }
        let agreement = Agreement(
            to: "change the table of '\(device)'",
            typing: "its \(kind)",
            instead: "give its \(kind) with --serial"
        )
        let future = layout.map { ["the table will be:"] + $0.text.split(separator: "\n").map(String.init) }
        try agreement.ask(plan.inspection.lines + (future ?? ["every copy of the table will be erased"])) { typed in
            typed == identity.proof ? nil : identity.mismatch([typed], by: "you typed")
        }
    }

    /// Changes the table that is there.
    func edit(_ change: (inout GPTLayout) throws -> Void) throws {
        let host = Host()
        let plan = try plan(host)
        var layout = try layout(plan)
        do {
            try change(&layout)
        } catch let error as GPTLayoutError {
            throw impossible(error)
        }
        try write(layout, plan, on: host)
    }

    /// Says why a table cannot be made.
    func impossible(_ error: GPTLayoutError) -> any Error {
        Console.error("cannot change the table of '\(device)': \(error); nothing was written")
        return ExitStatus.failed
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
