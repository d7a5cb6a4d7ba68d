import Volumes

extension Session {
    /// The volume's status; nothing when it is gone.
    func present(_ id: VolumeID) async throws -> VolumeStatus? {
        do {
            return try await during("reading volume '\(id)'") { try await backend.status(of: "\(id)", deadline: $0) }
        } catch let error as VolumeError where error.code == .notFound {
            return nil
        }
    }

    /// Shows what would be deleted and wants its image's name.
    ///
    /// - Throws: `CommandFailure` where nobody can be asked, or another name is given.
    func confirmDeletion(_ status: VolumeStatus) throws {
        let id = status.volume.id
        guard terminal.isInteractive else {
            throw CommandFailure(.usage, "refusing to delete volume '\(id)' unasked: this is no terminal; add --yes")
        }
        Terminal.say(
            """
            This deletes volume \(id)
              image      \(id.imageSpec)
              size       \(VolumeReport.size(status.volume.capacityBytes))
              condition  \(status.condition.message)
            and all that it holds. Type the image's name, \(id.image), to go on:\u{20}
            """
        )
        guard readLine()?.split(separator: " ").joined() == id.image else {
            throw CommandFailure(.failed, "volume '\(id)' stays: that was not its image's name")
        }
    }
}
