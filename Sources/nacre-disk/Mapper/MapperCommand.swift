internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import ExactText
internal import LinuxKernel

/// Mappings of the device mapper: what dmsetup does for OSDs.
struct MapperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dm",
        abstract: "Show and remove mappings of the device mapper, by whose they are; never all of them.",
        discussion: """
            There is no remove_all. No request carries a udev cookie, so nothing hangs where no udevd answers. Tables \
            of encrypted mappings are shown without their keys.
            """,
        subcommands: [
            MapperList.self, MapperInfo.self, MapperTable.self, MapperStatus.self, MapperDependencies.self,
            MapperCreate.self, MapperRename.self, MapperSuspend.self, MapperResume.self, MapperRemove.self,
            MapperClean.self, MapperTargets.self, MapperVersion.self, MapperSplitName.self, MapperCookies.self,
        ]
    )

    /// What to do where a mapping is not there.
    static func hint(_ error: KernelError) -> String? {
        error.isMissingDevice ? "nacre-disk dm ls shows those that there are" : nil
    }

    /// Opens the device mapper, or ends the program with the reason.
    static func open() throws -> DeviceMapper {
        do throws(KernelError) {
            return try DeviceMapper()
        } catch {
            guard error.isMissingDevice || error.isNotFound else {
                Console.error("cannot use the device mapper \(error); run as root")
                throw ExitStatus.refused
            }
            Console.error(
                "this kernel has no device mapper: there is no \(error.subject); load dm_mod (modprobe dm_mod)"
            )
            throw ExitStatus.unavailable
        }
    }
}

/// Which mappings are meant.
struct MappingArguments: ParsableArguments {
    @Argument(
        help: "Names, uuids (LVM-…), numbers (253:0) or paths of mappings.",
        completion: Completion.mappings
    )
    var mappings: [String] = []

    var references: [MappingReference] { mappings.map(Self.reference) }

    static func reference(_ text: String) -> MappingReference {
        if let device = DeviceNumber(parsing: text) { return .device(device) }
        if text.startsExactly(with: "/"), let device = try? DevicePath.blockDevice(text) { return .device(device) }
        let prefixes = ["LVM-", "CRYPT-", "mpath-"]
        return prefixes.contains { text.startsExactly(with: $0) } ? .uuid(text) : .name(text)
    }

    /// Those that were named, or all.
    func infos(_ mapper: DeviceMapper) throws -> [MappingInfo] {
        guard !mappings.isEmpty else { return try mapper.mappings().sorted { $0.name < $1.name } }
        return try references.map { reference in
            try attempt("look at the mapping '\(reference.text)'", hint: MapperCommand.hint) { () throws(KernelError) in
                try mapper.info(reference)
            }
        }
    }
}
