import Secrets
import Volumes

extension DirectBackend {
    func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        try await controller.createSnapshot(request, deadline: deadline)
    }

    func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        try await controller.snapshots(of: source, maximum: maximum, token: token, deadline: deadline)
    }

    func snapshot(_ handle: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Snapshot {
        try await controller.snapshot(handle, credentials: nil, deadline: deadline)
    }

    func deleteSnapshot(
        _ handle: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await controller.deleteSnapshot(handle, credentials: credentials, deadline: deadline)
    }
}
