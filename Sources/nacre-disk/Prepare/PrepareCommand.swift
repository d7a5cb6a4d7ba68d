internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import ExactText
internal import JSON
internal import LinuxKernel

/// Makes a disk ready for OSDs.
struct PrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Make a blank disk ready for OSDs: as it is, or with partitions for them.",
        discussion: """
            A disk that is not blank is refused: zap it first. One that is as wanted already is left alone. The partitions are \
            of Linux' type and named 'osd db' and the like: ceph-volume and Rook take those of Ceph's types for used ones. The \
            examples make a whole raw disk, two databases, and one partition of all of a disk.

            EXAMPLES
              nacre-disk prepare /dev/sdb
              nacre-disk prepare /dev/nvme0n1 --part ceph-db:60G --part ceph-db:60G
              nacre-disk prepare /dev/sdc --part ceph-block:0
            """
    )

    @Argument(help: "The disk.", completion: Completion.disks) var device: String
    @Option(help: "A partition, TYPE:SIZE; size 0 is the rest. May be repeated.", completion: Completion.types)
    var part: [String] = []
    @Option(help: "The disk's serial number, or what plan shows instead.") var serial: String?
    @OptionGroup var planning: PlanOptions

    func validate() throws { _ = try part.map(Self.part) }

    func run() throws {
        let preparation = DiskPreparation(parts: try part.map(Self.part))
        var words = [device]
        if let serial { words += ["--serial", serial] }
        if planning.isPlan { words.append("--plan") }
        let target = try GPTTarget.parse(words)
        let host = Host()
        let plan = try target.plan(host)
        guard let contents = plan.inspection.contents else {
            for refusal in plan.refusals { Console.error("refusing to prepare '\(device)': \(refusal.text)") }
            throw ExitStatus.refused
        }
        if preparation.isMet(by: contents) {
            Console.note("\(device): it is so already")
            if !preparation.parts.isEmpty, DiskPreparation.hasFormerNames(contents) {
                Console.note(
                    "\(device): a partition has a name of ceph-disk, so ceph-volume and Rook take it for a used one; if it is to be "
                        + "taken: nacre-disk gpt name \(device.shellWord) --number N --name 'osd db'"
                )
            }
            return
        }
        if let begun = preparation.unfinished(on: contents) {
            Console.note("\(device): an earlier preparation was cut off; it is finished now")
            return try target.write(begun, plan, on: host)
        }
        guard contents.isBlank else {
            Console.error("refusing to prepare '\(device)': it is not blank (\(plan.inspection.summary)); zap it first")
            throw ExitStatus.refused
        }
        var generator = SystemRandomNumberGenerator()
        let layout: GPTLayout
        do throws(GPTLayoutError) {
            layout = try preparation.layout(for: plan.identity, using: &generator)
        } catch {
            Console.error("cannot prepare '\(device)': \(error); nothing was written")
            throw ExitStatus.failed
        }
        try target.write(layout, plan, on: host)
    }

    /// `ceph-db:60G`.
    private static func part(_ text: String) throws -> DiskPreparation.Part {
        let words = text.parts(at: ":", most: 1, omittingEmpty: true)
        guard words.count == 2 else {
            throw ValidationError("--part wants TYPE:SIZE, such as ceph-db:60G, not '\(text)'")
        }
        guard let type = PartitionType.parse(words[0]).flatMap({ PartitionType.of($0) }) else {
            throw ValidationError("'\(words[0])' in --part \(text) is no type; nacre-disk gpt types lists them")
        }
        switch GPTPlace(words[1]) {
        case .standard: return .init(type: type, sizeBytes: nil)
        case .bytes(let bytes) where bytes >= 1 << 20: return .init(type: type, sizeBytes: bytes)
        default:
            let wanted = "a size of at least 1M with its unit, such as 60G, or 0 for the rest"
            throw ValidationError("--part \(text): the size is '\(words[1])', and has to be \(wanted)")
        }
    }
}

/// Whether an OSD could take a disk.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether ceph-volume and Rook would take disks, and why not; 1 if any would not be taken."
    )

    @OptionGroup var arguments: DeviceArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let host = Host()
        let tree = try host.tree()
        let names = try arguments.named(in: tree).map(\.node.name)
        let survey = HostSurvey.take(host, tree, including: Set(names), reach: names.isEmpty ? .host : .named)
        let found = survey.inspections.values.filter { names.isEmpty || names.contains($0.node.name) }
            .sorted { $0.node.name < $1.node.name }
        output.show(.array(found.map(\.report))) { _ in
            found.map { disk in
                guard !disk.rejections.isEmpty else { return "\(disk.node.path): an OSD could take it" }
                let reasons = disk.rejections.map { "  \($0.text)" }
                return (["\(disk.node.path): an OSD could not take it"] + reasons).joined(separator: "\n")
            }.joined(separator: "\n")
        }
        if found.contains(where: { !$0.rejections.isEmpty }) { throw ExitStatus.failed }
    }
}
