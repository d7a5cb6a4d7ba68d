import ExactText
import LinuxKernel
import NodeVolumes
import Secrets
import Volumes

extension Session {
    /// Stages and publishes a volume; succeeds if that is done already.
    ///
    /// A failure is undone at once; after a timeout, or if the cluster is unreachable, the begun state stays for the
    /// next try. Other commands on the volume wait meanwhile.
    func begin(
        _ use: LocalUse,
        of id: VolumeID,
        in uses: LocalUses,
        as capability: VolumeCapability,
        credentials: Credentials,
        context: [String: String] = [:],
        check: () throws -> Void = {}
    ) async throws {
        let lock = try await locked(id, use.title, in: uses)
        defer {
            uses.leave(id)
            withExtendedLifetime(lock) {}
        }
        let present = try uses.use(of: id)
        if present == nil, let other = uses.elsewhere(id), other.volume.isOfCommandLine {
            throw CommandFailure(
                .failed,
                "cannot \(use.kind == .mount ? "mount" : "map") volume '\(use.title)': it is \(other.words); end that: "
                    + other.end
            )
        }
        if present?.isSame(as: use) != true { try check() }
        try uses.begin(use, of: id)
        do {
            try await stage(use, of: id, at: uses.stagingPath(of: id), as: capability, credentials, context)
        } catch let error as VolumeError where present == nil && ExitStatus(error.code) != .tryAgain {
            let isTaken = (try? await takeBack([use.path], of: use, id, in: uses)) != nil
            // What the node service has elsewhere, such as for kubelet, is none of our use.
            if !isTaken, (try? isStaged(id, in: uses)) == false { try? uses.end(id) }
            throw error
        } catch let error as VolumeError where error.code == .alreadyExists {
            if let other = uses.surelyElsewhere(id) {
                throw CommandFailure(.failed, "\(error.message): it is \(other.words); end that: \(other.end)")
            }
            throw CommandFailure(.failed, "\(error.message): \(use.kind.opposite) \(use.title.shellWord)")
        }
    }

    /// The right to work on a volume here, which another command may have.
    private func locked(_ id: VolumeID, _ title: String, in uses: LocalUses) async throws -> DirectoryLock {
        try await during("waiting for another command on volume '\(title)'") { deadline in
            try await uses.lock(id, until: deadline)
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

    /// Undoes `begin` at some paths, and all of it if the volume is at no other; after a kill at any point the record
    /// remains, and the next call continues.
    ///
    /// - Returns: Where the volume still is.
    @discardableResult
    private func takeBack(
        _ paths: [String],
        of use: LocalUse,
        _ id: VolumeID,
        in uses: LocalUses
    ) async throws -> [String] {
        wording.call(id, use.title)
        let deed = use.kind == .mount ? "unmounting" : "unmapping"
        let left = try await changing("\(deed) volume '\(use.title)'", "the same command again ends what it left") {
            deadline -> [String] in
            for path in paths where try isTaken(path, by: use, id, in: uses) {
                try await backend.unpublish(use.volumeID, targetPath: path, deadline: deadline)
            }
            let left = try targets(of: id, in: uses).filter { !paths.containsExactly($0) }
            guard left.isEmpty else { return left }
            try await backend.unstage(use.volumeID, stagingPath: uses.stagingPath(of: id), deadline: deadline)
            return []
        }
        guard let next = left.first else {
            try refuseLeft(use, of: id, in: uses)
            try uses.end(id)
            return []
        }
        var rest = use
        rest.path = next
        try uses.record(rest, of: id)
        return left
    }

    /// Refuses to forget a use that another service than the one that answered still has.
    private func refuseLeft(_ use: LocalUse, of id: VolumeID, in uses: LocalUses) throws {
        guard let other = OtherService.stateDirectory(having: id, besides: nil) else { return }
        let staging = uses.stagingPath(of: id)
        guard
            try NodeVolumeService.knownVolumes(in: other).contains(where: { known in
                known.volumeID.isExactly("\(id)") && known.stagingPath.isExactly(staging)
            })
        else { return }
        throw CommandFailure(
            .failed,
            "volume '\(use.title)' is still mapped on this machine, by a service with the state directory '\(other)', "
                + "which the one that answered does not have: start the service with --state-dir \(other.shellWord), "
                + "then repeat this"
        )
    }

    /// Whether there may be something to take back from a path.
    ///
    /// A path that no service takes was recorded by a release that did not look at it; nothing came to be there, unless
    /// the node service says so.
    private func isTaken(_ path: String, by use: LocalUse, _ id: VolumeID, in uses: LocalUses) throws -> Bool {
        guard use.kind == .mount, LocalPath.fault(path) != nil || (try? KernelFile.canonical(path)) == nil else {
            return true
        }
        return try staged(in: uses).contains { $0.volumeID.isExactly("\(id)") && $0.targets.containsExactly(path) }
    }

    /// Where the node service has a volume that this command line staged, whether the record here says so or not.
    private func targets(of id: VolumeID, in uses: LocalUses) throws -> [String] {
        let mounts = try MountTable.current()
        return try staged(in: uses).filter { $0.volumeID.isExactly("\(id)") }.flatMap(\.targets)
            .filter { mounts.mount(at: $0) != nil }
    }

    private func isStaged(_ id: VolumeID, in uses: LocalUses) throws -> Bool {
        try staged(in: uses).contains { $0.volumeID.isExactly("\(id)") }
    }

    private func staged(in uses: LocalUses) throws -> [KnownVolume] {
        try NodeVolumeService.knownVolumes(in: uses.stateDirectory).filter { known in
            guard let id = try? VolumeID(parsing: known.volumeID) else { return false }
            return known.stagingPath.isExactly(uses.stagingPath(of: id))
        }
    }

    /// The use that a person means by a path or a volume's name, and the path if that was it; `nil` if there is none.
    ///
    /// Reads only this machine's records, so that an unmount works while the cluster is unreachable. A command that was
    /// interrupted, or two at once of an earlier release, may have left a path that only the node service knows.
    private func meant(_ target: String, in uses: LocalUses) throws -> (use: LocalUse, path: String?)? {
        if let path = LocalPath(argument: target)?.absolute {
            if let use = try uses.use(at: path) { return (use, path) }
            if let known = try staged(in: uses).first(where: { $0.targets.containsExactly(path) }) {
                let id = try VolumeID(parsing: known.volumeID)
                let use = LocalUse(
                    volumeID: known.volumeID,
                    kind: known.isBlock ? .device : .mount,
                    path: path,
                    name: try uses.use(of: id)?.name
                )
                return (use, path)
            }
        }
        guard let name = VolumeName(argument: target), let use = try uses.use(of: name) else { return nil }
        return (use, nil)
    }

    /// Ends the use with this path or volume name, and reports it; succeeds if there is none.
    ///
    /// - Throws: `CommandFailure` if it is a use of another kind, or another program's mount.
    func end(_ target: String, _ kind: LocalUse.Kind, in uses: LocalUses) async throws {
        guard let found = try meant(target, in: uses) else { return try nothing(at: target, kind, in: uses) }
        let id = try VolumeID(parsing: found.use.volumeID)
        let lock = try await locked(id, found.use.title, in: uses)
        defer {
            uses.leave(id)
            withExtendedLifetime(lock) {}
        }
        // Another command may have ended it meanwhile, or begun another.
        guard let (use, path) = try meant(target, in: uses), use.volumeID.isExactly(found.use.volumeID) else {
            return try nothing(at: target, kind, in: uses)
        }
        guard use.kind == kind else {
            let isMounted = use.kind == .mount
            throw CommandFailure(
                .failed,
                "volume '\(use.title)' is \(isMounted ? "mounted at '\(use.path)'" : "mapped"); "
                    + "use: \(use.kind.opposite) \(use.title.shellWord)"
            )
        }
        let paths = try path.map { [$0] } ?? [use.path] + targets(of: id, in: uses).filter { !$0.isExactly(use.path) }
        let left = try await takeBack(paths, of: use, id, in: uses)
        for path in left {
            note("volume '\(use.title)' is still at '\(path)'; to end that too: \(kind.opposite) \(path.shellWord)")
        }
        try show(use, inUse: false)
    }

    /// Says that there is nothing to end, or which state directory has it.
    private func nothing(at target: String, _ kind: LocalUse.Kind, in uses: LocalUses) throws {
        if let other = uses.elsewhere(meantBy: target) {
            let deed = kind == .mount ? "unmounted" : "unmapped"
            throw CommandFailure(
                .failed,
                "volume '\(other.title)' is \(other.words); nothing was \(deed); to end it: \(other.end)"
            )
        }
        if let path = LocalPath(argument: target)?.absolute, path.startsExactly(with: "/"), target.contains("/"),
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
    }

    /// Says what became of a use.
    func show(_ use: LocalUse, inUse: Bool) throws {
        let report = UseReport(volumeId: use.volumeID, path: use.path, kind: use.kind.rawValue, inUse: inUse)
        try show(
            report,
            lines: isQuiet && !inUse ? [] : [inUse ? use.path.onOneLine : "released \(use.title.onOneLine)"]
        )
    }
}
