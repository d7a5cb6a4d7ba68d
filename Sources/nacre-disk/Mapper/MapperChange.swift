internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import ExactText
internal import LinuxKernel

/// A window on a device.
struct MapperCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a linear mapping, read-only unless told: a logical volume without LVM."
    )

    @Argument(help: "Its name.") var name: String
    @Option(help: "The device below it.", completion: Completion.blocks) var device: String
    @Option(help: "Where it begins on that device, in bytes.") var offset: UInt64 = 0
    @Option(help: "How long it is, in bytes.") var length: UInt64
    @Flag(help: "Let it be written to.") var writable = false

    func validate() throws {
        guard offset % 512 == 0, length % 512 == 0, length > 0 else {
            throw ValidationError("--offset and --length want multiples of 512")
        }
    }

    func run() throws {
        let mapper = try MapperCommand.open()
        let below = try attempt("make the mapping '\(name)' on '\(device)'") { () throws(KernelError) in
            try DevicePath.blockDevice(device)
        }
        let size = try Host().tree().node(of: below)?.sizeBytes ?? 0
        guard offset <= size, length <= size - offset else {
            Console.error(
                "cannot make the mapping '\(name)': '\(device)' has \(size) bytes, and it would end at byte "
                    + "\(offset &+ length); give a smaller --offset or --length"
            )
            throw ExitStatus.failed
        }
        let target = MappingTarget(
            startSectors: 0,
            lengthSectors: length / 512,
            type: "linear",
            parameters: "\(below) \(offset / 512)"
        )
        let users = { (error: KernelError) in
            error.call == "DM_TABLE_LOAD" && error.isBusy ? Self.users(of: below) : nil
        }
        let info = try attempt("make the mapping '\(name)' on '\(device)'", hint: users) { () throws(KernelError) in
            try mapper.create(name, table: [target], isReadOnly: !writable)
        }
        let path = "/dev/mapper/\(info.name)"
        do throws(KernelError) {
            try DevicePath.makeNode(path, info.device)
        } catch {
            throw undo(mapper, error, path)
        }
        Console.result(path)
    }

    /// Removes the mapping whose node could not be made; says so.
    private func undo(_ mapper: DeviceMapper, _ error: KernelError, _ path: String) -> any Error {
        let message = "cannot make the node '\(path)': \(error.words)"
        do throws(KernelError) {
            try mapper.remove(.name(name), isDeferred: false)
            Console.error("\(message); the mapping '\(name)' was removed again")
            return error.exitCode
        } catch {
            Console.error(
                "\(message), and the mapping '\(name)' cannot be removed: \(error.words); remove it with nacre-disk dm "
                    + "remove \(name)"
            )
            return ExitStatus.failed
        }
    }

    /// Who has claimed a device.
    private static func users(of device: DeviceNumber) -> String? {
        let host = Host()
        guard let node = try? host.tree().node(of: device) else { return nil }
        return "'\(node.name)' has users\(host.users(of: node.name)); stop them first"
    }
}

/// Another name.
struct MapperRename: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rename", abstract: "Rename a mapping.")

    @Argument(help: "Its name.", completion: Completion.mappings) var name: String
    @Argument(help: "The new one.") var newName: String

    func run() throws {
        let mapper = try MapperCommand.open()
        try attempt("rename the mapping '\(name)' to '\(newName)'", hint: MapperCommand.hint) {
            () throws(KernelError) in
            try mapper.rename(name, to: newName)
        }
    }
}

/// I/O waits.
struct MapperSuspend: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "suspend", abstract: "Have the I/O of mappings wait.")

    @OptionGroup var arguments: MappingArguments

    func run() throws {
        let mapper = try MapperCommand.open()
        guard !arguments.mappings.isEmpty else { throw ValidationError("name at least one mapping") }
        for reference in arguments.references {
            try attempt("suspend the mapping '\(reference.text)'", hint: MapperCommand.hint) { () throws(KernelError) in
                try mapper.suspend(reference)
            }
        }
    }
}

/// I/O goes on.
struct MapperResume: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Let the I/O of mappings go on.")

    @OptionGroup var arguments: MappingArguments

    func run() throws {
        let mapper = try MapperCommand.open()
        guard !arguments.mappings.isEmpty else { throw ValidationError("name at least one mapping") }
        for reference in arguments.references {
            try attempt("resume the mapping '\(reference.text)'", hint: MapperCommand.hint) { () throws(KernelError) in
                try mapper.resume(reference)
            }
        }
    }
}

/// What targets the kernel knows.
struct MapperTargets: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "targets",
        abstract: "List the kinds of target in the kernel."
    )

    func run() throws {
        for type in try MapperCommand.open().targetTypes() { Console.result(type) }
    }
}

/// The kernel's version.
struct MapperVersion: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Show the version of the kernel's interface."
    )

    func run() throws {
        Console.result(try MapperCommand.open().version())
    }
}

/// A name taken apart.
struct MapperSplitName: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "splitname",
        abstract: "Show the volume group and the logical volume in a mapping's name."
    )

    @Argument(help: "The name.") var name: String

    func run() throws {
        guard let parts = MappingName(name) else {
            Console.error("'\(name)' is not the name of a logical volume's mapping")
            throw ExitStatus.failed
        }
        Console.result("\(parts.group) \(parts.volume)\(parts.layer.map { " \($0)" } ?? "")")
    }
}

/// Cookies that nobody completed.
struct MapperCookies: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "udevcookies",
        abstract: "List semaphores on which dmsetup or lvm may hang; nacre-disk never makes any."
    )

    func run() {
        let lines = ((try? KernelFile.text("/proc/sysvipc/sem")) ?? "").parts(at: "\n", omittingEmpty: true).dropFirst()
        for line in lines {
            let fields = line.parts(at: " ", omittingEmpty: true)
            // libdevmapper's keys begin with 0x0D4D.
            guard let key = fields.first.flatMap({ Int32($0) }), UInt32(bitPattern: key) >> 16 == 0x0D4D else {
                continue
            }
            Console.result(
                "0x0\(String(UInt32(bitPattern: key), radix: 16)) (semaphore \(fields.dropFirst().first ?? "?"))"
            )
        }
    }
}
