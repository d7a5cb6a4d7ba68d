import ArgumentParser
import ExactText
import NodeVolumes
import Secrets
import Timestamps
import Volumes

/// `nacre volume delete`.
struct VolumeDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a volume and what it holds.",
        discussion: """
            Shows the volume and asks for its name. Refused while anybody has the image open. A volume that is not there, \
            or not any more, is a success, and is said. Where its class or the service keeps deleted volumes in Ceph's \
            trash for a while, nacre volume undelete brings it back. With --direct the command stays until the image is \
            gone from there.

            EXAMPLES
              nacre volume delete data
              nacre volume delete data --plan
              nacre volume delete data --yes
            """,
        aliases: ["rm", "remove"]
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("volume '\(volume)' was deleted") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let session = try await Session(connection, output)
        guard let id = try await session.find(volume, everywhere: true) else {
            // A success would say that it is gone.
            if let lack = await session.backend.lackOfClusters() { throw lack }
            if let fault = await session.backend.configurationFaults().first {
                throw CommandFailure(.tryAgain, "cannot tell whether there is a volume '\(volume)': \(fault)")
            }
            let hint = try await session.suggestion(volume)
            return try end(session, DeletionReport(volumeId: "\(volume)", deleted: false), hint)
        }
        guard let status = try await session.present(id) else {
            try await refuseMissingPlace(of: id, session)
            var hint = "it may be gone already"
            if !id.namespace.isEmpty { hint += ", or config.json names another RADOS namespace than '\(id.namespace)'" }
            return try end(session, DeletionReport(volumeId: "\(id)", deleted: false), hint)
        }
        let name = status.volume.facts.name ?? id.image
        session.wording.call(id, session.wording.name(of: id) == "\(id)" ? name : session.wording.name(of: id))
        if let use = try local.uses.presentUse(of: id) {
            throw CommandFailure(
                .failed,
                "volume '\(name)' is in use at '\(use.path)'; end that by: \(use.kind.opposite) \(name.shellWord)"
            )
        }
        let report = VolumeReport(status.volume, condition: status.condition)
        let kept = status.volume.facts.trashSeconds.flatMap { $0 > 0 ? Age(of: 0, at: $0) : nil }
        let fate = kept.map { "it stays in Ceph's trash for \($0): nacre volume undelete brings it back" }
        let plan = report.lines(session.terminal) + ["and all that it holds\(fate.map { "; \($0)" } ?? ", for good")"]
        guard !confirmation.plan else {
            if let refusal = Self.refusal(status) {
                try session.show(report, lines: report.lines(session.terminal))
                throw CommandFailure(.failed, "volume '\(name)' would not be deleted: \(refusal)")
            }
            return try session.show(report, lines: plan)
        }
        if let other = local.uses.elsewhere(id), other.volume.isOfCommandLine {
            throw CommandFailure(.failed, "volume '\(name)' is \(other.words); end that: \(other.end)")
        }
        try await session.confirm(confirmation, "delete volume '\(name)'", word: name, plan: plan)
        try await session.changing("deleting volume '\(name)'", "see nacre volume list") {
            try await session.backend.delete("\(id)", credentials: credentials, deadline: $0)
        }
        // Of a mount that failed, or that another program ended: the volume that gets this name is used nowhere yet.
        try? local.uses.forget(id)
        let backend = session.backend
        let rest = try await session.during("emptying the trash", step: { backend.purgeStep }) {
            await backend.emptyTrash(deadline: $0)
        }
        try session.show(
            DeletionReport(volumeId: "\(id)", deleted: true),
            lines: output.quiet ? [] : ["deleted \(name)"]
        )
        if let fate { session.note(fate) }
        if let rest { session.note("the image is still in Ceph's trash: \(rest)") }
    }

    /// Throws if a volume may be there all the same, because its cluster or its pool has another name by now.
    ///
    /// The delete is not called for it: somebody may make the volume just now, and would lose it while it is said that
    /// nothing was deleted.
    private func refuseMissingPlace(of id: VolumeID, _ session: Session) async throws {
        try await session.during("looking for the place of volume '\(volume)'") { deadline in
            let place = PoolAddress(clusterID: id.clusterID, pool: id.pool)
            let absence: VolumeError?
            do throws(VolumeError) {
                absence = try await session.backend.absence(of: place, deadline: deadline)
            } catch {
                // A success would say that it is gone.
                guard error.code != .deadlineExceeded || !session.isDirect else { throw error }
                throw CommandFailure(
                    .tryAgain,
                    "cannot tell whether there is a volume '\(volume)': \(error.message)"
                )
            }
            guard let absence else { return }
            throw VolumeError(
                .invalidArgument,
                "cannot tell whether there is a volume '\(volume)': \(absence.message); if that was renamed, name the volume "
                    + "by it"
            )
        }
    }

    /// Why a delete would be refused, as far as a look tells.
    private static func refusal(_ status: VolumeStatus) -> String? {
        if let obstacle = status.condition.obstacleToDeletion { return obstacle }
        let users = status.volume.facts.users
        // Whoever was not heard of is no obstacle, and the condition calls him otherwise.
        return users.isEmpty || !status.condition.message.contains("\(VolumeCondition.inUse) ")
            ? nil : "it is in use by \(users.joined(separator: ", ")); unmap it there first"
    }

    /// Nothing was to be done.
    private func end(_ session: Session, _ report: DeletionReport, _ hint: String) throws {
        try session.show(report, lines: [])
        session.note("there was no volume '\(volume)' when it was looked for, so nothing was deleted; \(hint)")
    }
}

extension Session {
    /// The volume's status; `nil` if it does not exist, or its cluster or pool does not.
    func present(_ id: VolumeID) async throws -> VolumeStatus? {
        do {
            return try await during("reading volume '\(wording.name(of: id))'") {
                try await backend.status(of: "\(id)", deadline: $0)
            }
        } catch let error as VolumeError where error.code == .notFound {
            return nil
        }
    }
}
