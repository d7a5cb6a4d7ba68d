internal import VolumeAPI
internal import Volumes

extension Handler {
    /// The calls of the Controller service.
    static func controller(_ service: (any ControllerService)?) -> [Handler] {
        let publishing = "volumes need no attaching; the node maps them (PUBLISH_UNPUBLISH_VOLUME is not announced)"
        let refused: [Handler] = [
            .refuse(CSI.Controller.ControllerPublishVolume.self, publishing),
            .refuse(CSI.Controller.ControllerUnpublishVolume.self, publishing),
            .refuse(CSI.Controller.ControllerModifyVolume.self, "MODIFY_VOLUME is not announced"),
        ]
        guard let service else {
            let absent = "this nacre runs no controller; ask the controller's socket"
            return refused + [
                .refuse(CSI.Controller.CreateVolume.self, absent),
                .refuse(CSI.Controller.DeleteVolume.self, absent),
                .refuse(CSI.Controller.ControllerExpandVolume.self, absent),
                .refuse(CSI.Controller.ValidateVolumeCapabilities.self, absent),
                .refuse(CSI.Controller.ListVolumes.self, absent),
                .refuse(CSI.Controller.ControllerGetVolume.self, absent),
                .refuse(CSI.Controller.GetCapacity.self, absent),
                .refuse(CSI.Controller.ControllerGetCapabilities.self, absent),
                .refuse(CSI.Controller.CreateSnapshot.self, absent),
                .refuse(CSI.Controller.DeleteSnapshot.self, absent),
                .refuse(CSI.Controller.GetSnapshot.self, absent),
                .refuse(CSI.Controller.ListSnapshots.self, absent),
            ]
        }
        return refused + [
            .controllerCapabilities, .createVolume(service), .deleteVolume(service), .expandVolume(service),
            .validateCapabilities(service), .listVolumes(service), .getVolume(service), .capacity(service),
        ] + snapshots(service)
    }

    private static var controllerCapabilities: Handler {
        .offer(CSI.Controller.ControllerGetCapabilities.self) { _, _ in
            typealias Call = CSI.Controller.ControllerGetCapabilities
            let offered: [Call.RPCType] = [
                .createDeleteVolume, .listVolumes, .getCapacity, .createDeleteSnapshot, .listSnapshots, .cloneVolume,
                .expandVolume, .volumeCondition, .getVolume, .singleNodeMultiWriter, .getSnapshot,
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

    private static func createVolume(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.CreateVolume.self, subject: { .name($0.name) }) { request, deadline throws(VolumeError) in
            let range = try CSI.CapacityRange.checked(request.capacityRange)
            let capabilities = try request.volumeCapabilities.checked()
            let source = try request.volumeContentSource?.checked()
            try request.mutableParameters.refuseMutable()
            let volume = try await service.createVolume(
                CreateVolumeRequest(
                    name: request.name,
                    range: range,
                    capabilities: capabilities,
                    parameters: request.parameters,
                    credentials: try request.secrets.credentials(),
                    source: source
                ),
                deadline: deadline
            )
            var response = CSI.Controller.CreateVolume.Response()
            response.volume = volume.message
            return response
        }
    }

    private static func deleteVolume(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.DeleteVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            let credentials = try request.secrets.credentials()
            try await service.deleteVolume(request.volumeID, credentials: credentials, deadline: deadline)
            return EmptyMessage()
        }
    }

    private static func expandVolume(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.ControllerExpandVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            let volume = try await service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: request.volumeID,
                    range: try CSI.CapacityRange.checked(request.capacityRange),
                    capability: try request.volumeCapability?.checked(at: "volumeCapability"),
                    credentials: try request.secrets.credentials()
                ),
                deadline: deadline
            )
            var response = CSI.Controller.ControllerExpandVolume.Response()
            response.capacityBytes = Int64(clamping: volume.capacityBytes)
            response.nodeExpansionRequired = volume.nodeExpansionRequired
            return response
        }
    }

    private static func validateCapabilities(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.ValidateVolumeCapabilities.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            typealias Call = CSI.Controller.ValidateVolumeCapabilities
            let capabilities = try request.volumeCapabilities.checked()
            try request.mutableParameters.refuseMutable()
            let verdict = try await service.validateCapabilities(
                ValidateCapabilitiesRequest(
                    volumeID: request.volumeID,
                    capabilities: capabilities,
                    parameters: request.parameters,
                    context: request.volumeContext,
                    credentials: request.secrets.isEmpty ? nil : try request.secrets.credentials()
                ),
                deadline: deadline
            )
            var response = Call.Response()
            switch verdict {
            case .confirmed:
                var confirmed = Call.Confirmed()
                confirmed.volumeCapabilities = request.volumeCapabilities
                confirmed.volumeContext = request.volumeContext
                confirmed.parameters = request.parameters
                response.confirmed = confirmed
            case .refused(let reason):
                response.message = reason
            }
            return response
        }
    }
}
