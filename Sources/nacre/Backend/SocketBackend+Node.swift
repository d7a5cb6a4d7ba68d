import VolumeAPI
import Volumes

extension SocketBackend {
    func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        var message = CSI.Node.NodeStageVolume.Request()
        message.volumeID = request.volumeID
        message.stagingTargetPath = request.stagingPath
        message.volumeCapability = CSI.VolumeCapability(request.capability)
        message.secrets = request.credentials.secrets
        message.volumeContext = request.context
        _ = try await call(CSI.Node.NodeStageVolume.self, message, deadline)
    }

    func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        var message = CSI.Node.NodePublishVolume.Request()
        message.volumeID = request.volumeID
        message.stagingTargetPath = request.stagingPath
        message.targetPath = request.targetPath
        message.volumeCapability = CSI.VolumeCapability(request.capability)
        message.readonly = request.isReadOnly
        message.volumeContext = request.context
        _ = try await call(CSI.Node.NodePublishVolume.self, message, deadline)
    }

    func unpublish(
        _ volumeID: String,
        targetPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        var message = CSI.Node.NodeUnpublishVolume.Request()
        message.volumeID = volumeID
        message.targetPath = targetPath
        _ = try await call(CSI.Node.NodeUnpublishVolume.self, message, deadline)
    }

    func unstage(
        _ volumeID: String,
        stagingPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        var message = CSI.Node.NodeUnstageVolume.Request()
        message.volumeID = volumeID
        message.stagingTargetPath = stagingPath
        _ = try await call(CSI.Node.NodeUnstageVolume.self, message, deadline)
    }

    func stats(
        _ volumeID: String,
        path: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumeStats {
        var message = CSI.Node.NodeGetVolumeStats.Request()
        message.volumeID = volumeID
        message.volumePath = path
        let answer = try await call(CSI.Node.NodeGetVolumeStats.self, message, deadline)
        let condition = answer.volumeCondition ?? CSI.VolumeCondition()
        return VolumeStats(
            bytes: answer.usage.first { $0.unit == .bytes }.map {
                .init(
                    available: UInt64(clamping: $0.available),
                    total: UInt64(clamping: $0.total),
                    used: UInt64(clamping: $0.used)
                )
            },
            inodes: nil,
            condition: VolumeCondition(isAbnormal: condition.abnormal, message: condition.message)
        )
    }

    func expandOnNode(
        _ request: NodeExpandRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> UInt64 {
        var message = CSI.Node.NodeExpandVolume.Request()
        message.volumeID = request.volumeID
        message.volumePath = request.volumePath
        message.stagingTargetPath = request.stagingPath
        message.capacityRange = request.range.map { CSI.CapacityRange($0) }
        message.volumeCapability = request.capability.map { CSI.VolumeCapability($0) }
        let answer = try await call(CSI.Node.NodeExpandVolume.self, message, deadline)
        return UInt64(clamping: answer.capacityBytes)
    }
}
