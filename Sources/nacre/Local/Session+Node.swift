import ExactText
import LinuxKernel
import Secrets
import Volumes

extension Session {
    /// Stages and publishes a volume; succeeds if that is done already.
    ///
    /// A failure is undone at once; after a timeout, or if the cluster is unreachable, the begun state stays for the
    /// next try.
    func begin(
        _ use: LocalUse,
        of id: VolumeID,
        in uses: LocalUses,
        as capability: VolumeCapability,
        credentials: Credentials,
        context: [String: String] = [:]
    ) async throws {
        let isNew = try uses.use(of: id) == nil
        try uses.begin(use, of: id)
        do {
            try await stage(use, of: id, at: uses.stagingPath(of: id), as: capability, credentials, context)
        } catch let error as VolumeError where isNew && ExitStatus(error.code) != .tryAgain {
            try? await end(use, in: uses)
            throw error
        }
    }

    private func stage(
        _ use: LocalUse,
        of id: VolumeID,
        at staging: String,
        as capability: VolumeCapability,
        _ credentials: Credentials,
        _ context: [String: String]
    ) async throws {
        let deed = use.kind == .mount ? "mounting" : "mapping"
        let hint = "to take it back: \(use.kind.opposite) \(use.title.shellWord)"
        try await changing("\(deed) volume '\(use.title)'", hint) { deadline in
            try await backend.stage(
                StageRequest(
                    volumeID: "\(id)",
                    stagingPath: staging,
                    capability: capability,
                    credentials: credentials,
                    context: context
                ),
                deadline: deadline
            )
            try await backend.publish(
                PublishRequest(
                    volumeID: "\(id)",
                    stagingPath: staging,
                    targetPath: use.path,
                    capability: capability,
                    isReadOnly: capability.mode.isReadOnly,
                    context: context
                ),
                deadline: deadline
            )
        }
    }

    /// Undoes `begin`; after a kill at any point the record remains, and the next call continues.
    func end(_ use: LocalUse, in uses: LocalUses) async throws {
        let id = try VolumeID(parsing: use.volumeID)
        wording.call(id, use.title)
        let deed = use.kind == .mount ? "unmounting" : "unmapping"
        try await changing("\(deed) volume '\(use.title)'", "the same command again ends what it left") { deadline in
            try await backend.unpublish(use.volumeID, targetPath: use.path, deadline: deadline)
            try await backend.unstage(use.volumeID, stagingPath: uses.stagingPath(of: id), deadline: deadline)
        }
        try uses.end(id)
    }

    /// Ends the use with this path or volume name, and reports it; succeeds if there is none.
    ///
    /// Reads only this machine's records, so that an unmount works while the cluster is unreachable.
    ///
    /// - Throws: `CommandFailure` if it is a use of another kind, or another program's mount.
    func end(_ target: String, _ kind: LocalUse.Kind, in uses: LocalUses) async throws {
        let path = LocalPath(argument: target)?.absolute
        var found = try path.flatMap { try uses.use(at: $0) }
        if found == nil, let name = VolumeName(argument: target) { found = try uses.use(of: name) }
        guard let use = found else {
            if let path, path.startsExactly(with: "/"), target.contains("/"),
                try MountTable.current().mount(at: path) != nil
            {
                throw CommandFailure(
                    .failed,
                    "'\(path)' is mounted, but not by nacre volume mount; end it by what mounted it, or umount"
                )
            }
            note(
                "nothing to do: '\(target)' is not \(kind == .mount ? "mounted" : "mapped") by nacre volume "
                    + "\(kind == .mount ? "mount" : "map") on this machine"
            )
            return
        }
        guard use.kind == kind else {
            let isMounted = use.kind == .mount
            throw CommandFailure(
                .failed,
                "volume '\(use.title)' is \(isMounted ? "mounted at '\(use.path)'" : "mapped"); "
                    + "use: \(use.kind.opposite) \(use.title.shellWord)"
            )
        }
        try await end(use, in: uses)
        try show(use, inUse: false)
    }

    /// Says what became of a use.
    func show(_ use: LocalUse, inUse: Bool) throws {
        let report = UseReport(volumeId: use.volumeID, path: use.path, kind: use.kind.rawValue, inUse: inUse)
        try show(report, lines: isQuiet && !inUse ? [] : [inUse ? use.path : "released \(use.title)"])
    }
}
