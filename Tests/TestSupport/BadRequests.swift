/// A request that every service must refuse, and the expected refusal.
package struct BadRequest: Sendable, CustomStringConvertible {
    /// What is wrong with it.
    package let description: String
    /// `Controller/CreateVolume`, below `/csi.v1.`.
    package let method: String
    /// The body.
    package let body: String
    /// Connect's code of the answer.
    package let code: String
    /// Words that the answer's message must have.
    package let words: [String]

    /// The request's path.
    package var path: String { "/csi.v1.\(method)" }
}

extension BadRequest {
    /// Requests that must be refused before they reach the service.
    package static let all: [BadRequest] = documents + fields + capabilities + ranges + maps + secrets + others

    /// A good request, member by member, for tests that change one of them.
    package static func good(_ method: String) -> [(name: String, json: String)] {
        switch method {
        case "Controller/CreateVolume":
            [("name", #""pvc-4ad7ae4e-9d0c-4f6d-9a7a-5a6d9e3c1b2f""#), range, capabilityList, parameters, secretMap]
        case "Controller/DeleteVolume": [handle, secretMap]
        case "Controller/ControllerExpandVolume": [handle, range, secretMap]
        case "Controller/ValidateVolumeCapabilities": [handle, capabilityList, secretMap]
        case "Controller/ControllerGetVolume": [handle]
        case "Node/NodeStageVolume": [handle, staging, capability, secretMap]
        case "Node/NodeUnstageVolume": [handle, staging]
        case "Node/NodePublishVolume": [handle, staging, target, capability]
        case "Node/NodeUnpublishVolume": [handle, target]
        case "Node/NodeExpandVolume": [handle, ("volumePath", #""/var/lib/kubelet/pods/1/mount""#), range]
        case "Node/NodeGetVolumeStats": [handle, ("volumePath", #""/var/lib/kubelet/pods/1/mount""#)]
        default: []
        }
    }

    /// The good request with one member changed, added, or, if `json` is `nil`, left out.
    package static func body(_ method: String, changing name: String = "", to json: String? = nil) -> String {
        var members = good(method)
        members.removeAll { $0.name == name }
        if let json { members.append((name, json)) }
        return "{" + members.map { "\"\($0.name)\":\($0.json)" }.joined(separator: ",") + "}"
    }

    private static let handle = ("volumeId", #""c1/replicapool//csi-vol-4ad7ae4e-9d0c-4f6d-9a7a-5a6d9e3c1b2f""#)
    private static let range = ("capacityRange", #"{"requiredBytes":"1073741824"}"#)
    private static let mountJSON = #"{"mount":{"fsType":"ext4"},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#
    private static let capabilityList = ("volumeCapabilities", "[\(mountJSON)]")
    private static let capability = ("volumeCapability", mountJSON)
    private static let parameters = ("parameters", #"{"clusterID":"c1","pool":"replicapool"}"#)
    private static let secretMap = ("secrets", #"{"userID":"nacre","userKey":"TOP-SECRET-KEY"}"#)
    private static let staging = ("stagingTargetPath", #""/var/lib/kubelet/plugins/globalmount""#)
    private static let target = ("targetPath", #""/var/lib/kubelet/pods/1/mount""#)

    /// The good request of `method` with one member changed, refused as an invalid argument that names it.
    static func changing(
        _ method: String,
        _ name: String,
        _ json: String?,
        code: String = "invalid_argument",
        _ words: String...
    ) -> BadRequest {
        let shown = (json ?? "nothing").prefix(40)
        return BadRequest(
            description: "\(method) with \(name) = \(shown)",
            method: method,
            body: body(method, changing: name, to: json),
            code: code,
            words: [name] + words
        )
    }
}
