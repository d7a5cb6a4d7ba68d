public import ArgumentParser
internal import BlockDevices
public import DiskZap
internal import JSON
internal import LinuxKernel

/// What the OSD of a failed disk leaves, and how the next one takes it.
struct ReplaceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace",
        abstract:
            "Say what of a failed disk's OSD is kept (its number, its db and wal), and the commands that replace it.",
        discussion: """
            Reads the disks of this host and writes nothing. A disk that cannot be read, or is gone, is known by the tags \
            of its db and wal: give the OSD's number.

              nacre-disk replace /dev/sdc --new /dev/sdx
              nacre-disk replace --osd 7 --fsid ID --new /dev/sdx --tool cephadm
            """
    )

    @Argument(help: "The failed disk, if it is still there.", completion: Completion.disks) var device: String?
    @Option(help: "The OSD's number.") var osd: Int?
    @Option(help: "Its cluster.", transform: uuidArgument) var fsid: GUID?
    @Option(help: "The new disk.", completion: Completion.disks) var new: String = "NEW-DISK"
    @Option(help: "Who makes OSDs: ceph-volume, cephadm or rook.") var tool: OSDReplacement.Tool = .cephVolume
    @OptionGroup var include: IncludeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if device == nil, osd == nil { throw ValidationError("name the failed disk, or the OSD's number with --osd") }
    }

    func run() throws {
        let host = Host()
        var arguments = DeviceArguments()
        // The failed disk first: one that is named twice has its first place.
        arguments.devices = (device.map { [$0] } ?? []) + include.include
        let tree = try host.tree()
        let named = try arguments.named(in: tree).map(\.node)
        let survey = HostSurvey.take(host, tree, including: Set(named.map(\.name)))
        let disk = device == nil ? nil : named.first.map { $0.parent ?? $0.name }
        do throws(Refusal) {
            let found = try OSDReplacement(survey, disk: disk, osd: osd, cluster: fsid?.description.lowercased())
            // One that is not plugged in yet is named by the path that it will have.
            if let node = try? NamedDevice(new, in: tree).node {
                try found.refuse(new: node, failed: disk, survey)
            }
            output.show(found.report(tool, device: new)) { _ in lines(found).joined(separator: "\n") }
        } catch {
            Console.error("cannot say how to replace it: \(error.text)")
            throw ExitStatus.refused
        }
    }

    private func lines(_ found: OSDReplacement) -> [String] {
        var lines = [found.owner.text]
        lines += found.companions.map { "  \($0.role)        \($0.place) on \($0.disk)" }
        if let deviceClass = found.deviceClass { lines.append("  class     \(deviceClass)") }
        if found.isEncrypted { lines.append("  encrypted") }
        lines += found.warnings.map { "  note      \($0)" }
        for step in found.steps(tool, device: new) { lines += ["# \(step.purpose)", step.command] }
        return lines
    }
}

extension OSDReplacement.Tool: ExpressibleByArgument {}
