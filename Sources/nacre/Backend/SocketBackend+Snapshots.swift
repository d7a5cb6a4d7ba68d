import ExactText
import Secrets
import Timestamps
import VolumeAPI
import Volumes

extension SocketBackend {
    func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        var message = CSI.Controller.CreateSnapshot.Request()
        message.name = request.name
        message.sourceVolumeID = request.source
        message.parameters = request.parameters
        message.secrets = request.credentials.secrets
        let answer = try await call(CSI.Controller.CreateSnapshot.self, message, deadline)
        return try Snapshot(answer.snapshot ?? CSI.Snapshot())
    }

    func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        var message = CSI.Controller.ListSnapshots.Request()
        message.sourceVolumeID = source ?? ""
        message.maxEntries = Int32(clamping: maximum)
        message.startingToken = token
        let answer = try await call(CSI.Controller.ListSnapshots.self, message, deadline)
        var snapshots: [Snapshot] = []
        for entry in answer.entries { snapshots.append(try Snapshot(entry.snapshot ?? CSI.Snapshot())) }
        return SnapshotPage(snapshots: snapshots, nextToken: answer.nextToken)
    }

    func snapshot(_ handle: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Snapshot {
        var message = CSI.Controller.GetSnapshot.Request()
        message.snapshotID = handle
        let answer = try await call(CSI.Controller.GetSnapshot.self, message, deadline)
        return try Snapshot(answer.snapshot ?? CSI.Snapshot())
    }

    func deleteSnapshot(
        _ handle: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        var message = CSI.Controller.DeleteSnapshot.Request()
        message.snapshotID = handle
        message.secrets = credentials.secrets
        _ = try await call(CSI.Controller.DeleteSnapshot.self, message, deadline)
    }
}

extension Snapshot {
    /// Reads a snapshot from the service's answer, which has its name and its notes as Nacre's own fields.
    init(_ message: CSI.Snapshot) throws(VolumeError) {
        do throws(VolumeError) {
            self.init(
                id: try SnapshotID(parsing: message.snapshotID),
                source: message.sourceDeleted ? nil : try? VolumeID(parsing: message.sourceVolumeID),
                sourceHandle: message.sourceVolumeID,
                sizeBytes: UInt64(clamping: message.sizeBytes),
                created: Self.time(message.creationTime),
                isReady: message.readyToUse,
                name: message.name,
                notes: message.notes
            )
        } catch {
            throw VolumeError(.internal, "the service's answer cannot be read: \(error.message)")
        }
    }

    /// A time with or without a fraction, since 1970.
    private static func time(_ text: String) -> Duration {
        let parts = text.parts(at: ".", most: 1)
        let whole = parts.count > 1 ? parts[0] + "Z" : text
        return .seconds(Timestamp.seconds(parsing: whole) ?? 0)
    }
}
