internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// A fresh table.
struct GPTNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Write an empty table on a blank disk, or on one whose table is broken or empty."
    )

    @OptionGroup var target: GPTTarget

    func run() throws {
        let host = Host()
        let plan = try target.plan(host)
        // Content that must be named for a zap prevents this too.
        for refusal in plan.refusals where refusal.canBeNamed {
            Console.error("refusing to change '\(target.device)': \(refusal.message); zap it first")
            throw ExitStatus.refused
        }
        var generator = SystemRandomNumberGenerator()
        let layout: GPTLayout
        do throws(GPTLayoutError) {
            layout = try GPTLayout(
                sizeBytes: plan.identity.sizeBytes,
                sectorBytes: UInt64(plan.identity.sectorBytes),
                diskGUID: .random(using: &generator)
            )
        } catch {
            throw target.impossible(error)
        }
        try target.write(layout, plan, on: host)
    }
}

/// A partition more.
struct GPTAdd: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "add", abstract: "Add a partition.")

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: ContentArguments
    @Option(help: "Its number; the first free one otherwise.")
    var number: Int?
    @Option(help: "Where it begins: 0 (where there is room), a sector, 10G, +1M; moved to a whole MiB.")
    var start = "0"
    @Option(help: "Where it ends: 0 (the end of the room), a sector, 10G, +5G from its beginning, -1G.")
    var end = "0"
    @Option(help: "A name (gpt types), a code of sgdisk or a GUID.", completion: Completion.types)
    var type = "linux"
    @Option(help: "PARTLABEL.")
    var name = ""
    @Option(help: "PARTUUID; random otherwise.", transform: uuidArgument)
    var uuid: GUID?

    func validate() throws {
        guard GPTPlace(start) != nil, GPTPlace(end) != nil else {
            throw ValidationError("--start and --end want a place")
        }
        guard PartitionType.parse(type) != nil else { throw ValidationError("'\(type)' is no type; see gpt types") }
        guard name.utf16.count <= GPTEntry.nameUnits else {
            throw ValidationError("'\(name)' is longer than 36 characters")
        }
    }

    func run() throws {
        guard let from = GPTPlace(start), let to = GPTPlace(end), let kind = PartitionType.parse(type) else { return }
        try target.edit(losing: lost) { layout in
            let blocks = try layout.blocks(from: from, to: to)
            var generator = SystemRandomNumberGenerator()
            let entry = GPTEntry(
                type: kind,
                unique: uuid ?? .random(using: &generator),
                firstLBA: blocks.lowerBound,
                lastLBA: blocks.upperBound,
                name: name
            )
            let number = try layout.add(number, entry)
            Console.note("partition \(number): sectors \(blocks.lowerBound) to \(blocks.upperBound), \(entry.unique)")
        }
    }
}

/// A partition less.
struct GPTDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Take a partition out of the table; what is on it stays, and comes back with the same partition."
    )

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: ContentArguments
    @Option(help: "Its number.")
    var number: Int

    func run() throws {
        try target.edit(losing: lost) { try $0.remove(number) }
    }
}

/// Another type.
struct GPTType: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "type", abstract: "Change a partition's type.")

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: ContentArguments
    @Option(help: "Its number.")
    var number: Int
    @Option(help: "A name (gpt types), a code of sgdisk or a GUID.", completion: Completion.types)
    var type: String

    func validate() throws {
        guard PartitionType.parse(type) != nil else { throw ValidationError("'\(type)' is no type; see gpt types") }
    }

    func run() throws {
        guard let kind = PartitionType.parse(type) else { return }
        try target.edit(losing: lost) { try $0.change(number) { $0.type = kind } }
    }
}

/// Another name.
struct GPTName: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "name",
        abstract: "Change a partition's name (PARTLABEL)."
    )

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: ContentArguments
    @Option(help: "Its number.")
    var number: Int
    @Option(help: "The name, at most 36 characters.")
    var name: String

    func validate() throws {
        guard name.utf16.count <= GPTEntry.nameUnits else {
            throw ValidationError("'\(name)' is longer than 36 characters")
        }
    }

    func run() throws {
        try target.edit(losing: lost) { try $0.change(number) { $0.name = name } }
    }
}

/// Another identity.
struct GPTUUID: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uuid",
        abstract: "Change a partition's UUID (PARTUUID) or the disk's GUID, or make all random after a copy."
    )

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: ContentArguments
    @Option(help: "The partition; the disk itself without it.")
    var number: Int?
    @Option(help: "The UUID; random without it.", transform: uuidArgument)
    var uuid: GUID?
    @Flag(help: "The disk's and those of all partitions, random.")
    var all = false

    func run() throws {
        var generator = SystemRandomNumberGenerator()
        try target.edit(losing: lost) { layout in
            if let number, !all { return try layout.change(number) { $0.unique = uuid ?? .random(using: &generator) } }
            layout.diskGUID = uuid ?? .random(using: &generator)
            for number in layout.entries.keys.sorted() where all {
                try layout.change(number) { $0.unique = .random(using: &generator) }
            }
        }
    }
}
