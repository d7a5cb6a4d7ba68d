import Blocking
import Curl
import Secrets
import Synchronization
import TestSupport
import Testing
import VolumeAPI
import VolumeClient
import VolumeServer
import Volumes

@Suite("Calls")
struct CallTests {
    static let secrets = ["userID": Secret("nacre"), "userKey": Secret("TOP-SECRET-KEY")]

    static var capability: CSI.VolumeCapability {
        var capability = CSI.VolumeCapability()
        capability.mount = CSI.MountVolume()
        capability.accessMode = CSI.AccessMode()
        capability.accessMode?.mode = .singleNodeWriter
        return capability
    }

    static func creation(_ name: String) -> CSI.Controller.CreateVolume.Request {
        var request = CSI.Controller.CreateVolume.Request()
        request.name = name
        request.capacityRange = CSI.CapacityRange()
        request.capacityRange?.requiredBytes = 1 << 30
        request.volumeCapabilities = [capability]
        request.parameters = ["pool": "replicapool"]
        request.secrets = secrets
        return request
    }

    @Test("The driver says who it is and what it offers")
    func identity() async throws {
        try await Fixture.with { fixture in
            let info = try await fixture.post("/csi.v1.Identity/GetPluginInfo", "{}")
            #expect(String(decoding: info.body, as: UTF8.self) == #"{"name":"rbd.nacre.io","vendorVersion":"1.2.3"}"#)
            let capabilities = try await fixture.post("/csi.v1.Identity/GetPluginCapabilities", "{}")
            #expect(
                String(decoding: capabilities.body, as: UTF8.self)
                    == #"{"capabilities":[{"service":{"type":"CONTROLLER_SERVICE"}},{"volumeExpansion":{"type":"ONLINE"}}]}"#
            )
            let controller = try await fixture.client.call(
                CSI.Controller.ControllerGetCapabilities.self,
                EmptyMessage()
            )
            #expect(
                controller.capabilities.map(\.rpc?.type)
                    == [
                        .createDeleteVolume, .listVolumes, .getCapacity, .createDeleteSnapshot, .listSnapshots,
                        .cloneVolume, .expandVolume, .volumeCondition, .getVolume, .singleNodeMultiWriter, .getSnapshot,
                    ]
            )
            let node = try await fixture.client.call(CSI.Node.NodeGetCapabilities.self, EmptyMessage())
            #expect(
                node.capabilities.map(\.rpc?.type)
                    == [.stageUnstageVolume, .getVolumeStats, .expandVolume, .volumeCondition, .singleNodeMultiWriter]
            )
            let nodeInfo = try await fixture.client.call(CSI.Node.NodeGetInfo.self, EmptyMessage())
            #expect(nodeInfo.nodeID == "node-a")
        }
    }

    @Test(
        "Probe tells ready from starting from misconfigured",
        arguments: [
            (Readiness.ready, #"{"ready":true}"#, 200), (.starting, #"{"ready":false}"#, 200),
            (.misconfigured("no cluster 'c1'"), #"{"code":"failed_precondition","message":"no cluster 'c1'"}"#, 400),
        ]
    )
    func probe(readiness: Readiness, body: String, status: Int) async throws {
        try await Fixture.with(readiness: { readiness }) { fixture in
            let answer = try await fixture.post("/csi.v1.Identity/Probe", "{}")
            #expect(answer.status == status)
            #expect(String(decoding: answer.body, as: UTF8.self) == body)
        }
    }

    @Test("A volume is made, found again, listed, grown, looked at and deleted")
    func controller() async throws {
        try await Fixture.with { fixture in
            let client = fixture.client
            let first = try await client.call(CSI.Controller.CreateVolume.self, Self.creation("a"))
            let again = try await client.call(CSI.Controller.CreateVolume.self, Self.creation("a"))
            #expect(first == again)
            #expect(first.volume?.volumeID == "c1/replicapool//csi-vol-a")
            #expect(first.volume?.capacityBytes == 1 << 30)
            #expect(first.volume?.volumeContext == ["pool": "replicapool"])

            var list = CSI.Controller.ListVolumes.Request()
            list.maxEntries = 7
            list.startingToken = "t"
            let page = try await client.call(CSI.Controller.ListVolumes.self, list)
            #expect(page.entries.map(\.volume) == [first.volume])
            #expect(page.nextToken == "more")

            var expansion = CSI.Controller.ControllerExpandVolume.Request()
            expansion.volumeID = "c1/replicapool//csi-vol-a"
            expansion.capacityRange = CSI.CapacityRange()
            expansion.capacityRange?.requiredBytes = 2 << 30
            expansion.secrets = Self.secrets
            let grown = try await client.call(CSI.Controller.ControllerExpandVolume.self, expansion)
            #expect(grown.capacityBytes == 2 << 30)
            #expect(grown.nodeExpansionRequired)

            var query = CSI.Controller.ControllerGetVolume.Request()
            query.volumeID = "c1/replicapool//csi-vol-a"
            let status = try await client.call(CSI.Controller.ControllerGetVolume.self, query)
            #expect(status.status?.volumeCondition?.abnormal == true)

            let room = try await client.call(CSI.Controller.GetCapacity.self, .init())
            #expect(room.availableCapacity == 5 << 30)
            #expect(room.minimumVolumeSize == 1 << 20)

            var validation = CSI.Controller.ValidateVolumeCapabilities.Request()
            validation.volumeID = "c1/replicapool//csi-vol-a"
            validation.volumeCapabilities = [Self.capability]
            let verdict = try await client.call(CSI.Controller.ValidateVolumeCapabilities.self, validation)
            #expect(verdict.confirmed?.volumeCapabilities == [Self.capability])

            // An invalid handle goes to the service unchanged: no such volume, so the delete succeeds.
            var deletion = CSI.Controller.DeleteVolume.Request()
            deletion.volumeID = "../no handle\u{0}"
            deletion.secrets = Self.secrets
            _ = try await client.call(CSI.Controller.DeleteVolume.self, deletion)
            #expect(
                fixture.controller.calls == [
                    "createVolume a client.nacre", "createVolume a client.nacre", "listVolumes 7 t",
                    "expandVolume c1/replicapool//csi-vol-a", "status c1/replicapool//csi-vol-a", "capacity",
                    "validateCapabilities c1/replicapool//csi-vol-a", "deleteVolume ../no handle\u{0}",
                ]
            )
        }
    }

    @Test(
        "Every good request of the table is taken",
        arguments: [
            "Controller/CreateVolume", "Controller/DeleteVolume", "Controller/ControllerExpandVolume",
            "Controller/ValidateVolumeCapabilities", "Controller/ControllerGetVolume", "Controller/ListVolumes",
            "Controller/GetCapacity", "Node/NodeStageVolume", "Node/NodeUnstageVolume", "Node/NodePublishVolume",
            "Node/NodeUnpublishVolume", "Node/NodeExpandVolume", "Node/NodeGetVolumeStats",
        ]
    )
    func good(method: String) async throws {
        try await Fixture.with { fixture in
            let answer = try await fixture.post("/csi.v1.\(method)", BadRequest.body(method))
            #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
            #expect(fixture.controller.calls.count + fixture.node.calls.count == 1)
        }
    }

    @Test("A volume's stats come in bytes and inodes")
    func stats() async throws {
        try await Fixture.with { fixture in
            let body = BadRequest.body("Node/NodeGetVolumeStats")
            let answer = try await fixture.post("/csi.v1.Node/NodeGetVolumeStats", body)
            #expect(
                String(decoding: answer.body, as: UTF8.self)
                    == #"{"usage":[{"available":"1","total":"3","used":"2","unit":"BYTES"},"#
                    + #"{"available":"4","total":"9","used":"5","unit":"INODES"}],"volumeCondition":{"message":"mounted"}}"#
            )
        }
    }

    @Test(
        "Calls that are not offered say so",
        arguments: [
            "Controller/ControllerPublishVolume", "Controller/ControllerUnpublishVolume",
            "Controller/ControllerModifyVolume",
        ]
    )
    func unimplemented(method: String) async throws {
        try await Fixture.with { fixture in
            let answer = try await fixture.post("/csi.v1.\(method)", "{}")
            #expect(answer.status == 501)
            let error = ConnectError(httpStatus: answer.status, body: answer.body)
            #expect(error.code == .unimplemented)
            #expect(error.message.contains("is not offered"))
        }
    }

    @Test("Each of the service's errors arrives with its code and its words", arguments: VolumeError.Code.allCases)
    func errors(code: VolumeError.Code) async throws {
        try await Fixture.with { fixture in
            fixture.controller.state.withLock { $0.failure = VolumeError(code, "cannot do it: ENOSPC") }
            let error = await #expect(throws: ConnectError.self) {
                try await fixture.client.call(CSI.Controller.CreateVolume.self, Self.creation("a"))
            }
            #expect(error?.message == "cannot do it: ENOSPC")
            #expect(error?.code.rawValue.replacing("_", with: "") == code.rawValue.lowercased())
        }
    }

    @Test("A service that outstays its deadline is not waited for")
    func deadline() async throws {
        try await Fixture.with { fixture in
            fixture.controller.state.withLock { $0.delay = .seconds(25) }
            let started = ContinuousClock.now
            let error = await #expect(throws: ConnectError.self) {
                try await fixture.client.call(
                    CSI.Controller.CreateVolume.self,
                    Self.creation("a"),
                    timeout: .milliseconds(100)
                )
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(.now - started < .seconds(20))
        }
    }

    @Test("Without a server the client says that it cannot be reached")
    func unreachable() async throws {
        let client = VolumeClient(socketPath: "/nonexistent/csi.sock", pool: .init(threads: 1))
        let error = await #expect(throws: ConnectError.self) {
            try await client.call(CSI.Identity.Probe.self, EmptyMessage())
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("/nonexistent/csi.sock") == true)
    }
}
