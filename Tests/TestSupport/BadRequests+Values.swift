extension BadRequest {
    private static let create = "Controller/CreateVolume"

    /// Bodies that are not a message in JSON.
    static let documents: [BadRequest] = [
        ("nothing", "", "empty"),
        ("a space", " ", "byte 1: expected a value"),
        ("an array", "[]", "expected an object, found an array"),
        ("null", "null", "expected an object, found null"),
        ("a string", #""name""#, "expected an object, found a string"),
        ("an open object", "{", "byte 1"),
        ("no value", #"{"name":}"#, "byte 8: expected a value"),
        ("a comma too many", #"{"name":"a",}"#, "byte 12"),
        ("single quotes", "{'name':'a'}", "byte 1: expected a name"),
        ("a second document", "{}{}", "byte 2: expected the end"),
        ("a byte order mark", "\u{FEFF}{}", "byte 0: expected a value"),
        ("a comment", "{}//", "byte 2"),
        ("NaN", #"{"name":NaN}"#, "byte 8"),
        ("a name twice", #"{"name":"a","name":"b"}"#, "byte 12: expected a name that did not come before"),
        (
            "a name both ways", #"{"name":"a","volumeCapabilities":[],"volume_capabilities":[]}"#,
            "volumeCapabilities: given twice"
        ),
        ("a lone surrogate", #"{"name":"\ud800"}"#, "surrogate"),
        ("a raw line break", "{\"name\":\"a\nb\"}", "control character"),
        ("a form", "name=a&volumeCapabilities=b", "expected"),
        ("deep nesting", String(repeating: "[", count: 100_000), "64 levels"),
    ].map { description, body, words in
        BadRequest(
            description: "CreateVolume with \(description) as its body",
            method: create,
            body: body,
            code: "invalid_argument",
            words: [words]
        )
    }

    /// What CSI's list of capability checks forbids, in each call that takes one.
    static let capabilities: [BadRequest] =
        lists("Controller/CreateVolume") + lists("Controller/ValidateVolumeCapabilities")
        + singles("Node/NodeStageVolume") + requiredSingles("Node/NodeStageVolume")
        + singles("Node/NodePublishVolume") + requiredSingles("Node/NodePublishVolume")
        + singles("Controller/ControllerExpandVolume") + singles("Node/NodeExpandVolume")

    private static func lists(_ method: String) -> [BadRequest] {
        let lists = [
            changing(method, "volumeCapabilities", nil, "required"),
            changing(method, "volumeCapabilities", "null", "required"),
            changing(method, "volumeCapabilities", "[]", "required"),
            changing(method, "volumeCapabilities", "{}", "expected an array, found an object"),
            changing(method, "volumeCapabilities", #""mount""#, "expected an array, found a string"),
            changing(method, "volumeCapabilities", "[null]", "[0]: expected an object, found null"),
        ]
        let elements = badCapabilities.map { json, path, words in
            changing(method, "volumeCapabilities", "[\(goodCapability),\(json)]", "[1]\(path)", words)
        }
        return lists + elements
    }

    private static func singles(_ method: String) -> [BadRequest] {
        badCapabilities.map { json, path, words in changing(method, "volumeCapability", json, path, words) }
    }

    private static func requiredSingles(_ method: String) -> [BadRequest] {
        [
            changing(method, "volumeCapability", nil, "required"),
            changing(method, "volumeCapability", "null", "required"),
            changing(method, "volumeCapability", "[]", "expected an object, found an array"),
        ]
    }

    private static let goodCapability = #"{"block":{},"accessMode":{"mode":1}}"#
    private static let writer = #""accessMode":{"mode":"SINGLE_NODE_WRITER"}"#

    private static let badCapabilities: [(json: String, path: String, words: String)] = [
        ("{}", "", "neither 'block' nor 'mount'"),
        ("{\(writer)}", "", "neither 'block' nor 'mount'"),
        ("{\"block\":{},\"mount\":{},\(writer)}", "", "exclude each other"),
        ("{\"block\":{},\"mount\":{\"fsType\":\"ext4\"},\(writer)}", "", "exclude each other"),
        (#"{"mount":{}}"#, ".accessMode", "required"),
        (#"{"mount":{},"accessMode":{}}"#, ".accessMode.mode", "UNKNOWN"),
        (#"{"mount":{},"accessMode":{"mode":0}}"#, ".accessMode.mode", "UNKNOWN"),
        (#"{"mount":{},"accessMode":{"mode":"UNKNOWN"}}"#, ".accessMode.mode", "UNKNOWN"),
        (#"{"mount":{},"accessMode":{"mode":"ReadWriteOnce"}}"#, ".accessMode.mode", "SINGLE_NODE_WRITER"),
        (#"{"mount":{},"accessMode":{"mode":99}}"#, ".accessMode.mode", "0…7"),
        (#"{"mount":{},"accessMode":{"mode":-1}}"#, ".accessMode.mode", "0…7"),
        (#"{"mount":{},"accessMode":{"mode":1.5}}"#, ".accessMode.mode", "0…7"),
        (#"{"mount":{},"accessMode":{"mode":true}}"#, ".accessMode.mode", "expected a name or a number"),
        (#"{"mount":{},"accessMode":"SINGLE_NODE_WRITER"}"#, ".accessMode", "expected an object, found a string"),
        ("{\"mount\":\"ext4\",\(writer)}", ".mount", "expected an object, found a string"),
        ("{\"mount\":{\"fsType\":4},\(writer)}", ".mount.fsType", "expected a string, found a number"),
        ("{\"mount\":{\"fsType\":\"ext4\\n\"},\(writer)}", ".mount.fsType", "control characters"),
        ("{\"mount\":{\"mountFlags\":\"noatime\"},\(writer)}", ".mount.mountFlags", "expected an array"),
        ("{\"mount\":{\"mountFlags\":[\"a\",1]},\(writer)}", ".mount.mountFlags[1]", "expected a string"),
        ("{\"mount\":{\"mountFlags\":[\"a\\u0000\"]},\(writer)}", ".mount.mountFlags[0]", "control characters"),
        (
            "{\"mount\":{\"mountFlags\":[\"\(String(repeating: "f", count: 4097))\"]},\(writer)}",
            ".mount.mountFlags", "more than 4096 bytes"
        ),
        ("{\"mount\":{\"volumeMountGroup\":\"1000\"},\(writer)}", ".mount.volumeMountGroup", "not offered"),
    ]

    /// Invalid sizes.
    static let ranges: [BadRequest] =
        ["Controller/CreateVolume", "Controller/ControllerExpandVolume", "Node/NodeExpandVolume"].flatMap { method in
            [
                changing(method, "capacityRange", #""1Gi""#, "expected an object, found a string"),
                changing(method, "capacityRange", #"{"requiredBytes":"1Gi"}"#, ".requiredBytes", "64 bits"),
                changing(method, "capacityRange", #"{"requiredBytes":"-1"}"#, "negative"),
                changing(method, "capacityRange", #"{"limitBytes":-1}"#, "negative"),
                changing(method, "capacityRange", #"{"requiredBytes":1.5}"#, ".requiredBytes", "64 bits"),
                changing(
                    method,
                    "capacityRange",
                    #"{"requiredBytes":"9223372036854775808"}"#,
                    ".requiredBytes",
                    "64 bits"
                ),
                changing(method, "capacityRange", #"{"requiredBytes":1e400}"#, ".requiredBytes", "64 bits"),
                changing(method, "capacityRange", #"{"requiredBytes":""}"#, ".requiredBytes", "64 bits"),
                changing(method, "capacityRange", #"{"requiredBytes":" 1"}"#, ".requiredBytes", "64 bits"),
                changing(method, "capacityRange", #"{"requiredBytes":true}"#, ".requiredBytes", "expected an integer"),
                changing(method, "capacityRange", #"{"requiredBytes":"2","limitBytes":"1"}"#, "above limit"),
                changing(
                    method,
                    "capacityRange",
                    #"{"requiredBytes":"9223372036854775807"}"#,
                    code: "out_of_range",
                    "which no volume can have"
                ),
            ]
        }
        + [changing("Controller/ControllerExpandVolume", "capacityRange", nil, "required")]

    /// Invalid maps, and maps that are too large.
    static let maps: [BadRequest] = [
        changing(create, "parameters", "[]", "expected an object, found an array"),
        changing(create, "parameters", #"{"pool":1}"#, "['pool']", "expected a string, found a number"),
        changing(create, "parameters", #"{"pool":null}"#, "['pool']", "expected a string, found null"),
        changing(create, "parameters", #"{"a\nb":"c"}"#, "control characters"),
        changing(create, "parameters", "{\"a\":\"\(String(repeating: "v", count: 4096))\"}", "4097 bytes"),
        changing(create, "parameters", "{\"\(String(repeating: "k", count: 4097))\":\"\"}", "4097 bytes"),
        changing(create, "mutableParameters", #"{"iops":"1"}"#, "not offered"),
        changing("Controller/ValidateVolumeCapabilities", "mutableParameters", #"{"iops":"1"}"#, "not offered"),
        changing("Controller/ValidateVolumeCapabilities", "volumeContext", "true", "expected an object"),
        changing("Node/NodeStageVolume", "volumeContext", #"{"a":[]}"#, "['a']", "expected a string"),
        changing("Node/NodeStageVolume", "publishContext", "7", "expected an object"),
        changing("Node/NodePublishVolume", "volumeContext", "\"\"", "expected an object"),
    ]

    /// Secrets without a user or its key, and invalid ones.
    static let secrets: [BadRequest] =
        [
            "Controller/CreateVolume", "Controller/DeleteVolume", "Controller/ControllerExpandVolume",
            "Node/NodeStageVolume",
        ].flatMap { method in
            [
                changing(method, "secrets", nil, "'userID' is missing"),
                changing(method, "secrets", "null", "'userID' is missing"),
                changing(method, "secrets", "{}", "'userID' is missing"),
                changing(method, "secrets", #"{"userKey":"TOP-SECRET-KEY"}"#, "'userID' is missing"),
                changing(method, "secrets", #"{"userID":"","userKey":"TOP-SECRET-KEY"}"#, "'userID'"),
                changing(method, "secrets", #"{"userID":"nacre"}"#, "'userKey' is missing"),
                changing(method, "secrets", #"{"userID":"nacre","userKey":""}"#, "'userKey'"),
                changing(method, "secrets", #"{"userID":"client.nacre","userKey":"TOP-SECRET-KEY"}"#, "'client.'"),
                changing(method, "secrets", #"{"userID":"a\nb","userKey":"TOP-SECRET-KEY"}"#, "'userID'"),
                changing(method, "secrets", #"{"userID":"nacre","userKey":7}"#, "expected strings"),
                changing(method, "secrets", #"{"user ID":"nacre"}"#, "letters, digits"),
                changing(method, "secrets", #"{"":"nacre"}"#, "letters, digits"),
                changing(method, "secrets", #""TOP-SECRET-KEY""#, "expected an object"),
                changing(method, "secrets", "{\"a\":\"\(String(repeating: "s", count: 4096))\"}", "4097 bytes"),
            ]
        }
        + [
            changing(
                "Controller/ValidateVolumeCapabilities",
                "secrets",
                #"{"userID":"nacre"}"#,
                "'userKey' is missing"
            )
        ]

    /// All other bad requests.
    static let others: [BadRequest] = [
        changing(create, "volumeContentSource", #"{"snapshot":{"snapshotId":""}}"#, "snapshot.snapshotId"),
        changing(create, "volumeContentSource", #"{"volume":{}}"#, "volume.volumeId"),
        changing(create, "volumeContentSource", "{}", "neither"),
        changing(create, "volumeContentSource", #"{"snapshot":{},"volume":{}}"#, "exclude each other"),
        changing(create, "accessibilityRequirements", "[]", "expected an object"),
        changing(create, "accessibilityRequirements", #"{"requisite":[{"segments":[]}]}"#, "requisite[0].segments"),
        changing("Controller/ListVolumes", "maxEntries", "-1", "negative"),
        changing("Controller/ListVolumes", "maxEntries", "2147483648", "32 bits"),
        changing("Controller/ListVolumes", "maxEntries", #""ten""#, "64 bits"),
        changing("Controller/ListVolumes", "startingToken", "7", "expected a string"),
        changing("Controller/GetCapacity", "parameters", "7", "expected an object"),
        changing("Controller/GetCapacity", "volumeCapabilities", "[{}]", "[0]", "neither 'block' nor 'mount'"),
        changing("Node/NodePublishVolume", "readonly", #""true""#, "expected true or false, found a string"),
        changing("Node/NodePublishVolume", "readonly", "1", "expected true or false, found a number"),
        changing("Node/NodePublishVolume", "stagingTargetPath", nil, code: "failed_precondition", "stage the volume"),
        changing(
            "Node/NodePublishVolume",
            "stagingTargetPath",
            #""""#,
            code: "failed_precondition",
            "stage the volume"
        ),
        changing("Node/NodePublishVolume", "stagingTargetPath", "7", "expected a string"),
        changing("Node/NodeGetVolumeStats", "stagingTargetPath", #""a/b""#, "not an absolute path"),
        changing("Node/NodeExpandVolume", "stagingTargetPath", #""/a/../b""#, "'..'"),
    ]
}
