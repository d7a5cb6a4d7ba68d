import CephVolumes
import Secrets
import Volumes

/// The operations that the commands need, done by the service behind its socket or in this process.
protocol VolumeBackend: Sendable {
    /// The present step in words; `nil` if it is unknown.
    var step: String? { get }

    /// Which cluster has not answered yet, and what to do; `nil` if that is not known.
    var silence: String? { get }

    /// The progress of `emptyTrash`; `nil` if it is unknown.
    var purgeStep: String? { get }

    /// What of config.json cannot be used, a sentence each: volumes of those clusters are in no list.
    func configurationFaults() async -> [String]

    /// Why there is no cluster to ask at all; `nil` if there is one, or if that is not known.
    func lackOfClusters() async -> CommandFailure?

    /// The pools of images that Ceph did not let the last list look into: volumes there are in no list.
    func refusedPools() async -> [RefusedPool]

    /// Why no cluster has a pool of that name, where all of them say so; `nil` if one has it, or does not answer.
    func absence(ofPool pool: String, deadline: ContinuousClock.Instant) async -> VolumeError?

    /// Why there is no such cluster, or no such pool in it; `nil` if there is.
    ///
    /// - Throws: `VolumeError` where that cannot be told.
    func absence(of pool: PoolAddress, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeError?

    /// CSI: CreateVolume.
    func create(_ request: CreateVolumeRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Volume

    /// CSI: ListVolumes.
    func list(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage

    /// CSI: ControllerGetVolume.
    func status(of volumeID: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStatus

    /// CSI: ControllerExpandVolume.
    func expand(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume

    /// CSI: DeleteVolume.
    func delete(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// CSI: CreateSnapshot.
    func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot

    /// CSI: ListSnapshots.
    func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage

    /// CSI: GetSnapshot.
    func snapshot(_ handle: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Snapshot

    /// CSI: DeleteSnapshot.
    func deleteSnapshot(
        _ handle: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Waits until deleted images are gone from Ceph, if this process removes them; returns what is left, if anything.
    func emptyTrash(deadline: ContinuousClock.Instant) async -> String?

    /// CSI: NodeStageVolume.
    func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError)

    /// CSI: NodePublishVolume.
    func publish(
        _ request: PublishRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// CSI: NodeUnpublishVolume.
    func unpublish(
        _ volumeID: String,
        targetPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// CSI: NodeUnstageVolume.
    func unstage(
        _ volumeID: String,
        stagingPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// CSI: NodeGetVolumeStats.
    func stats(
        _ volumeID: String,
        path: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumeStats

    /// CSI: NodeExpandVolume.
    func expandOnNode(
        _ request: NodeExpandRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> UInt64
}
