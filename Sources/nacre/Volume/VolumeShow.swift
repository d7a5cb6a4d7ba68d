import ArgumentParser
import ExactText
import Volumes

/// `nacre volume show`.
struct VolumeShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a volume: its size, who has it, and how it is.",
        discussion: """
            Of a volume that is mounted on this machine its file system is shown, too.

            EXAMPLES
              nacre volume show data
              nacre volume show replicapool/csi-vol-0f3a7c52-8f0e-4a5e-9d5a-2f6c3b1d7e90
              nacre volume show data --output yaml
            """,
        aliases: ["status", "info", "get"]
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let session = try await Session(connection, output)
        let id = try await session.volume(volume)
        let status = try await session.during("reading volume '\(session.wording.name(of: id))'") {
            try await session.backend.status(of: "\(id)", deadline: $0)
        }
        let own = try await session.place(of: id, in: local.uses)
        let place = own ?? local.uses.surelyElsewhere(id)?.place
        let report = try await session.report(status, at: place, in: local.uses)
        try session.show(report, lines: report.lines(session.terminal))
        if own == nil, let elsewhere = local.uses.noteElsewhere(id, status.volume.facts.users) {
            session.note(elsewhere)
        }
    }
}

extension Session {
    /// A volume and, where it is mounted on this machine, its file system, which may be smaller than it.
    func report(_ status: VolumeStatus, at place: LocalPlace?, in uses: LocalUses) async throws -> VolumeReport {
        let id = status.volume.id
        let use = try uses.use(of: id)
        let isThere = try uses.presentUse(of: id) != nil
        let elsewhere = isThere ? nil : uses.surelyElsewhere(id)
        var report = VolumeReport(status.volume, condition: status.condition, use: isThere ? use : elsewhere?.shown)
        if let use, !isThere, elsewhere == nil, report.volumeCondition?.abnormal != true {
            let again = "nacre volume \(use.kind == .mount ? "mount" : "map") \(use.title.shellWord)"
            report.volumeCondition = VolumeReport.Condition(
                abnormal: true,
                message:
                    "it is not at '\(use.path)' any more, where this command line put it: it was unmounted by hand, the "
                    + "mount was not done, or the machine was booted; to take back the rest: \(use.kind.opposite) "
                    + "\(use.title.shellWord); to have it there again: \(again)"
                    + (use.kind == .mount ? " \(use.path.shellWord)" : "")
            )
        }
        guard let place, !place.isBlock else { return report }
        guard let stats = try? await backend.stats("\(id)", path: place.path, deadline: budget.rest(.seconds(10)))
        else {
            // The service that was asked may not be the one that has it.
            guard elsewhere != nil else { return report }
            report.mounted = try? await VolumeReport.FileSystem(at: place.path, until: budget.deadline)
            return report
        }
        if let bytes = stats.bytes {
            report.mounted = VolumeReport.FileSystem(
                path: place.path,
                totalBytes: bytes.total,
                usedBytes: bytes.used,
                availableBytes: bytes.available
            )
        }
        if stats.condition.isAbnormal {
            report.volumeCondition = VolumeReport.Condition(abnormal: true, message: stats.condition.message)
        } else if let total = stats.bytes?.total, report.volumeCondition?.abnormal == false,
            FileSystemShare.isOutgrown(fileSystem: total, by: status.volume.capacityBytes)
        {
            report.volumeCondition = VolumeReport.Condition(
                abnormal: true,
                message: "its file system at '\(place.path)' has \(total.inShort) of the image's "
                    + "\(status.volume.capacityBytes.asWritten); grow it by "
                    + "nacre volume expand \(wording.name(of: id).shellWord) --size \(status.volume.capacityBytes.asWritten)"
                    + "; if it cannot grow while it is mounted, "
                    + (isThere
                        ? "nacre volume unmount and mount it again, which grows it" : "restart its pod, which grows it")
            )
        }
        return report
    }
}

/// The least part of an image that its file system should have.
enum FileSystemShare {
    /// Whether an image has grown and its file system has not.
    ///
    /// File systems use a part for themselves: ext4's inode tables and journal up to a twelfth of a small volume, xfs'
    /// log up to a fifth of one of 300 MiB. A file system below three quarters of the image has not grown with it.
    static func isOutgrown(fileSystem: UInt64, by image: UInt64) -> Bool {
        fileSystem < image / 4 * 3
    }
}
