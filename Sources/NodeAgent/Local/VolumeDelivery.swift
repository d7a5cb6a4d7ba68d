import KubernetesAPI
import NodeVolumes
import Provisioner
import Volumes

/// A way of leaving volumes at paths where kubelet looks.
protocol VolumeDelivery: Sendable {
    /// How long a volume stays after its last use was seen.
    var grace: Duration { get }

    /// The PersistentVolumes of which this node has something, also remains.
    func names() async throws(VolumeError) -> Set<String>

    /// Leaves the volume at its path, and looks after it there; called again and again while pods want it.
    func provide(
        _ volume: LocalVolume,
        for pods: [LocalPod],
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError)

    /// Whether somebody on this node has it, kubelet above all.
    func isInUse(_ name: String) async throws(VolumeError) -> Bool

    /// Takes it away.
    ///
    /// - Returns: Whether it is gone; it stays if it was found in use after all.
    func release(_ name: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Bool
}

extension EventRecorder {
    /// Records an event on a pod whose volume fails.
    ///
    /// kubelet asks for no condition of a `local` volume.
    func tellOfDamage(
        to volume: LocalVolume,
        at path: String,
        for pod: LocalPod,
        _ service: NodeVolumeService,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let stats = try await service.stats(
            StatsRequest(volumeID: volume.attributes.handle, volumePath: path, stagingPath: ""),
            deadline: deadline
        )
        guard stats.condition.isAbnormal else { return }
        record(
            .warning,
            "VolumeConditionAbnormal",
            "volume \(volume.name): \(stats.condition.message)",
            on: ObjectReference(kind: "Pod", pod.metadata)
        )
    }
}
