internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// Devices to look at beside the host's disks.
struct IncludeOptions: ParsableArguments {
    @Option(
        help: "Look at this device, too, though it is no disk: a loop device. May be repeated.",
        completion: Completion.blocks
    )
    var include: [String] = []

    /// What all disks and these devices say.
    func survey(_ host: Host) throws -> HostSurvey {
        var arguments = DeviceArguments()
        arguments.devices = include
        let tree = try host.tree()
        return HostSurvey.take(host, tree, including: Set(try arguments.named(in: tree).map(\.node.name)))
    }
}
