import ArgumentParser
import Blocking
import ExactText
import LinuxKernel
import NodeVolumes
import Volumes

/// `nacre volume expand`.
struct VolumeExpand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expand",
        abstract: "Grow a volume; one that is large enough stays as it is.",
        discussion: """
            Where the volume is mounted or mapped on this machine, its device and file system grow, too; --path is a \
            check that it is there. Mounted on another machine, they grow when this is repeated there; not mounted, when \
            it is mounted next.

            EXAMPLES
              nacre volume expand data --size 20GiB
              nacre volume expand data --size 20GiB --path /mnt/data
            """,
        aliases: ["resize", "grow"]
    )

    @Argument(help: VolumeName.help)
    var volume: VolumeName

    @Option(help: "The size to have at least: 20GiB, 20Gi, 20G or bytes; rounded up to whole MiB.", transform: quantity)
    var size: Quantity

    @Option(help: "Where the volume is mounted or mapped on this machine; nothing grows if it is not there.")
    var path: LocalPath?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "This machine") var local: LocalOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        if let refusal = size.refusal("--size") { throw refusal }
    }

    func run() async throws {
        try await Interruption.beforeAnything("volume '\(volume)' was grown") { try await work() }
    }

    private func work() async throws {
        let credentials = try connection.credentials()
        let range = try CapacityRange(requiredBytes: Int64(clamping: size.bytes), limitBytes: 0)
        let session = try await self.session()
        let id = try await session.volume(volume)
        let name = session.wording.name(of: id)
        let place = try await self.place(of: id, session)
        // If the cluster is slow, the time is left for the expansion.
        let before = try await session.during("reading volume '\(name)'") { _ in
            try? await session.backend.status(of: "\(id)", deadline: session.budget.share(.seconds(3))).volume
        }
        if let place {
            try await check(id, at: place, session)
        } else if let other = local.uses.surelyElsewhere(id) {
            try await prove(id, at: other, before, session)
        }
        let title = "growing volume '\(name)'"
        var grown = try await session.changing(title, "see nacre volume show \(name.shellWord)") { deadline in
            let request = ExpandVolumeRequest(
                volumeID: "\(id)",
                range: range,
                capability: nil,
                credentials: credentials
            )
            return try await session.backend.expand(request, deadline: deadline)
        }
        var hasFollowed = place != nil
        if let place {
            let image = grown
            do {
                grown = try await grow(id, at: place, range, grown, session)
            } catch let error as VolumeError where NodeExpandRequest.isLater(error) {
                hasFollowed = false
                session.warn(Self.half(name, at: place, image, .failed, error.message).message)
            }
        }
        let report = ExpansionReport(
            volumeId: "\(id)",
            capacityBytes: grown.capacityBytes,
            nodeExpansionRequired: grown.nodeExpansionRequired
        )
        let at =
            !hasFollowed
            ? ""
            : place.map { $0.isBlock ? ", its device \($0.path), too" : ", its file system at \($0.path), too" } ?? ""
        try session.show(report, lines: output.quiet ? [] : ["\(name) has \(grown.capacityBytes.asWritten)\(at)"])
        if let before = before?.capacityBytes, before >= size.wholeBytes {
            let isMore = before > size.wholeBytes ? ", more than \(size.bytes.asWritten), and no volume shrinks" : ""
            session.note("its image had \(before.asWritten) already\(isMore)")
        }
        if place == nil, grown.nodeExpansionRequired {
            try await tellWhatIsLeft(id, name, grown.capacityBytes, session)
        }
    }

    /// Includes the node service, if the volume may be on this machine.
    private func session() async throws -> Session {
        let isHere = try path != nil || !local.uses.all().isEmpty
        return try await isHere ? Session(connection, local, output) : Session(connection, output)
    }

    /// Where the volume is on this machine.
    ///
    /// - Throws: `CommandFailure` if it is not at `--path`, before anything has grown.
    private func place(of id: VolumeID, _ session: Session) async throws -> LocalPlace? {
        let found = try await session.place(of: id, in: local.uses)
        guard let path else { return found }
        let name = session.wording.name(of: id)
        do {
            _ = try await session.during("looking for volume '\(name)' at '\(path.absolute)'") { deadline in
                try await session.backend.stats("\(id)", path: path.absolute, deadline: deadline)
            }
        } catch let error as VolumeError where error.code != .deadlineExceeded && error.code != .unavailable {
            let elsewhere = found.map { "; it is at '\($0.path)'" } ?? ""
            throw CommandFailure(
                ExitStatus(error.code),
                "nothing has grown: \(error.message)\(elsewhere); give --path where it is, or none"
            )
        }
        return LocalPlace(path: path.absolute, isBlock: found?.isBlock ?? false)
    }

    /// Finds out whether what is at `place` is the volume's, before its image grows.
    ///
    /// The node is asked to grow the file system to the image's present size: one that lags behind grows, and any other
    /// stays as it is. What is read-only passes, and an ext4 that cannot grow while it is mounted, too: a person may want
    /// the image to grow all the same, and is told then what has not.
    ///
    /// - Throws: `CommandFailure` if another image, another mount or a dead device is there.
    private func check(_ id: VolumeID, at place: LocalPlace, _ session: Session) async throws {
        let name = session.wording.name(of: id)
        let request = NodeExpandRequest(
            volumeID: "\(id)",
            volumePath: place.path,
            stagingPath: "",
            range: nil,
            capability: nil
        )
        do {
            _ = try await session.changing(
                "looking at what is at '\(place.path)'",
                "see nacre volume show \(name.shellWord)"
            ) { _ in
                // A file system that hangs must not keep the image from growing.
                try await session.backend.expandOnNode(request, deadline: session.budget.share(.seconds(20)))
            }
        } catch let error as VolumeError
            where error.code == .failedPrecondition && !error.message.contains(NodeExpandRequest.lackOfCapability)
        {
            throw CommandFailure(
                ExitStatus(error.code),
                "the image of volume '\(name)' was left as it is, for what is at '\(place.path)' cannot grow: \(error.message)"
            )
        } catch is VolumeError {
            // Of what it cannot say now it says more when the image has grown.
        } catch let failure as CommandFailure where failure.status == .tryAgain {
            // So it is with what this process did not hear in time.
        }
    }

    /// Finds out, before the image grows, whether it is the one that this machine has by another state directory.
    ///
    /// - Throws: `CommandFailure` if another image is there, or if the image is with nobody, and so is not the one that is there.
    private func prove(_ id: VolumeID, at other: UseElsewhere, _ volume: Volume?, _ session: Session) async throws {
        let name = session.wording.name(of: id)
        func refusal(_ reason: String) -> CommandFailure {
            CommandFailure(
                .failed,
                "the image of volume '\(name)' was left as it is, for another one is \(other.words): \(reason); end that "
                    + "first: \(other.end)"
            )
        }
        let answer = try await session.during("looking at what this machine has of volume '\(name)'") {
            deadline -> PresentVolume.Name in
            let (present, pool) = (other.volume, BlockingPool(threads: 1))
            let seconds = max(1, Int((session.budget.share(.seconds(10)) - .now).components.seconds))
            return try await answered(by: deadline) { await pool.run { present.name(within: seconds) } }
        }
        switch answer {
        case .kept: return
        case .lost(let reason): throw refusal(reason)
        case .untold: break
        }
        // A service that has it can tell, whatever this command looked into.
        if !session.isDirect, let place = other.place { try await check(id, at: place, session) }
        // Whoever has it writable watches it.
        if let volume, volume.facts.users.isEmpty, !other.volume.isReadOnly, other.place != nil {
            throw refusal("the image that has the name is with nobody")
        }
    }

    /// Grows the device and file system after the image.
    private func grow(
        _ id: VolumeID,
        at place: LocalPlace,
        _ range: CapacityRange,
        _ image: ExpandedVolume,
        _ session: Session
    ) async throws -> ExpandedVolume {
        let name = session.wording.name(of: id)
        let request = NodeExpandRequest(
            volumeID: "\(id)",
            volumePath: place.path,
            stagingPath: "",
            range: range,
            capability: nil
        )
        do {
            let bytes = try await session.changing(
                "growing the file system of volume '\(name)'",
                "see nacre volume show \(name.shellWord)"
            ) { try await session.backend.expandOnNode(request, deadline: $0) }
            return ExpandedVolume(capacityBytes: bytes, nodeExpansionRequired: false)
        } catch let error as VolumeError {
            // What follows later is no failure.
            if NodeExpandRequest.isLater(error) { throw error }
            throw Self.half(name, at: place, image, ExitStatus(error.code), error.message)
        } catch let failure as CommandFailure {
            throw Self.half(name, at: place, image, failure.status, failure.message)
        }
    }

    /// That the image has grown and what is at `place` has not.
    private static func half(
        _ name: String,
        at place: LocalPlace,
        _ image: ExpandedVolume,
        _ status: ExitStatus,
        _ reason: String
    ) -> CommandFailure {
        CommandFailure(
            status,
            "the image of volume '\(name)' has \(image.capacityBytes.asWritten) now, but what is at '\(place.path)' "
                + "has not grown: \(reason)"
        )
    }

    /// What must still be done where the volume is in use.
    private func tellWhatIsLeft(_ id: VolumeID, _ name: String, _ bytes: UInt64, _ session: Session) async throws {
        let status = try? await session.backend.status(of: "\(id)", deadline: session.budget.rest(.seconds(10)))
        let users = status?.volume.facts.users ?? []
        if let elsewhere = local.uses.noteElsewhere(id, users) {
            session.note("\(elsewhere); then repeat this, so that its file system grows")
            return
        }
        guard !users.isEmpty else {
            session.note("its file system, if it has one, grows when it is mounted next")
            return
        }
        session.note(
            "it is in use by \(users.joined(separator: ", ")): its file system grows there when kubelet is told by the "
                + "claim, or by 'nacre volume expand \(name.shellWord) --size \(bytes.asWritten)' on that machine"
        )
    }
}
