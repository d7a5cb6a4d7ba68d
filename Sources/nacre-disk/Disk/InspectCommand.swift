internal import ArgumentParser
internal import BlockDevices
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// One disk, to the byte.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show everything that marks a disk as used, at which byte, whose it is, and who would reject it.",
        discussion: "Reads at most some 2 MiB and never claims the device, so it is safe on disks in use."
    )

    @OptionGroup var arguments: DeviceArguments
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if arguments.devices.isEmpty { throw ValidationError("name at least one device; nacre-disk list shows them") }
    }

    func run() throws {
        let host = Host()
        let tree = try host.tree()
        let names = try arguments.named(in: tree).map(\.node.name)
        let survey = HostSurvey.take(host, tree, including: Set(names), reach: .named)
        let found = names.compactMap { survey.inspections[$0] }
        output.show(.array(found.map(\.report))) { _ in
            found.map { $0.lines.joined(separator: "\n") }.joined(separator: "\n")
        }
        if found.contains(where: { $0.contents == nil || !$0.failures.isEmpty }) { throw ExitStatus.failed }
    }
}
