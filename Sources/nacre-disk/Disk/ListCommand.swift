internal import ArgumentParser
internal import BlockDevices
import CommandNames
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// All disks and what is on them.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all disks: who they are, who holds them, what is on them, whether an OSD could take them."
    )

    @OptionGroup var output: OutputOptions

    @Flag(help: "Loop devices, too: one whose file's server is dead makes this wait for ever.")
    var loop = false

    func run() throws {
        let host = Host()
        let tree = try host.tree()
        let loops = tree.nodes.values.filter { loop && $0.isLoop && $0.backingFile != nil }.map(\.name)
        let survey = HostSurvey.take(host, tree, including: Set(loops))
        let found = survey.inspections.values.sorted { $0.node.name < $1.node.name }
        output.show(.array(found.map(\.report))) { format in
            format == .tree ? found.map { $0.lines.joined(separator: "\n") }.joined(separator: "\n") : table(found)
        }
        for disk in found where disk.contents == nil { Console.error("cannot read \(disk.unread)") }
        if found.contains(where: { $0.contents == nil }) { throw ExitStatus.failed }
    }

    private func table(_ found: [DiskInspection]) -> String {
        var table = Table("DEVICE", "SIZE", "KIND", "MODEL", "SERIAL", "USED BY", "OSD?", "CONTENT")
        for disk in found {
            let users =
                disk.mounts.map(\.mountPoint) + disk.swaps.map { "swap \($0)" }
                + disk.tree.dropFirst().filter { !$0.isPartition }.map { $0.mapping?.name ?? $0.name }
            let shown = users.prefix(2).joined(separator: " ") + (users.count > 2 ? " …" : "")
            table.rows.append([
                disk.node.path, humanSize(disk.node.sizeBytes), disk.node.queue.isRotational ? "hdd" : "ssd",
                disk.identity.model ?? "-", disk.identity.serial ?? "-", shown.isEmpty ? "-" : shown,
                disk.rejections.isEmpty ? "yes" : "no", disk.summary,
            ])
        }
        return table.text
    }
}
