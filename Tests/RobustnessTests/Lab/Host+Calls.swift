import Secrets
import VolumeAPI
import VolumeClient

/// A volume as the calls for it need it.
struct Volume: Sendable {
    /// What CreateVolume is asked for.
    let name: String
    let kind: Plan.Kind
    let isKept: Bool
    /// The Kubernetes cluster that has it.
    let cluster: Neighbour.Cluster
    /// How often it got another claim, and with it other places on nodes.
    var claims = 0
    /// What CreateVolume answered.
    var handle = ""
    var context: [String: String] = [:]
    var megabytes: Int64

    init(_ name: String, _ plan: Plan.Volume, of cluster: Neighbour.Cluster = .ours) {
        self.name = name
        self.cluster = cluster
        kind = plan.kind
        isKept = plan.isKept
        megabytes = plan.kind == .xfs ? 320 : 32
    }

    /// What a node calls it.
    var place: String { claims == 0 ? name : "\(name)-\(claims)" }

    var image: String { handle.split(separator: "/").last.map(String.init) ?? "" }

    var capability: CSI.VolumeCapability {
        var capability = CSI.VolumeCapability()
        if kind == .block {
            capability.block = .init()
        } else {
            capability.mount = .init()
            capability.mount?.fsType = kind.rawValue
        }
        capability.accessMode = .init()
        capability.accessMode?.mode = .singleNodeWriter
        return capability
    }
}

extension Host {
    func stagingPath(_ volume: Volume) -> String { "\(directory)/staging/\(volume.place)" }
    func targetPath(_ volume: Volume) -> String { "\(directory)/pods/\(volume.place)" }

    func create(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) -> CSI.Volume? {
        var request = CSI.Controller.CreateVolume.Request()
        request.name = volume.name
        request.capacityRange = .init()
        request.capacityRange?.requiredBytes = volume.megabytes << 20
        request.volumeCapabilities = [volume.capability]
        request.parameters = [
            "clusterID": lab.clusterID, "pool": "rbd", "nacre.io/kubernetes-cluster": volume.cluster.rawValue,
        ]
        if volume.isKept { request.parameters["trashRetention"] = "1h" }
        request.secrets = lab.secrets
        return try await client.call(CSI.Controller.CreateVolume.self, request, timeout: timeout).volume
    }

    /// What is known of a volume by its handle alone.
    func get(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) -> CSI.Volume? {
        var request = CSI.Controller.ControllerGetVolume.Request()
        request.volumeID = volume.handle
        return try await client.call(CSI.Controller.ControllerGetVolume.self, request, timeout: timeout).volume
    }

    func delete(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Controller.DeleteVolume.Request()
        request.volumeID = volume.handle
        request.secrets = lab.secrets
        _ = try await client.call(CSI.Controller.DeleteVolume.self, request, timeout: timeout)
    }

    func expand(_ volume: Volume, toMegabytes megabytes: Int64, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Controller.ControllerExpandVolume.Request()
        request.volumeID = volume.handle
        request.capacityRange = .init()
        request.capacityRange?.requiredBytes = megabytes << 20
        request.secrets = lab.secrets
        request.volumeCapability = volume.capability
        _ = try await client.call(CSI.Controller.ControllerExpandVolume.self, request, timeout: timeout)
    }

    func stage(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Node.NodeStageVolume.Request()
        request.volumeID = volume.handle
        request.stagingTargetPath = stagingPath(volume)
        request.volumeCapability = volume.capability
        request.secrets = lab.secrets
        request.volumeContext = volume.context
        _ = try await client.call(CSI.Node.NodeStageVolume.self, request, timeout: timeout)
    }

    func publish(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Node.NodePublishVolume.Request()
        request.volumeID = volume.handle
        request.stagingTargetPath = stagingPath(volume)
        request.targetPath = targetPath(volume)
        request.volumeCapability = volume.capability
        request.volumeContext = volume.context
        _ = try await client.call(CSI.Node.NodePublishVolume.self, request, timeout: timeout)
    }

    func grow(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Node.NodeExpandVolume.Request()
        request.volumeID = volume.handle
        request.volumePath = targetPath(volume)
        request.stagingTargetPath = stagingPath(volume)
        request.volumeCapability = volume.capability
        _ = try await client.call(CSI.Node.NodeExpandVolume.self, request, timeout: timeout)
    }

    func unpublish(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Node.NodeUnpublishVolume.Request()
        request.volumeID = volume.handle
        request.targetPath = targetPath(volume)
        _ = try await client.call(CSI.Node.NodeUnpublishVolume.self, request, timeout: timeout)
    }

    func unstage(_ volume: Volume, _ timeout: Duration) async throws(ConnectError) {
        var request = CSI.Node.NodeUnstageVolume.Request()
        request.volumeID = volume.handle
        request.stagingTargetPath = stagingPath(volume)
        _ = try await client.call(CSI.Node.NodeUnstageVolume.self, request, timeout: timeout)
    }
}
