import Synchronization
import TestSupport

/// Requests as csi-sanity sends them, valid except for the change of a test.
final class SanityDriver: Sendable {
    static let size: Int64 = 64 << 20
    static let capabilities = #"[{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}]"#

    let nacre: NacreProcess
    /// The created volumes, which are deleted at the end.
    let made = Mutex<[String]>([])
    /// Unique, so that tests do not interfere.
    let prefix = "sanity-\(UInt32.random(in: 0...UInt32.max))"
    private let cluster: MicroCluster

    init(nacre: NacreProcess, cluster: MicroCluster) {
        self.nacre = nacre
        self.cluster = cluster
    }

    func parameters() throws -> String {
        #"{"clusterID":"\#(try cluster.clusterID)","pool":"replicapool"}"#
    }

    func name(_ suffix: String, length: Int) -> String {
        String((prefix + String(repeating: suffix, count: length)).prefix(length))
    }

    func call(_ method: String, _ body: String) async throws -> Answer {
        try await nacre.ask(method, body)
    }

    /// CreateVolume with one member changed, added, or, if `value` is `nil`, left out.
    func create(_ name: String?, changing part: String = "", to value: String? = nil) async throws -> Answer {
        var members = [
            ("name", "\"\(prefix)-\(name ?? "")\""), ("capacityRange", #"{"requiredBytes":"\#(Self.size)"}"#),
            ("volumeCapabilities", Self.capabilities), ("parameters", try parameters()),
            ("secrets", try nacre.secrets()),
        ]
        if !part.isEmpty {
            members.removeAll { $0.0 == part }
            if let value { members.append((part, value)) }
        }
        let body = "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
        let answer = try await call("Controller/CreateVolume", body)
        if answer.isOK { made.withLock { $0.append(answer.text("volume", "volumeId")) } }
        return answer
    }

    func delete(_ id: String) async throws -> Answer {
        try await call("Controller/DeleteVolume", #"{"volumeId":"\#(id)","secrets":\#(try nacre.secrets())}"#)
    }

    func expand(_ id: String?, _ range: String?) async throws -> Answer {
        var members = [#""secrets":\#(try nacre.secrets())"#]
        if let id { members.append(#""volumeId":"\#(id)""#) }
        if let range { members.append(#""capacityRange":\#(range)"#) }
        return try await call("Controller/ControllerExpandVolume", "{\(members.joined(separator: ","))}")
    }
}
