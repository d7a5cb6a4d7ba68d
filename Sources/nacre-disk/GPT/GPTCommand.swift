internal import ArgumentParser
internal import BlockDevices
internal import CommandNames
internal import DiskZap
internal import ExactText
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

    /// The valid table on the disk.
    ///
    /// - Parameters:
    ///   - plan: The disk.
    ///   - side: The copy that was chosen.
    ///   - doing: For the message: `change`.
    /// - Returns: The table; it may not fit the disk.
    /// - Throws: The exit code, when no copy is whole or none can be preferred.
    func layout(_ plan: ZapPlan, from side: GPT.Side?, doing: String) throws -> GPTLayout {
        let contents = plan.inspection.contents
        guard let gpt = contents?.gpt, gpt.isContradictory || gpt.restorable(from: side) != nil || side != nil else {
            let hint = contents?.foreignGPT == nil ? "make one with gpt new" : "its table is in sectors of another size"
            Console.error("'\(device)' has no valid table in its own sectors; \(hint)")
            throw ExitStatus.failed
        }
        if side == nil, gpt.isContradictory {
            Console.error(
                "refusing to \(doing) the table of '\(device)': its copies are two tables, the primary of a larger disk "
                    + "(\(gpt.primary.words)) and the backup (\(gpt.backup.words)); see gpt print of both disks, then "
                    + "choose with nacre-disk gpt repair \(device) --from primary, or --from backup"
            )
            throw ExitStatus.refused
        }
        do throws(GPTLayoutError) {
            return try GPTLayout(gpt, sizeBytes: plan.identity.sizeBytes, from: side)
        } catch {
            throw impossible(error, doing: doing)
        }
    }

    /// Says which partitions of its own an MBR loses by a change.
    private func noteLosses(_ plan: ZapPlan) {
        let entries = plan.inspection.contents?.mbr?.entries ?? []
        let own = entries.filter { $0.type != 0xEE }.map { String($0.number) }
        guard !own.isEmpty else { return }
        Console.note(
            "\(device): its MBR has partitions of its own beside the table (\(own.joined(separator: ", "))); a change "
                + "puts a protective one in their place"
        )
    }

    /// Checks the rules and the proof, then writes, or only shows the change.
    ///
    /// - Parameters:
    ///   - layout: The table; `nil` for none.
    ///   - plan: The disk.
    ///   - host: Where it is.
    ///   - isEdited: Whether the table is the disk's own, changed.
    ///   - contents: What may be lost where the table has its bytes, by format names.
    /// - Throws: The exit code, after the reason was printed.
    func write(
        _ layout: GPTLayout?,
        _ plan: ZapPlan,
        on host: Host,
        isEdited: Bool = false,
        losing contents: [String] = []
    ) throws {
        let writer = TableWriter(plan, on: host)
        let lost = layout.map { plan.tableRefusals($0, isEdited: isEdited, losing: Set(contents)) } ?? []
        for refusal in writer.refusals + lost { Console.error("refusing to change '\(device)': \(refusal.text)") }
        guard writer.refusals.isEmpty, lost.isEmpty else { throw ExitStatus.refused }
        do throws(GPTLayoutError) {
            try layout?.check()
        } catch {
            throw impossible(error)
        }
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
        } catch let failure as TableWriter.Failure {
            Console.error(
                "cannot write the table of '\(device)': \(failure.error.words); \(advice(failure, layout, plan))"
            )
            throw ExitStatus.failed
        } catch let error as GPTLayoutError {
            throw impossible(error)
        }
    }

    /// What to do after a write that failed.
    private func advice(_ failure: TableWriter.Failure, _ layout: GPTLayout?, _ plan: ZapPlan) -> String {
        guard failure.isBegun else { return "nothing was written" }
        guard layout != nil else { return "some of it may be left: run it again when that is mended" }
        guard plan.inspection.contents?.gpt?.restorable(from: nil) != nil else {
            return "there was no whole table before, and there may be none now: run it again when that is mended"
        }
        return "one of its copies is whole, old or new: see nacre-disk gpt verify \(device), then nacre-disk gpt repair"
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
        let future = layout.map { ["the table will be:"] + $0.text.parts(at: "\n", omittingEmpty: true) }
        try agreement.ask(plan.inspection.lines + (future ?? ["every copy of the table will be erased"])) { typed in
            typed == identity.proof ? nil : identity.mismatch([typed], by: "you typed")
        }
    }

    /// Changes the table that is there.
    func edit(
        from side: GPT.Side? = nil,
        losing lost: ContentArguments,
        _ change: (inout GPTLayout) throws -> Void
    ) throws {
        let host = Host()
        let plan = try plan(host, options: ZapOptions(contents: Set(lost.content)))
        var layout = try layout(plan, from: side, doing: "change")
        noteLosses(plan)
        do {
            try change(&layout)
        } catch let error as GPTLayoutError {
            throw impossible(error)
        }
        try write(layout, plan, on: host, isEdited: true, losing: lost.content)
    }

    /// Says why a table cannot be made.
    func impossible(_ error: GPTLayoutError, doing: String = "change") -> any Error {
        Console.error("cannot \(doing) the table of '\(device)': \(error); nothing was written")
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

extension GPTCopy {
    /// Which table it is, for people.
    fileprivate var words: String {
        let count = entries.count == 1 ? "1 partition" : "\(entries.count) partitions"
        return "disk \(header?.diskGUID.description ?? "?"), \(count)"
    }
}

/// Which copy of a table to go by.
struct GPTSource: ParsableArguments {
    @Option(help: "The copy to go by where both are whole and differ: primary or backup.", transform: Self.side)
    var from: GPT.Side?

    private static func side(_ text: String) throws -> GPT.Side {
        guard let side = GPT.Side(rawValue: text) else {
            throw ValidationError("--from wants primary or backup, not '\(text)'")
        }
        return side
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
