import Secrets
import Volumes

extension Session {
    /// Stages and publishes a volume; fine when that is so already.
    ///
    /// What cannot be is undone at once; after a deadline or an absent cluster it stays begun, for the repetition.
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
        try await during("staging volume '\(id)'") { deadline in
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

    /// Takes back what `begin` did; a kill at any place leaves the note, and the next call goes on.
    func end(_ use: LocalUse, in uses: LocalUses) async throws {
        let id = try VolumeID(parsing: use.volumeID)
        try await during("releasing volume '\(id)'") { deadline in
            try await backend.unpublish(use.volumeID, targetPath: use.path, deadline: deadline)
            try await backend.unstage(use.volumeID, stagingPath: uses.stagingPath(of: id), deadline: deadline)
        }
        try uses.end(id)
    }

    /// Says what became of a use.
    func show(_ use: LocalUse, inUse: Bool) throws {
        let report = UseReport(volumeId: use.volumeID, path: use.path, kind: use.kind.rawValue, inUse: inUse)
        try show(report, lines: isQuiet && !inUse ? [] : [inUse ? use.path : "released \(use.volumeID)"])
    }
}
