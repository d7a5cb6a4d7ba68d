internal import ArgumentParser
internal import BlockDevices
import CommandNames
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// All mappings, and whose they are.
struct MapperList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List mappings with the OSD and cluster they belong to; --output tree shows what stands on what."
    )

    @Option(help: "Only those with a target of this kind: linear, crypt.")
    var target: String?

    @OptionGroup var include: IncludeOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let mapper = try MapperCommand.open()
        let survey = try include.survey(Host())
        let owners = MappingOwners(survey)
        let infos = try mapper.mappings().sorted { $0.name < $1.name }.filter { info in
            guard let target else { return true }
            return (try? mapper.status(.device(info.device)))?.contains { $0.type == target } ?? false
        }
        func owner(_ info: MappingInfo) -> String {
            guard let node = survey.tree.node(of: info.device) else { return "-" }
            return owners.owners(of: node).first?.text ?? "-"
        }
        output.show(.array(infos.map { $0.report(owner($0)) })) { format in
            if format == .tree { return Self.tree(survey, Set(infos.map(\.device))) }
            var table = Table("NAME", "NUMBER", "OPEN", "UUID", "OWNER")
            for info in infos {
                table.rows.append([info.name, "\(info.device)", "\(info.openCount)", info.uuid, owner(info)])
            }
            return table.text
        }
    }

    /// Disks, and what stands on them.
    private static func tree(_ survey: HostSurvey, _ wanted: Set<DeviceNumber>) -> String {
        let roots = survey.tree.nodes.values.filter { $0.slaves.isEmpty && !$0.isPartition }.sorted {
            $0.name < $1.name
        }
        return roots.filter { root in survey.tree.above(root.name).contains { wanted.contains($0.device) } }
            .flatMap { branch($0, survey.tree, depth: 0) }.joined(separator: "\n")
    }

    private static func branch(_ node: BlockNode, _ tree: BlockTree, depth: Int) -> [String] {
        guard depth < 16 else { return [] }
        let name = node.mapping.map { "\(node.name) \($0.name)" } ?? node.name
        let line = String(repeating: "  ", count: depth) + "\(name) (\(node.device), \(humanSize(node.sizeBytes)))"
        let upper = tree.partitions(of: node.name) + node.holders.compactMap { tree.nodes[$0] }
        return [line] + upper.flatMap { branch($0, tree, depth: depth + 1) }
    }
}

/// Mappings one by one.
struct MapperInfo: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "info", abstract: "Show the state of mappings.")

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let infos = try arguments.infos(try MapperCommand.open())
        output.show(.array(infos.map { $0.report(nil) })) { _ in
            infos.map { info in
                let tables = [info.hasLiveTable ? "live" : nil, info.hasInactiveTable ? "inactive" : nil]
                return """
                    name      \(info.name)
                    state     \(info.isSuspended ? "suspended" : "active")\(info.isReadOnly ? ", read-only" : "")\
                    \(info.isRemovedOnLastClose ? ", goes when it is closed" : "")
                    tables    \(tables.compactMap(\.self).joined(separator: ", "))
                    open      \(info.openCount)
                    events    \(info.eventNumber)
                    number    \(info.device)
                    targets   \(info.targetCount)
                    uuid      \(info.uuid)
                    """
            }.joined(separator: "\n\n")
        }
    }
}

/// Tables of mappings.
struct MapperTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table",
        abstract: "Show the tables of mappings, keys blanked."
    )

    @OptionGroup var arguments: MappingArguments

    func run() throws {
        let mapper = try MapperCommand.open()
        for info in try arguments.infos(mapper) {
            for target in try mapper.table(.device(info.device)) { Console.result("\(info.name): \(target.line)") }
        }
    }
}

/// What targets say.
struct MapperStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what targets say of themselves."
    )

    @OptionGroup var arguments: MappingArguments

    func run() throws {
        let mapper = try MapperCommand.open()
        for info in try arguments.infos(mapper) {
            for target in try mapper.status(.device(info.device)) { Console.result("\(info.name): \(target.line)") }
        }
    }
}

/// What mappings stand on.
struct MapperDependencies: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deps",
        abstract: "Show the devices that mappings stand on."
    )

    @OptionGroup var arguments: MappingArguments

    func run() throws {
        let mapper = try MapperCommand.open()
        let tree = try Host().tree()
        for info in try arguments.infos(mapper) {
            let names = try mapper.dependencies(.device(info.device)).map { device in
                tree.node(of: device).map { "\($0.name) (\(device))" } ?? "\(device)"
            }
            Console.result("\(info.name): \(names.joined(separator: ", "))")
        }
    }
}

extension MappingInfo {
    func report(_ owner: String?) -> JSONValue {
        .fields([
            "name": .string(name), "uuid": .string(uuid), "device": .string("\(device)"),
            "open": .integer(Int64(openCount)),
            "targets": .integer(Int64(targetCount)), "events": .integer(Int64(eventNumber)),
            "readOnly": .bool(isReadOnly),
            "suspended": .bool(isSuspended), "liveTable": .bool(hasLiveTable),
            "inactiveTable": .bool(hasInactiveTable), "removedOnLastClose": .bool(isRemovedOnLastClose),
            "owner": .optional(owner),
        ])
    }
}
