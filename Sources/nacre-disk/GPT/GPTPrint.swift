internal import ArgumentParser
internal import BlockDevices
import CommandNames
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// What a table says, also a broken one.
struct GPTPrint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "print",
        abstract: "Show the table; of a broken one, which part is bad and why."
    )

    @OptionGroup var arguments: DeviceArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let found = try tables(arguments)
        output.show(.array(found.map(\.report))) { _ in found.map(\.text).joined(separator: "\n") }
        if found.contains(where: { $0.contents == nil }) { throw ExitStatus.failed }
    }
}

/// Whether a table is whole.
struct GPTVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Check both copies, their CRCs and places, overlaps, alignment and the protective MBR; 1 if anything is wrong."
    )

    @OptionGroup var arguments: DeviceArguments

    func run() throws {
        var isWhole = true
        for disk in try tables(arguments) {
            guard let contents = disk.contents, contents.gpt != nil else {
                Console.result("\(disk.node.path): no partition table")
                isWhole = false
                continue
            }
            let problems = contents.tableProblems
            isWhole = isWhole && problems.isEmpty
            Console.result("\(disk.node.path): \(problems.isEmpty ? "no problem" : "\(problems.count) problems")")
            for problem in problems { Console.result("  \(problem.part): \(problem.text)") }
        }
        if !isWhole { throw ExitStatus.failed }
    }
}

private func tables(_ arguments: DeviceArguments) throws -> [DiskInspection] {
    let host = Host()
    let tree = try host.tree()
    let names = try arguments.named(in: tree).map(\.node.name)
    guard !names.isEmpty else { throw ValidationError("name at least one device") }
    let survey = HostSurvey.take(host, tree, including: Set(names), reach: .named)
    return names.compactMap { survey.inspections[$0] }
}

extension DiskInspection {
    fileprivate var text: String {
        guard let contents else { return "\(node.path): cannot be read" }
        guard let gpt = contents.gpt ?? contents.foreignGPT else {
            let kind = contents.mbr.map { $0.isProtective ? "a protective MBR and no GPT" : "an MBR table" }
            return "\(node.path): \(kind ?? "no partition table")"
        }
        var table = Table("NUMBER", "FIRST", "LAST", "SIZE", "TYPE", "NAME", "UUID")
        for (number, entry) in gpt.partitions { table.rows.append(entry.row(number, gpt.sectorBytes)) }
        let guid = (gpt.current ?? gpt.primary).header?.diskGUID.description ?? "?"
        let problems = contents.tableProblems.map { "  \($0.part): \($0.text)" }
        let head = "\(node.path): disk \(guid), \(gpt.blocks) sectors of \(gpt.sectorBytes)"
        return ([head, table.text] + problems).joined(separator: "\n")
    }
}
