import Curl
import Foundation
import TestSupport
import Testing
import VolumeAPI
import Volumes

@Suite("Calls on snapshots")
struct SnapshotCallTests {
    private static let secrets = #"{"userID":"u","userKey":"AQDvQaxlAAAAABAAqYcB3ouGGR0dl2PFYOCzFQ=="}"#

    private func text(_ fixture: Fixture, _ method: String, _ body: String) async throws -> (status: Int, body: String)
    {
        let answer = try await fixture.post("/csi.v1.Controller/\(method)", body)
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    @Test("A snapshot is answered with all that CSI has, and with its name")
    func create() async throws {
        try await Fixture.with { fixture in
            let answer = try await text(
                fixture,
                "CreateSnapshot",
                #"{"name":"s","sourceVolumeId":"c1/rbd//v","secrets":\#(Self.secrets)}"#
            )
            #expect(
                answer.body
                    == #"{"snapshot":{"sizeBytes":"1073741824","snapshotId":"c1/rbd//1a2b@csi-snap-s","#
                    + #""sourceVolumeId":"c1/rbd//v","creationTime":"2025-11-24T16:00:00.500000Z","readyToUse":true,"#
                    + #""nacreName":"s"}}"#
            )
            #expect(fixture.controller.calls == ["createSnapshot s c1/rbd//v"])
        }
    }

    @Test(
        "What is missing is an invalid argument",
        arguments: [
            ("CreateSnapshot", #"{"sourceVolumeId":"c1/rbd//v","secrets":SECRETS}"#, "name"),
            ("CreateSnapshot", #"{"name":"s","secrets":SECRETS}"#, "sourceVolumeId"),
            ("CreateSnapshot", #"{"name":"s","sourceVolumeId":"c1/rbd//v"}"#, "userID"),
            ("DeleteSnapshot", "{}", "snapshotId"), ("GetSnapshot", "{}", "snapshotId"),
            ("ListSnapshots", #"{"maxEntries":-1}"#, "maxEntries"),
            ("CreateVolume", #"{"snapshot":{}}"#, "snapshotId"), ("CreateVolume", #"{"volume":{}}"#, "volumeId"),
            ("CreateVolume", "{}", "neither"),
            ("CreateVolume", #"{"volume":{"volumeId":"a"},"snapshot":{"snapshotId":"b"}}"#, "snapshot"),
        ]
    )
    func missing(method: String, body: String, word: String) async throws {
        try await Fixture.with { fixture in
            var body = body.replacing("SECRETS", with: Self.secrets)
            if method == "CreateVolume" {
                body =
                    #"{"name":"v","volumeCapabilities":[{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}],"#
                    + #""secrets":\#(Self.secrets),"volumeContentSource":\#(body)}"#
            }
            let answer = try await text(fixture, method, body)
            #expect(answer.status == 400 && answer.body.contains(word), "\(answer)")
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    @Test("A volume's source goes to the service and comes back", arguments: ["snapshot", "volume"])
    func source(kind: String) async throws {
        try await Fixture.with { fixture in
            let source = #"{"\#(kind)":{"\#(kind)Id":"c1/rbd//1a2b@csi-snap-s"}}"#
            let answer = try await text(
                fixture,
                "CreateVolume",
                #"{"name":"v","volumeCapabilities":[{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}],"#
                    + #""secrets":\#(Self.secrets),"volumeContentSource":\#(source)}"#
            )
            #expect(answer.status == 200 && answer.body.contains(#""contentSource":\#(source)"#), "\(answer)")
        }
    }

    @Test("A list is by page, by volume, or of one snapshot; of an unknown one it is empty")
    func list() async throws {
        try await Fixture.with { fixture in
            let all = try await text(fixture, "ListSnapshots", #"{"maxEntries":2,"startingToken":"t"}"#)
            #expect(all.body.contains(#""nextToken":"more""#) && all.body.contains("csi-snap-a"), "\(all)")
            _ = try await text(fixture, "ListSnapshots", #"{"sourceVolumeId":"c1/rbd//v"}"#)
            #expect(fixture.controller.calls == ["snapshots  2 t", "snapshots c1/rbd//v 0 "])
            let one = try await text(fixture, "ListSnapshots", #"{"snapshotId":"c1/rbd//1a2b@csi-snap-q"}"#)
            #expect(one.body.contains("csi-snap-q") && !one.body.contains("nextToken"), "\(one)")
            for body in [
                #"{"snapshotId":"nonsense"}"#,
                #"{"snapshotId":"c1/rbd//1a2b@csi-snap-q","sourceVolumeId":"c1/rbd//other"}"#,
            ] {
                let none = try await text(fixture, "ListSnapshots", body)
                #expect(none.status == 200 && none.body == "{}", "\(none)")
            }
        }
    }

    @Test("One snapshot is found or not, and a removal needs no secrets")
    func one() async throws {
        try await Fixture.with { fixture in
            let found = try await text(fixture, "GetSnapshot", #"{"snapshotId":"c1/rbd//1a2b@csi-snap-q"}"#)
            #expect(found.status == 200 && found.body.contains("csi-snap-q"), "\(found)")
            let missing = try await text(fixture, "GetSnapshot", #"{"snapshotId":"nonsense"}"#)
            #expect(missing.status == 404, "\(missing)")
            let removed = try await text(fixture, "DeleteSnapshot", #"{"snapshotId":"nonsense"}"#)
            #expect(removed.status == 200 && removed.body == "{}", "\(removed)")
        }
    }

    @Test("Snapshots and clones are announced")
    func announced() async throws {
        try await Fixture.with { fixture in
            let answer = try await text(fixture, "ControllerGetCapabilities", "{}")
            for type in ["CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS", "CLONE_VOLUME", "GET_SNAPSHOT"] {
                #expect(answer.body.contains(#""\#(type)""#), "\(answer)")
            }
        }
    }
}
