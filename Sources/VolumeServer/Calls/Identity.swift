internal import VolumeAPI
internal import Volumes

extension Handler {
    /// The calls of the Identity service.
    static func identity(
        configuration: ServerConfiguration,
        readiness: @escaping @Sendable () async -> Readiness
    ) -> [Handler] {
        [
            .offer(CSI.Identity.GetPluginInfo.self) { _, _ in
                var response = CSI.Identity.GetPluginInfo.Response()
                response.name = configuration.driverName
                response.vendorVersion = configuration.version
                return response
            },
            .offer(CSI.Identity.GetPluginCapabilities.self) { _, _ in
                var controller = CSI.Identity.GetPluginCapabilities.Capability()
                controller.service = CSI.Identity.GetPluginCapabilities.Service()
                controller.service?.type = .controllerService
                var expansion = CSI.Identity.GetPluginCapabilities.Capability()
                expansion.volumeExpansion = CSI.Identity.GetPluginCapabilities.VolumeExpansion()
                expansion.volumeExpansion?.type = .online
                var response = CSI.Identity.GetPluginCapabilities.Response()
                response.capabilities = [controller, expansion]
                return response
            },
            .offer(CSI.Identity.Probe.self) { _, _ throws(VolumeError) in
                var response = CSI.Identity.Probe.Response()
                switch await readiness() {
                case .ready: response.ready = true
                case .starting: response.ready = false
                case .misconfigured(let sentence): throw VolumeError(.failedPrecondition, sentence)
                }
                return response
            },
        ]
    }
}
