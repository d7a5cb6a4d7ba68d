import JSON
import Secrets
import Testing
import VolumeAPI

@Suite("Messages as ProtoJSON")
struct MessageTests {
    typealias Create = CSI.Controller.CreateVolume

    private static func read<M: Message>(_ type: M.Type, _ text: String) throws -> M {
        try M(json: JSONValue(parsing: Array(text.utf8)))
    }

    private static func text(_ message: some Message) -> String { String(decoding: message.json.bytes, as: UTF8.self) }

    private static let full =
        #"{"name":"pvc-1","capacityRange":{"requiredBytes":"9007199254740993","limitBytes":"9223372036854775807"},"#
        + #""volumeCapabilities":[{"block":{},"accessMode":{"mode":"MULTI_NODE_READER_ONLY"}},"#
        + #"{"mount":{"fsType":"xfs","mountFlags":["noatime","discard"]},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}],"#
        + #""parameters":{"clusterID":"c","pool":"p"},"secrets":{"userID":"u","userKey":"k"},"#
        + #""volumeContentSource":{"snapshot":{"snapshotId":"s"}},"#
        + #""accessibilityRequirements":{"requisite":[{"segments":{"zone":"a"}}],"preferred":[{"segments":{"zone":"b"}}]},"#
        + #""mutableParameters":{"iops":"1"}}"#

    @Test(
        "An error tells what a list lacks in Connect's own form, and it is read again",
        arguments: [1, 20, 127, 128, 300]
    )
    func lacking(length: Int) throws {
        let names = ["lab", "lab@" + String(repeating: "p", count: length)]
        let error = ConnectError(.unavailable, "pools do not answer", resources: names)
        #expect(ConnectError(httpStatus: 503, body: error.json.bytes) == error)
        let body = String(decoding: ConnectError(.unavailable, "x", resources: ["lab@rbd"]).json.bytes, as: UTF8.self)
        // As protoc --encode writes resource_name.
        let detail = #"{"type":"google.rpc.ResourceInfo","value":"EgdsYWJAcmJk"}"#
        #expect(body == #"{"code":"unavailable","message":"x","details":[\#(detail)]}"#)
        let other =
            #"{"code":"unavailable","message":"x","details":[{"type":"a.B","value":"EgdsYWJAcmJk"},{"value":1},\#(detail)]}"#
        #expect(ConnectError(httpStatus: 503, body: Array(other.utf8)).resources == ["lab@rbd"])
        for broken in ["Eg", "EgdsYWI", "Eg////8", "*", ""] {
            let body = #"{"code":"unavailable","details":[{"type":"google.rpc.ResourceInfo","value":"\#(broken)"}]}"#
            #expect(ConnectError(httpStatus: 503, body: Array(body.utf8)).resources.isEmpty)
        }
    }

    @Test("A request with every field comes out as it went in")
    func roundTrip() throws {
        let request = try Self.read(Create.Request.self, Self.full)
        #expect(Self.text(request) == Self.full)
        #expect(request.capacityRange?.requiredBytes == 9_007_199_254_740_993)
        #expect(request.volumeCapabilities[0].block != nil)
        #expect(request.volumeCapabilities[1].mount?.mountFlags == ["noatime", "discard"])
        #expect(request.volumeContentSource?.snapshot?.snapshotID == "s")
        #expect(request.accessibilityRequirements?.preferred.first?.segments == ["zone": "b"])
    }

    @Test("The proto's own names are understood, unknown names are passed over")
    func protoNames() throws {
        let text =
            #"{"name":"a","volume_capabilities":[{"mount":{"fs_type":"xfs","from_the_future":[1]},"access_mode":{"mode":1}}],"#
            + #""capacity_range":{"required_bytes":5},"fromTheFuture":{"x":[null]}}"#
        let request = try Self.read(Create.Request.self, text)
        #expect(request.volumeCapabilities.first?.mount?.fsType == "xfs")
        #expect(request.volumeCapabilities.first?.accessMode?.mode == .singleNodeWriter)
        #expect(request.capacityRange?.requiredBytes == 5)
    }

    @Test("Null stands for the default, and defaults are left out")
    func defaults() throws {
        let text =
            #"{"volumeId":"a","capacityRange":{"requiredBytes":null,"limitBytes":"0"},"secrets":null,"volumeCapability":null}"#
        let request = try Self.read(CSI.Controller.ControllerExpandVolume.Request.self, text)
        #expect(Self.text(request) == #"{"volumeId":"a","capacityRange":{}}"#)
        #expect(Self.text(CSI.Controller.ControllerExpandVolume.Response()) == "{}")
        var probe = CSI.Identity.Probe.Response()
        #expect(Self.text(probe) == "{}")
        probe.ready = false
        #expect(Self.text(probe) == #"{"ready":false}"#)
        #expect(try Self.read(CSI.Identity.Probe.Response.self, #"{"ready":null}"#).ready == nil)
    }

    @Test("A oneof with a null member beside the set one is fine")
    func oneofNull() throws {
        let capability = try Self.read(CSI.VolumeCapability.self, #"{"block":null,"mount":{},"accessMode":null}"#)
        #expect(capability.block == nil)
        #expect(capability.mount != nil)
    }

    @Test("64-bit integers are strings on the way out, wrappers are bare, 32-bit ones are numbers")
    func integers() throws {
        var capacity = CSI.Controller.GetCapacity.Response()
        capacity.availableCapacity = .max
        capacity.minimumVolumeSize = 0
        #expect(Self.text(capacity) == #"{"availableCapacity":"9223372036854775807","minimumVolumeSize":"0"}"#)
        #expect(try Self.read(CSI.Controller.GetCapacity.Response.self, Self.text(capacity)) == capacity)
        var list = CSI.Controller.ListVolumes.Request()
        list.maxEntries = 7
        #expect(Self.text(list) == #"{"maxEntries":7}"#)
        for text in [#"{"maxEntries":"7"}"#, #"{"maxEntries":7.0}"#, #"{"max_entries":70e-1}"#] {
            #expect(try Self.read(CSI.Controller.ListVolumes.Request.self, text) == list)
        }
    }

    @Test(
        "Every case of every enum is read by name and by number",
        arguments: Array(CSI.Mode.allCases.enumerated()).map { ($0.offset, $0.element) }
    )
    func enums(number: Int, mode: CSI.Mode) throws {
        #expect(try Self.read(CSI.AccessMode.self, #"{"mode":"\#(mode.rawValue)"}"#).mode == mode)
        #expect(try Self.read(CSI.AccessMode.self, #"{"mode":\#(number)}"#).mode == mode)
    }

    @Test("The enums have the spec's numbers")
    func enumNumbers() throws {
        typealias Controller = CSI.Controller.ControllerGetCapabilities
        #expect(try Self.read(CSI.AccessMode.self, #"{"mode":7}"#).mode == .singleNodeMultiWriter)
        #expect(try Self.read(Controller.RPC.self, #"{"type":9}"#).type == .expandVolume)
        #expect(try Self.read(Controller.RPC.self, #"{"type":15}"#).type == .getSnapshot)
        #expect(try Self.read(CSI.Node.NodeGetCapabilities.RPC.self, #"{"type":6}"#).type == .volumeMountGroup)
        #expect(try Self.read(CSI.Node.NodeGetVolumeStats.Usage.self, #"{"unit":2}"#).unit == .inodes)
    }

    @Test(
        "A member of the wrong type is named by its whole path",
        arguments: [
            (
                #"{"volumeCapabilities":[{},{"accessMode":{"mode":true}}]}"#,
                "volumeCapabilities[1].accessMode.mode: expected a name or a number, found a boolean"
            ),
            (
                #"{"volumeCapabilities":[{"mount":{"mountFlags":["a",null]}}]}"#,
                "volumeCapabilities[0].mount.mountFlags[1]: expected a string, found null"
            ),
            (
                #"{"capacityRange":{"requiredBytes":1.5}}"#,
                "capacityRange.requiredBytes: expected an integer of 64 bits, found a number that is none"
            ),
            (
                #"{"volumeCapabilities":[{}],"parameters":{"a":1}}"#,
                "parameters['a']: expected a string, found a number"
            ),
            (
                #"{"volumeCapabilities":[{"block":{},"mount":{}}]}"#,
                "volumeCapabilities[0]: 'block' and 'mount' exclude each other"
            ),
            (#"{"name":"a","volumeCapabilities":[]}"#, "volumeCapabilities: missing or empty, but required"),
        ]
    )
    func wrongTypes(text: String, message: String) throws {
        let text = text.replacing(#"{"#, with: #"{"name":"a","#, maxReplacements: text.hasPrefix(#"{"name"#) ? 0 : 1)
        let error = #expect(throws: FieldError.self) { try Self.read(Create.Request.self, text) }
        #expect(error?.description == message)
    }

    @Test("A request that is printed, reflected or dumped shows no secret")
    func hidesSecrets() throws {
        let request = try Self.read(Create.Request.self, Self.full.replacing(#""k""#, with: #""TOP-SECRET-KEY""#))
        #expect(request.secrets["userKey"] == Secret("TOP-SECRET-KEY"))
        var dumped = ""
        dump(request, to: &dumped)
        #expect(!dumped.contains("TOP-SECRET"))
        #expect(!"\(request)".contains("TOP-SECRET"))
        #expect(!String(reflecting: request).contains("TOP-SECRET"))
    }

    @Test("Calls go to the path of their service and name")
    func paths() {
        #expect(CSI.Controller.CreateVolume.path == "/csi.v1.Controller/CreateVolume")
        #expect(CSI.Identity.Probe.path == "/csi.v1.Identity/Probe")
        #expect(CSI.Node.NodeGetVolumeStats.path == "/csi.v1.Node/NodeGetVolumeStats")
    }

    @Test("Connect's errors are read back, and what is not Connect's is told by its status")
    func connectErrors() {
        for code in ConnectError.Code.allCases {
            let error = ConnectError(code, "why")
            #expect(ConnectError(httpStatus: code.httpStatus, body: error.json.bytes) == error)
        }
        for (status, code) in [
            (400, ConnectError.Code.internal), (404, .unimplemented), (502, .unavailable), (418, .unknown),
        ] {
            #expect(ConnectError(httpStatus: status, body: Array("<html>".utf8)).code == code)
        }
    }
}
