import Foundation

/// Every call of CSI's three services with every field that its message has, for tests that change one after the other.
package enum EveryField {
    /// Method and body; the values are such as the call may have.
    package static let calls: [(method: String, body: String)] = [
        ("Identity/GetPluginInfo", "{}"), ("Identity/GetPluginCapabilities", "{}"), ("Identity/Probe", "{}"),
        (
            "Controller/CreateVolume",
            """
            {"name":"n","capacityRange":{"requiredBytes":"1073741824","limitBytes":"2147483648"},\
            "volumeCapabilities":[\(capability)],"parameters":\(parameters),"secrets":\(secrets),\
            "volumeContentSource":{"snapshot":{"snapshotId":"s"}},"mutableParameters":{"a":"b"},\
            "accessibilityRequirements":{"requisite":[{"segments":{"zone":"a"}}],"preferred":[{"segments":{"zone":"a"}}]}}
            """
        ),
        ("Controller/DeleteVolume", #"{"volumeId":"c1/rbd//v","secrets":\#(secrets)}"#),
        (
            "Controller/ControllerPublishVolume",
            """
            {"volumeId":"c1/rbd//v","nodeId":"n","volumeCapability":\(capability),"readonly":true,"secrets":\(secrets),\
            "volumeContext":{"a":"b"}}
            """
        ),
        ("Controller/ControllerUnpublishVolume", #"{"volumeId":"c1/rbd//v","nodeId":"n","secrets":\#(secrets)}"#),
        (
            "Controller/ValidateVolumeCapabilities",
            """
            {"volumeId":"c1/rbd//v","volumeContext":{"a":"b"},"volumeCapabilities":[\(capability)],\
            "parameters":\(parameters),"secrets":\(secrets),"mutableParameters":{"a":"b"}}
            """
        ),
        ("Controller/ListVolumes", #"{"maxEntries":1,"startingToken":"1"}"#),
        (
            "Controller/GetCapacity",
            """
            {"volumeCapabilities":[\(capability)],"parameters":\(parameters),\
            "accessibleTopology":{"segments":{"zone":"a"}}}
            """
        ),
        ("Controller/ControllerGetCapabilities", "{}"),
        (
            "Controller/CreateSnapshot",
            #"{"sourceVolumeId":"c1/rbd//v","name":"s","secrets":\#(secrets),"parameters":\#(parameters)}"#
        ),
        ("Controller/DeleteSnapshot", #"{"snapshotId":"s","secrets":\#(secrets)}"#),
        (
            "Controller/ListSnapshots",
            #"{"maxEntries":1,"startingToken":"1","sourceVolumeId":"v","snapshotId":"s","secrets":\#(secrets)}"#
        ),
        (
            "Controller/ControllerExpandVolume",
            """
            {"volumeId":"c1/rbd//v","capacityRange":{"requiredBytes":"1073741824"},"secrets":\(secrets),\
            "volumeCapability":\(capability)}
            """
        ),
        ("Controller/ControllerGetVolume", #"{"volumeId":"c1/rbd//v"}"#),
        (
            "Controller/ControllerModifyVolume",
            #"{"volumeId":"c1/rbd//v","secrets":\#(secrets),"mutableParameters":{"a":"b"}}"#
        ),
        (
            "Node/NodeStageVolume",
            """
            {"volumeId":"c1/rbd//v","publishContext":{"a":"b"},"stagingTargetPath":"/s","volumeCapability":\(capability),\
            "secrets":\(secrets),"volumeContext":{"a":"b"}}
            """
        ),
        ("Node/NodeUnstageVolume", #"{"volumeId":"c1/rbd//v","stagingTargetPath":"/s"}"#),
        (
            "Node/NodePublishVolume",
            """
            {"volumeId":"c1/rbd//v","publishContext":{"a":"b"},"stagingTargetPath":"/s","targetPath":"/t",\
            "volumeCapability":\(capability),"readonly":true,"secrets":\(secrets),"volumeContext":{"a":"b"}}
            """
        ),
        ("Node/NodeUnpublishVolume", #"{"volumeId":"c1/rbd//v","targetPath":"/t"}"#),
        ("Node/NodeGetVolumeStats", #"{"volumeId":"c1/rbd//v","volumePath":"/t","stagingTargetPath":"/s"}"#),
        (
            "Node/NodeExpandVolume",
            """
            {"volumeId":"c1/rbd//v","volumePath":"/t","capacityRange":{"requiredBytes":"1073741824"},\
            "stagingTargetPath":"/s","volumeCapability":\(capability),"secrets":\(secrets)}
            """
        ),
        ("Node/NodeGetCapabilities", "{}"), ("Node/NodeGetInfo", "{}"),
    ]

    private static let capability = """
        {"mount":{"fsType":"ext4","mountFlags":["discard"],"volumeMountGroup":"1"},\
        "accessMode":{"mode":"SINGLE_NODE_WRITER"}}
        """
    private static let parameters =
        #"{"clusterID":"c1","pool":"rbd","mounter":"auto","mapOptions":"","imageFeatures":"layering"}"#
    private static let secrets = #"{"userID":"nacre","userKey":"x"}"#

    /// The body again and again, with `text` in place of one member's value, and as the name of one more member.
    package static func bodies(_ body: String, with text: String) -> [(place: String, body: String)] {
        guard let document = try? JSONSerialization.jsonObject(with: Data(body.utf8)) else { return [] }
        return changed(document, "", text).compactMap { place, value in
            guard let data = try? JSONSerialization.data(withJSONObject: value, options: .fragmentsAllowed) else {
                return nil
            }
            return (place, String(decoding: data, as: UTF8.self))
        }
    }

    private static func changed(_ value: Any, _ place: String, _ text: String) -> [(String, Any)] {
        var all: [(String, Any)] = [(place, text)]
        switch value {
        case let members as [String: Any]:
            all.append(("\(place){}", members.merging([text: "x"]) { $1 }))
            for (name, member) in members {
                all += changed(member, "\(place).\(name)", text).map { ($0, members.merging([name: $1]) { $1 }) }
            }
        case let elements as [Any]:
            for index in elements.indices {
                all += changed(elements[index], "\(place)[\(index)]", text).map { place, element in
                    var others = elements
                    others[index] = element
                    return (place, others)
                }
            }
        default: break
        }
        return all
    }
}
