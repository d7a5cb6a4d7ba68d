internal import VolumeAPI
internal import Volumes

extension Handler {
    /// The calls of the Node service.
    static func node(_ service: (any NodeService)?) -> [Handler] {
        guard let service else {
            let absent = "this nacre runs no node agent; ask the node's socket"
            return [
                .refuse(CSI.Node.NodeStageVolume.self, absent),
                .refuse(CSI.Node.NodeUnstageVolume.self, absent),
                .refuse(CSI.Node.NodePublishVolume.self, absent),
                .refuse(CSI.Node.NodeUnpublishVolume.self, absent),
                .refuse(CSI.Node.NodeExpandVolume.self, absent),
                .refuse(CSI.Node.NodeGetVolumeStats.self, absent),
                .refuse(CSI.Node.NodeGetCapabilities.self, absent),
                .refuse(CSI.Node.NodeGetInfo.self, absent),
            ]
        }
        return [
            .nodeCapabilities, .nodeInfo(service), .stage(service), .unstage(service), .publish(service),
            .unpublish(service), .nodeExpand(service), .stats(service),
        ]
    }

    private static var nodeCapabilities: Handler {
        .offer(CSI.Node.NodeGetCapabilities.self) { _, _ in
            typealias Call = CSI.Node.NodeGetCapabilities
            let offered: [Call.RPCType] = [
                .stageUnstageVolume, .getVolumeStats, .expandVolume, .volumeCondition, .singleNodeMultiWriter,
            ]
            var response = Call.Response()
            response.capabilities = offered.map { type in
                var capability = Call.Capability()
                capability.rpc = Call.RPC()
                capability.rpc?.type = type
                return capability
            }
            return response
        }
    }

    private static func nodeInfo(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeGetInfo.self) { _, _ in
            let info = service.info
            var response = CSI.Node.NodeGetInfo.Response()
            response.nodeID = info.nodeID
            response.maxVolumesPerNode = info.maxVolumes
            return response
        }
    }

    private static func stage(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeStageVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            let capability = try (request.volumeCapability ?? CSI.VolumeCapability()).checked(at: "volumeCapability")
            try await service.stage(
                StageRequest(
                    volumeID: request.volumeID,
                    stagingPath: request.stagingTargetPath,
                    capability: capability,
                    credentials: try request.secrets.credentials(),
                    context: request.volumeContext
                ),
                deadline: deadline
            )
            return EmptyMessage()
        }
    }

    private static func unstage(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeUnstageVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            try await service.unstage(
                volumeID: request.volumeID,
                stagingPath: request.stagingTargetPath,
                deadline: deadline
            )
            return EmptyMessage()
        }
    }

    private static func publish(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodePublishVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            let capability = try (request.volumeCapability ?? CSI.VolumeCapability()).checked(at: "volumeCapability")
            // CSI: FAILED_PRECONDITION, because STAGE_UNSTAGE_VOLUME is announced and the path identifies the volume.
            guard !request.stagingTargetPath.isEmpty else {
                throw VolumeError(.failedPrecondition, "stagingTargetPath: missing; stage the volume first")
            }
            try await service.publish(
                PublishRequest(
                    volumeID: request.volumeID,
                    stagingPath: request.stagingTargetPath,
                    targetPath: request.targetPath,
                    capability: capability,
                    isReadOnly: request.readonly,
                    context: request.volumeContext
                ),
                deadline: deadline
            )
            return EmptyMessage()
        }
    }

    private static func unpublish(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeUnpublishVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            try await service.unpublish(
                volumeID: request.volumeID,
                targetPath: request.targetPath,
                deadline: deadline
            )
            return EmptyMessage()
        }
    }

    private static func nodeExpand(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeExpandVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            let sizeBytes = try await service.expand(
                NodeExpandRequest(
                    volumeID: request.volumeID,
                    volumePath: request.volumePath,
                    stagingPath: request.stagingTargetPath,
                    range: try request.capacityRange?.checked(),
                    capability: try request.volumeCapability?.checked(at: "volumeCapability")
                ),
                deadline: deadline
            )
            var response = CSI.Node.NodeExpandVolume.Response()
            response.capacityBytes = Int64(clamping: sizeBytes)
            return response
        }
    }

    private static func stats(_ service: any NodeService) -> Handler {
        .offer(CSI.Node.NodeGetVolumeStats.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            typealias Call = CSI.Node.NodeGetVolumeStats
            let stats = try await service.stats(
                StatsRequest(
                    volumeID: request.volumeID,
                    volumePath: request.volumePath,
                    stagingPath: request.stagingTargetPath
                ),
                deadline: deadline
            )
            var response = Call.Response()
            for (usage, unit) in [(stats.bytes, Call.Unit.bytes), (stats.inodes, .inodes)] {
                guard let usage else { continue }
                var message = Call.Usage()
                message.available = Int64(clamping: usage.available)
                message.total = Int64(clamping: usage.total)
                message.used = Int64(clamping: usage.used)
                message.unit = unit
                response.usage.append(message)
            }
            response.volumeCondition = stats.condition.wire
            return response
        }
    }
}
