internal import VolumeAPI
internal import Volumes

extension Handler {
    static func listVolumes(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.ListVolumes.self) { request, deadline throws(VolumeError) in
            typealias Call = CSI.Controller.ListVolumes
            guard request.maxEntries >= 0 else { throw .invalid("maxEntries: \(request.maxEntries) is negative") }
            let page = try await service.listVolumes(
                maxEntries: request.maxEntries,
                startingToken: request.startingToken,
                deadline: deadline
            )
            var response = Call.Response()
            response.entries = page.volumes.map { volume in
                var entry = Call.Entry()
                entry.volume = volume.message
                var status = Call.VolumeStatus()
                status.publishedNodeIDs = volume.facts.users
                entry.status = volume.facts.users.isEmpty ? nil : status
                return entry
            }
            response.nextToken = page.nextToken
            return response
        }
    }

    static func getVolume(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.ControllerGetVolume.self, subject: { .volume($0.volumeID) }) {
            request,
            deadline throws(VolumeError) in
            typealias Call = CSI.Controller.ControllerGetVolume
            let status = try await service.status(of: request.volumeID, deadline: deadline)
            var response = Call.Response()
            response.volume = status.volume.message
            var condition = Call.VolumeStatus()
            condition.publishedNodeIDs = status.volume.facts.users
            condition.volumeCondition = status.condition.wire
            response.status = condition
            return response
        }
    }

    static func capacity(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.GetCapacity.self) { request, deadline throws(VolumeError) in
            let capacity = try await service.capacity(
                parameters: request.parameters,
                capabilities: try request.volumeCapabilities.checked(),
                credentials: nil,
                deadline: deadline
            )
            var response = CSI.Controller.GetCapacity.Response()
            response.availableCapacity = Int64(clamping: capacity.availableBytes)
            response.maximumVolumeSize = Int64(clamping: capacity.largestVolumeBytes)
            response.minimumVolumeSize = Int64(clamping: capacity.smallestVolumeBytes)
            return response
        }
    }
}
