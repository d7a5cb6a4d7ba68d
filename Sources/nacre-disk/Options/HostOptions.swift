internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import ExactText
internal import LinuxKernel

/// The host whose disks are meant, and the devices among them.
struct DeviceArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp("Devices: /dev/sdb, or better a link in /dev/disk/by-id.", valueName: "device"),
        completion: Completion.devices
    )
    var devices: [String] = []

    /// The devices, each once.
    func named(in tree: BlockTree) throws -> [NamedDevice] {
        var found: [NamedDevice] = []
        for path in devices {
            do throws(Refusal) {
                let device = try NamedDevice(path, in: tree)
                if !found.contains(where: { $0.node.name == device.node.name }) { found.append(device) }
            } catch {
                Console.error("refusing '\(path)': \(error.text)")
                throw error.message.startsExactly(with: "there is no") ? ExitStatus.noDevice : ExitStatus.refused
            }
        }
        return found
    }
}
