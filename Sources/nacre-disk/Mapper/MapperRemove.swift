internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// Mappings go, by name.
struct MapperRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove mappings that nobody has open; says who has one open otherwise."
    )

    @OptionGroup var arguments: MappingArguments
    @Flag(help: "Do not try again for five seconds while it is open.") var noRetry = false
    @Flag(help: "Remove it when its last user closes it.") var deferred = false
    @Flag(help: "Make its I/O fail first: its disk is free at once, its users get errors.") var force = false

    func validate() throws {
        if arguments.mappings.isEmpty { throw ValidationError("name at least one mapping; there is no remove all") }
    }

    func run() throws {
        let mapper = try MapperCommand.open()
        var isDone = true
        for (text, reference) in zip(arguments.mappings, arguments.references) {
            isDone = try remove(text, reference, mapper) && isDone
        }
        if !isDone { throw ExitStatus.failed }
    }

    private func remove(_ text: String, _ reference: MappingReference, _ mapper: DeviceMapper) throws -> Bool {
        let info: MappingInfo
        do throws(KernelError) {
            info = try mapper.info(reference)
        } catch {
            guard error.isMissingDevice else {
                Console.error("cannot look at the mapping '\(text)': \(error.words)")
                return false
            }
            Console.note("\(text): there is no such mapping")
            return true
        }
        // By number from here on, because a name may be reused.
        let device = MappingReference.device(info.device)
        if force {
            try attempt("have the I/O of '\(info.name)' fail") { () throws(KernelError) in
                try mapper.replaceByErrors(device)
            }
            Console.note("\(info.name): its I/O fails from now on; its disk is free")
        }
        for attempt in 0..<(noRetry ? 1 : 25) {
            do throws(KernelError) {
                let removal = try mapper.remove(device, isDeferred: deferred)
                Console.note("\(info.name): \(removal == .removed ? "removed" : "goes when it is closed")")
                return true
            } catch {
                guard error.isBusy else {
                    Console.error("cannot remove '\(info.name)': \(error.words)")
                    return false
                }
                if attempt < 24, !noRetry { Threads.pause(.milliseconds(200)) }
            }
        }
        let host = Host()
        let users = try host.tree().node(of: info.device).map { host.users(of: $0.name) } ?? ""
        Console.error("cannot remove '\(info.name)': it is open\(users); stop that first")
        return false
    }
}

/// Removes the mappings of one cluster, and their names in /dev.
struct MapperClean: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean",
        abstract: "Remove the mappings of one cluster, or names in /dev/ceph-* and /dev/mapper that lead nowhere.",
        discussion: """
            Whose a mapping is, the disks below it say: tags of logical volumes, labels, LUKS headers. Its name alone \
            says nothing. Mappings that are open stay.
            """
    )

    @Flag(help: "Remove names that lead nowhere, whatever cluster they were of.") var ceph = false
    @Option(help: "Remove this cluster's mappings, and the names that they leave.", transform: uuidArgument)
    var fsid: GUID?
    @OptionGroup var include: IncludeOptions
    @OptionGroup var planning: PlanOptions

    func validate() throws {
        guard ceph || fsid != nil else {
            throw ValidationError("name a cluster with --fsid, or say --ceph to remove only names that lead nowhere")
        }
    }

    func run() throws {
        var left = 0
        var gone: [String] = []
        if let fsid {
            let mapper = try MapperCommand.open()
            let survey = try include.survey(Host())
            for node in survey.mappings(ofCluster: fsid.description) {
                guard let mapping = node.mapping else { continue }
                if try remove(node, mapping, mapper) { gone.append(mapping.name) } else { left += 1 }
            }
        }
        var names = planning.isPlan ? [] : StaleLinks().remove(namesOf: gone)
        if ceph { names += StaleLinks().removeCephLeftovers(isDryRun: planning.isPlan) }
        for name in names { Console.result("\(name): \(planning.isPlan ? "leads nowhere" : "removed")") }
        if left > 0 { throw ExitStatus.failed }
    }

    private func remove(_ node: BlockNode, _ mapping: BlockNode.Mapping, _ mapper: DeviceMapper) throws -> Bool {
        if planning.isPlan {
            Console.result("\(mapping.name): would be removed")
            return true
        }
        do throws(KernelError) {
            try mapper.remove(.uuid(mapping.uuid), isDeferred: false)
            Console.result("\(mapping.name): removed")
            return true
        } catch {
            if error.isMissingDevice { return true }
            let users = error.isBusy ? Host().users(of: node.name) : ""
            Console.error("cannot remove '\(mapping.name)': \(error.words)\(users); it stays")
            return false
        }
    }
}
