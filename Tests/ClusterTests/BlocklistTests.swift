import Blocking
import CephVolumes
import Curl
import Foundation
import ImageMapping
import ImageOwnership
import Logging
import NodeMapping
import Secrets
import TestSupport
import Testing

/// A service whose client the cluster has blocklisted: by an administrator, or by a node that considered it dead.
@Suite("A blocklisted service", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BlocklistTests {
    private struct Session: Decodable {
        struct Address: Decodable {
            var addr: String
            var nonce: Int
        }
        var entity_name: String
        var socket_addr: Address
    }

    /// Blocklists every client of a user, and returns their addresses.
    private func blocklist(
        _ faulty: FaultyCluster,
        _ user: String = "client.csi-rbd-provisioner"
    ) async throws -> [String] {
        let text = try await faulty.ceph("tell", "mon.x", "sessions")
        let sessions = try JSONDecoder().decode([Session].self, from: Data(text.utf8))
        let addresses = sessions.filter { $0.entity_name == user }
            .map { "\($0.socket_addr.addr)/\($0.socket_addr.nonce)" }
        for address in addresses { try await faulty.ceph("osd", "blocklist", "add", address, "3600") }
        try await waitUntilTold(faulty)
        return addresses
    }

    /// Waits until the OSD has the monitor's map: before that it refuses nobody.
    private func waitUntilTold(_ faulty: FaultyCluster) async throws {
        struct Map: Decodable { var epoch: Int }
        let map = try await faulty.ceph("osd", "dump", "--format", "json")
        let epoch = try JSONDecoder().decode(Map.self, from: Data(map.utf8)).epoch
        try await eventually("the OSD has the map") {
            let text = try await faulty.ceph("tell", "osd.0", "status")
            let status = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            // Ceph 20 writes it as text.
            let newest = try #require(status?["newest_map"].flatMap { Int("\($0)") }, "\(text)")
            return newest >= epoch
        }
    }

    private func withService(_ body: (FaultyCluster, NacreProcess) async throws -> Void) async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            try await body(faulty, nacre)
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test(
        "Every call works at the first try, on a new client, and the old one is counted and told of",
        arguments: ["create", "create with librbd", "create again", "expand", "list", "status", "delete"]
    )
    func recovers(_ call: String) async throws {
        try await withService { faulty, nacre in
            let uuid = UUID().uuidString.lowercased()
            let create = try nacre.createBody("pvc-\(uuid)", pool: "rbd")
            let handle = "\(try faulty.cluster.clusterID)/rbd//csi-vol-\(uuid)"
            #expect(try await nacre.ask("Controller/CreateVolume", create).isOK)
            let addresses = try await blocklist(faulty)
            #expect(!addresses.isEmpty)
            let secrets = try nacre.secrets()
            let (method, body): (String, String)
            switch call {
            case "create": (method, body) = ("CreateVolume", try nacre.createBody("pvc-\(UUID())", pool: "rbd"))
            case "create with librbd":
                (method, body) = (
                    "CreateVolume", try nacre.createBody("pvc-\(UUID())", pool: "rbd", parameters: NacreProcess.stripes)
                )
            case "create again": (method, body) = ("CreateVolume", create)
            case "expand":
                (method, body) = (
                    "ControllerExpandVolume",
                    #"{"volumeId":"\#(handle)","capacityRange":{"requiredBytes":"134217728"},"secrets":\#(secrets)}"#
                )
            case "list": (method, body) = ("ListVolumes", "{}")
            case "status": (method, body) = ("ControllerGetVolume", #"{"volumeId":"\#(handle)"}"#)
            default: (method, body) = ("DeleteVolume", #"{"volumeId":"\#(handle)","secrets":\#(secrets)}"#)
            }
            let answer = try await nacre.ask("Controller/\(method)", body)
            #expect(answer.isOK, "\(answer)")
            let metrics = String(decoding: try await nacre.get("/metrics").body, as: UTF8.self)
            #expect(metrics.contains("nacre_ceph_blocklistings_total 1"))
            #expect(nacre.log.contains("blocklisted") && addresses.contains { nacre.log.contains($0) })
            #expect(try await nacre.health().isOK)
        }
    }

    @Test("Whose every client is refused is told so, with its address and the command; afterwards it goes on")
    func refusedAddress() async throws {
        try await withService { faulty, nacre in
            let create = try nacre.createBody("pvc-\(UUID().uuidString.lowercased())", pool: "rbd")
            try await faulty.ceph("osd", "blocklist", "add", "127.0.0.1:0/0", "3600")
            try await waitUntilTold(faulty)
            let answer = try await nacre.ask("Controller/CreateVolume", create, timeout: .seconds(20))
            #expect(answer.code == "unavailable", "\(answer)")
            #expect(answer.message.contains("blocklisted") && answer.message.contains("127.0.0.1"), "\(answer)")
            try await faulty.ceph("osd", "blocklist", "rm", "127.0.0.1:0/0")
            try await eventually("it goes on") { try await nacre.ask("Controller/CreateVolume", create).isOK }
        }
    }

    @Test("A node whose client is blocklisted claims, locks and unlocks an image all the same")
    func ownership() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let credentials = try ServiceCredentials(directory: cluster.nodeSecret).read()
            try await cluster.execute("rbd", "create", "rbd/image", "--size", "16M")
            let state = "\(cluster.directory)/node"
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
            let owner = ImageOwnership(
                stateDirectory: state,
                nodeID: "n1",
                logger: Logger(label: "test") { _ in SilentLog() }
            )
            let configuration = ClusterConfiguration(path: cluster.configurationPath)
            let clusterID = try cluster.clusterID
            let request = MapRequest(
                image: ImageAddress(clusterID: clusterID, pool: "rbd", namespace: "", name: "image"),
                monitors: try configuration.cluster(clusterID).monitors,
                credentials: credentials,
                sharing: .oneNode
            )
            let pool = BlockingPool(threads: 1)
            let holder = { try await cluster.execute("sh", "-c", Self.holder) }
            try await pool.run { () throws(MappingError) in try owner.settle(request) }
            #expect(try await !blocklist(faulty, credentials.entityName).isEmpty)
            try await pool.run { () throws(MappingError) in try owner.settle(request) }
            #expect(try await !blocklist(faulty, credentials.entityName).isEmpty)
            try await pool.run { () throws(MappingError) in try owner.hold(request, address: "127.0.0.1:0/42") }
            #expect(try await holder().contains("nacre_holder"))
            #expect(try await !blocklist(faulty, credentials.entityName).isEmpty)
            await pool.run { owner.release(request.image) }
            #expect(try await !holder().contains("\"lockers\":[{"))
        }
    }

    /// The locks on the header of the only image.
    private static let holder = """
        header=$(rados -p rbd ls | grep rbd_header); rados -p rbd lock list $header; \
        rados -p rbd lock info $header nacre_holder || true
        """
}
