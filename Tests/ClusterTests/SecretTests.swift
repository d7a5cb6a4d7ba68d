import Curl
import Foundation
import Secrets
import TestSupport
import Testing

/// A full run of valid and invalid calls with a unique key; then everything that the service left is searched for it.
@Suite("Secrets", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct SecretTests {
    static let wrongKey = "AQBnbmFjcmVXUk9OR0tFWW5hY3JlV1JPTkdLRVk9PQ=="

    @Test("No key is in any log, answer, metric, process list or file")
    func keepsSecrets() async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start(["--log-level", "trace"])
        let right = try cluster.provisioner.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        let secrets = try nacre.secrets()
        let uuid = UUID().uuidString.lowercased()
        let create = try nacre.createBody("pvc-\(uuid)", pool: "rbd")
        let handle = "\(try cluster.clusterID)/rbd//csi-vol-\(uuid)"
        let wrong = secrets.replacing(right, with: Self.wrongKey)
        let expand = #"{"volumeId":"\#(handle)","capacityRange":{"requiredBytes":"268435456"},"secrets":\#(secrets)}"#
        let delete = #"{"volumeId":"\#(handle)","secrets":\#(secrets)}"#
        let mount = #""volumeCapabilities":[{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}]"#
        var calls: [(method: String, body: String)] = [
            ("Controller/CreateVolume", create),
            ("Controller/CreateVolume", create),
            ("Controller/CreateVolume", create.replacing("67108864", with: "167108864")),
            ("Controller/ControllerExpandVolume", expand),
            ("Controller/ListVolumes", "{}"),
            ("Controller/ControllerGetVolume", #"{"volumeId":"\#(handle)"}"#),
            ("Controller/ValidateVolumeCapabilities", #"{"volumeId":"\#(handle)",\#(mount),"secrets":\#(secrets)}"#),
            ("Controller/CreateVolume", create.replacing(secrets, with: wrong)),
            ("Controller/DeleteVolume", delete.replacing(secrets, with: wrong)),
            ("Controller/DeleteVolume", delete),
            ("Controller/DeleteVolume", delete),
            // In unusual places, where a message might repeat unknown input.
            ("Controller/CreateVolume", create.replacing(secrets, with: #"{"\#(right)":"userKey"}"#)),
            ("Controller/CreateVolume", create.replacing(secrets, with: #"{"userID":"\#(right)","userKey":"x"}"#)),
            ("Controller/CreateVolume", create.replacing(secrets, with: #"{"userKey":["\#(right)"]}"#)),
            ("Controller/CreateVolume", create.replacing(secrets, with: "\"\(right)\"")),
            ("Controller/CreateVolume", create.replacing(secrets, with: #"{"userID":"a","userKey":"\#(right)"#)),
            ("Controller/CreateVolume", create.replacing(secrets, with: secrets.replacing(right, with: right + "\\n"))),
            ("Controller/NoSuchCall", create),
            ("Node/NodeStageVolume", #"{"volumeId":"\#(handle)","secrets":\#(secrets)}"#),
            ("Controller/CreateSnapshot", #"{"sourceVolumeId":"\#(handle)","name":"s","secrets":\#(secrets)}"#),
        ]
        for index in stride(from: 10, to: create.utf8.count, by: 40) {
            calls.append(("Controller/CreateVolume", String(create.prefix(index))))
        }
        var seen: [(place: String, text: String)] = []
        for call in calls {
            let limit = Duration.seconds(call.method == "Controller/CreateVolume" ? 60 : 3)
            let answer = try await nacre.ask(call.method, call.body, timeout: limit)
            seen.append(("the answer of \(call.method)", answer.body))
        }
        #expect(seen[0].text.contains(handle), "\(seen[0].text)")
        seen.append(("/metrics", String(decoding: try await nacre.get("/metrics").body, as: UTF8.self)))
        seen.append(("/healthz", try await nacre.health().body))
        for name in ["cmdline", "environ", "comm", "mountinfo"] {
            seen.append(
                ("/proc/PID/\(name)", String(decoding: contents("/proc/\(process.pid)/\(name)"), as: UTF8.self))
            )
        }
        #expect(try await process.stop() == .exited(0))
        #expect(nacre.log.utf8.count > 1000, "the search must have something to search")
        for path in try FileManager.default.subpathsOfDirectory(atPath: nacre.directory) {
            seen.append((path, String(decoding: contents("\(nacre.directory)/\(path)"), as: UTF8.self)))
        }
        let needles = [right, Self.wrongKey, Data(right.utf8).base64EncodedString(), String(right.dropLast(8))]
        for (place, text) in seen {
            for needle in needles { #expect(!text.contains(needle), "a key is in \(place)") }
        }
    }

    private func contents(_ path: String) -> Data {
        FileManager.default.contents(atPath: path) ?? Data()
    }
}
