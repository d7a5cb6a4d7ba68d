extension BadRequest {
    /// Every string of every call: missing, of another type, too long, with characters that names and paths must not
    /// have.
    static let fields: [BadRequest] =
        required("Controller/CreateVolume", "name", limit: 128)
        + required("Controller/DeleteVolume", "volumeId", limit: 128, takesAnything: true)
        + handle("Controller/ControllerExpandVolume")
        + handle("Controller/ValidateVolumeCapabilities")
        + handle("Controller/ControllerGetVolume")
        + handle("Node/NodeStageVolume")
        + path("Node/NodeStageVolume", "stagingTargetPath")
        + required("Node/NodeUnstageVolume", "volumeId", limit: 128, takesAnything: true)
        + recordedPath("Node/NodeUnstageVolume", "stagingTargetPath")
        + handle("Node/NodePublishVolume")
        + path("Node/NodePublishVolume", "targetPath")
        + pathForms("Node/NodePublishVolume", "stagingTargetPath")
        + required("Node/NodeUnpublishVolume", "volumeId", limit: 128, takesAnything: true)
        + recordedPath("Node/NodeUnpublishVolume", "targetPath")
        + handle("Node/NodeExpandVolume")
        + required("Node/NodeExpandVolume", "volumePath", limit: 4095)
        + handle("Node/NodeGetVolumeStats")
        + required("Node/NodeGetVolumeStats", "volumePath", limit: 4095)

    private static func required(
        _ method: String,
        _ name: String,
        limit: Int,
        takesAnything: Bool = false
    ) -> [BadRequest] {
        let long = String(repeating: "a", count: limit + 1)
        let umlauts = String(repeating: "ü", count: limit / 2 + 1)
        var requests = [
            changing(method, name, nil, "required"),
            changing(method, name, "null", "required"),
            changing(method, name, #""""#, "required"),
            changing(method, name, "7", "expected a string, found a number"),
            changing(method, name, "true", "expected a string, found a boolean"),
            changing(method, name, #"["a"]"#, "expected a string, found an array"),
            changing(method, name, #"{"a":"b"}"#, "expected a string, found an object"),
        ]
        if limit == 128 {
            requests += [
                changing(method, name, "\"\(long)\"", "129 bytes, the limit is 128"),
                changing(method, name, "\"\(umlauts)\"", "130 bytes, the limit is 128"),
            ]
        }
        if !takesAnything {
            requests += [
                changing(method, name, #""a\nb""#, "control characters"),
                changing(method, name, #""a\u0000b""#, "control characters"),
                changing(method, name, #""a\u007fb""#, "control characters"),
                changing(method, name, #""a\u2028b""#, "control characters"),
            ]
        }
        return requests
    }

    private static func handle(_ method: String) -> [BadRequest] {
        required(method, "volumeId", limit: 128) + [
            changing(method, "volumeId", #""../../etc/passwd""#, "'..'"),
            changing(method, "volumeId", #""c1/replicapool/../csi-vol-1""#, "'..'"),
            changing(method, "volumeId", #""c1/./replicapool/csi-vol-1""#, "'.'"),
        ]
    }

    private static func path(_ method: String, _ name: String) -> [BadRequest] {
        required(method, name, limit: 4095) + pathForms(method, name)
    }

    /// Of a call that takes something back: an earlier release took more paths.
    private static func recordedPath(_ method: String, _ name: String) -> [BadRequest] {
        required(method, name, limit: 4095, takesAnything: true) + pathForms(method, name) + [
            changing(method, name, #""/a\u0000b""#, "zero byte")
        ]
    }

    private static func pathForms(_ method: String, _ name: String) -> [BadRequest] {
        let long = "/" + String(repeating: "a/", count: 2048)
        return [
            changing(method, name, "\"\(long)\"", "4097 bytes, the limit is 4095"),
            changing(method, name, #""var/lib/kubelet""#, "not an absolute path"),
            changing(method, name, #""./mount""#, "'.'"),
            changing(method, name, #""/var/lib/kubelet/../../etc""#, "'..'"),
            changing(method, name, #""/var/lib/kubelet/..""#, "'..'"),
            changing(method, name, #""/var/./lib""#, "'.'"),
            changing(method, name, #""/""#, "'/'"),
            changing(method, name, #""//""#, "'/'"),
        ]
    }
}
