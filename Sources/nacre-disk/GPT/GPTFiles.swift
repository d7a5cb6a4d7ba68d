internal import ArgumentParser
internal import BlockDevices
import CommandNames
internal import DiskZap
internal import ExactText
internal import LinuxKernel

/// A table as a file.
struct GPTBackup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Save the table to a new file, in the form of sgdisk --backup.",
        discussion: "A file that is there stays, unless it is an older table of the same disk: then it is replaced."
    )

    @Argument(help: "The disk.", completion: Completion.disks) var device: String
    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var source: GPTSource

    func run() throws {
        let target = try GPTTarget.parse([device])
        let plan = try target.plan(Host())
        let (layout, saved): (GPTLayout, [UInt8])
        do {
            layout = try target.layout(plan, from: source.from, doing: "save")
            saved = try layout.backup()
        } catch let error as GPTLayoutError {
            throw target.impossible(error, doing: "save")
        }
        do throws(KernelError) {
            try KernelFile.create(file, with: saved)
        } catch  where error.isAlreadyThere {
            try replace(layout, with: saved, plan)
        } catch {
            throw failure(error)
        }
        let count = layout.entries.count == 1 ? "1 partition" : "\(layout.entries.count) partitions"
        Console.note("\(device): saved the table of disk \(layout.diskGUID), with \(count), to '\(file)'")
    }

    /// Replaces the file only where it is a table of this disk: anything else may be all that is left of something.
    private func replace(_ layout: GPTLayout, with bytes: [UInt8], _ plan: ZapPlan) throws {
        let (size, sector) = (plan.identity.sizeBytes, UInt64(plan.identity.sectorBytes))
        guard case .file(let bytesThere)? = try? FileKind.of(file), bytesThere <= Self.mostBytes,
            let present = try? KernelFile.bytes(file),
            let older = try? GPTLayout(backup: present, sizeBytes: size, sectorBytes: sector),
            older.diskGUID == layout.diskGUID
        else {
            Console.error(
                "refusing to replace '\(file)': it is no saved table of '\(device)'; name a file that is not there"
            )
            throw ExitStatus.refused
        }
        // A new name beside it: every name that is there, such as FILE.new, is somebody's.
        let folder = file.parts(at: "/").dropLast().map { "\($0)/" }.joined()
        let beside = "\(folder).nacre-disk-\(UInt64.random(in: 0...UInt64.max))"
        do throws(KernelError) {
            try KernelFile.create(beside, with: bytes)
        } catch {
            throw failure(error)
        }
        do throws(KernelError) {
            try KernelFile.rename(beside, to: file)
        } catch {
            // After a rename it has that name no more, and nothing is removed.
            try? KernelFile.remove(beside)
            throw failure(error)
        }
    }

    /// The most that a saved table has; one of 128 partitions has 17 KiB.
    private static let mostBytes: UInt64 = 1 << 20

    private func failure(_ error: KernelError) -> any Error {
        Console.error("cannot save the table of '\(device)' to '\(file)': \(error.words)")
        return ExitStatus.failed
    }
}

/// A table from a file.
struct GPTRestore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Write the table that gpt backup or sgdisk --backup saved; also to another disk, where it fits."
    )

    @OptionGroup var target: GPTTarget
    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var lost: LossArguments

    func run() throws {
        let host = Host()
        let plan = try target.plan(host, options: lost.options())
        let bytes: [UInt8]
        do throws(KernelError) {
            bytes = try KernelFile.bytes(file)
        } catch {
            Console.error("cannot read the saved table '\(file)': \(error.words)")
            throw ExitStatus.failed
        }
        let layout: GPTLayout
        do throws(GPTLayoutError) {
            layout = try GPTLayout(
                backup: bytes,
                sizeBytes: plan.identity.sizeBytes,
                sectorBytes: UInt64(plan.identity.sectorBytes)
            )
        } catch {
            Console.error("cannot restore the table in '\(file)' to '\(target.device)': \(error); nothing was written")
            throw ExitStatus.failed
        }
        try target.write(layout, plan, on: host, losing: lost.contents.content)
    }
}

/// Two whole copies from one.
struct GPTRepair: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Write both copies and the protective MBR from the copy that is valid, the backup to the disk's end."
    )

    @OptionGroup var target: GPTTarget
    @OptionGroup var source: GPTSource
    @OptionGroup var lost: ContentArguments

    func run() throws {
        try target.edit(from: source.from, losing: lost) { _ in }
    }
}

/// No table.
struct GPTZap: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zap",
        abstract: "Erase every copy of the table and the MBR, in either sector size; what is on the partitions stays.",
        discussion: "What zap wants to be named has to be named here, too. Similar to: sgdisk --zap."
    )

    @OptionGroup var target: GPTTarget
    @OptionGroup var lost: LossArguments

    func run() throws {
        let host = Host()
        let plan = try target.plan(host, options: lost.options())
        for refusal in plan.refusals where refusal.canBeNamed {
            Console.error("refusing to change '\(target.device)': \(refusal.text)")
        }
        if plan.refusals.contains(where: \.canBeNamed) { throw ExitStatus.refused }
        if plan.inspection.contents?.tablePlaces.isEmpty ?? true {
            Console.note("\(target.device): there is no partition table")
            return
        }
        try target.write(nil, plan, on: host)
    }
}

/// The kernel's view.
struct GPTReread: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reread",
        abstract: "Have the kernel read the table again; where it will not, tell it the differences (partprobe)."
    )

    @Argument(help: "The disk.", completion: Completion.disks) var device: String

    func run() throws {
        let host = Host()
        var arguments = DeviceArguments()
        arguments.devices = [device]
        guard let node = try arguments.named(in: try host.tree()).first?.node else { throw ExitStatus.noDevice }
        do {
            let reread = try TableReread(node, on: host)
            for line in reread.done { Console.note("\(device): \(line)") }
            for line in reread.refused { Console.error("'\(device)': \(line); stop its user, then run it again") }
            if !reread.refused.isEmpty { throw ExitStatus.failed }
        } catch let refusal as Refusal {
            Console.error("refusing '\(device)': \(refusal.text)")
            throw ExitStatus.refused
        }
    }
}

/// What types there are.
struct GPTTypes: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "types", abstract: "List the partition types by name.")

    func run() {
        var table = Table("NAME", "CODE", "GUID")
        for type in PartitionType.all { table.rows.append([type.name, type.code, type.guid.description]) }
        Console.result(table.text)
    }
}
