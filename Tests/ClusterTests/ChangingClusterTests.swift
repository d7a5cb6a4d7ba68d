import Foundation
import TestSupport
import Testing

/// Pools, keys and addresses that change under a running service.
@Suite("A cluster that changes", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ChangingClusterTests {
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    private func withService(_ body: (FaultyCluster, NacreProcess) async throws -> Void) async throws {
        try await FaultyCluster.with { faulty in
            let configuration = try faulty.ownConfiguration()
            let nacre = try NacreProcess(faulty.cluster, configurationPath: configuration)
            let process = try await nacre.start(["--ceph-option", "client_mount_timeout=10"])
            try await body(faulty, nacre)
            #expect(try await process.stop() == .exited(0))
        }
    }

    private func create(
        _ nacre: NacreProcess,
        uuid other: String? = nil,
        pool: String = "rbd",
        key: String? = nil
    ) async throws -> Answer {
        var body = try nacre.createBody("pvc-\(other ?? uuid)", pool: pool)
        if let key { body.replace(try nacre.secrets(), with: #"{"userID":"csi-rbd-provisioner","userKey":"\#(key)"}"#) }
        return try await nacre.ask("Controller/CreateVolume", body, timeout: .seconds(40))
    }

    @Test("A pool that is made while the service runs is found, one that is removed is named")
    func pools() async throws {
        try await withService { faulty, nacre in
            let before = try await create(nacre, pool: "late")
            #expect(before.code == "invalid_argument" && before.message.contains("pool 'late'"), "\(before)")
            try await faulty.ceph("osd", "pool", "create", "late", "8")
            try await faulty.ceph("osd", "pool", "application", "enable", "late", "rbd")
            try await eventually("the pool is found") { try await create(nacre, pool: "late").isOK }
            let census = try PoolCensus(faulty.cluster, pool: "late")
            #expect(try await census.images() == [image])
            try await faulty.ceph("config", "set", "mon", "mon_allow_pool_delete", "true")
            try await faulty.ceph("osd", "pool", "rm", "late", "late", "--yes-i-really-really-mean-it")
            // An open pool is reused for a second, and the OSD may not have the new map yet.
            try await eventually("the pool that is gone is named") {
                let after = try await create(nacre, pool: "late")
                #expect(after.time < .seconds(30), "\(after)")
                return after.code == "invalid_argument" && after.message.contains("pool 'late'")
            }
            let handle = "\(try faulty.cluster.clusterID)/late//\(image)"
            let delete = try await nacre.ask(
                "Controller/DeleteVolume",
                #"{"volumeId":"\#(handle)","secrets":\#(try nacre.secrets())}"#
            )
            #expect(!delete.isOK && delete.message.contains("pool 'late'"), "\(delete)")
            #expect(try await create(nacre).isOK)
        }
    }

    @Test("A pool whose quota is used up is said to be full in time; with a larger quota the retry succeeds")
    func quota() async throws {
        try await withService { faulty, nacre in
            try await faulty.ceph("osd", "pool", "set-quota", "rbd", "max_objects", "1")
            try await eventually("the pool is full") {
                try await faulty.ceph("osd", "pool", "ls", "detail").contains("full_quota")
            }
            var uuids = [uuid]
            // The OSD gets the new map later than the monitor reports it, and accepts creates until then.
            try await eventually("it is said to be full") {
                let answer = try await create(nacre, uuid: uuids.last)
                #expect(answer.time < .seconds(30), "\(answer)")
                if answer.isOK {
                    uuids.append(UUID().uuidString.lowercased())
                    return false
                }
                #expect(answer.code == "resource_exhausted" && answer.message.contains("quota"), "\(answer)")
                return true
            }
            try await faulty.ceph("osd", "pool", "set-quota", "rbd", "max_objects", "0")
            try await eventually("the retry succeeds") {
                try await create(nacre, uuid: uuids.last).isOK
            }
            let census = try PoolCensus(faulty.cluster, pool: "rbd")
            let images = uuids.map { "csi-vol-\($0)" }
            #expect(try await Set(census.images()) == Set(images))
            for image in images { #expect(try await census.isWhole(image)) }
        }
    }

    @Test("A revoked key is refused by name, and a new key works at once, without a restart")
    func keys() async throws {
        try await withService { faulty, nacre in
            #expect(try await create(nacre).isOK)
            let caps = ["mon", "profile rbd", "mgr", "profile rbd", "osd", "profile rbd"]
            let user = "client.csi-rbd-provisioner"
            try await faulty.cluster.execute("ceph", "auth", "rm", user)
            let fresh = try NacreProcess(faulty.cluster, configurationPath: faulty.ownConfiguration())
            let process = try await fresh.start(["--ceph-option", "client_mount_timeout=10"])
            let answer = try await create(fresh)
            #expect(answer.code == "unauthenticated" && answer.message.contains(user), "\(answer)")
            #expect(answer.message.contains("Secret") && answer.time < .seconds(30), "\(answer)")
            try await eventually("health says so") {
                let ill = try await fresh.health()
                return ill.status == 503 && ill.body.contains("refuse")
            }
            try await process.stop()
            try await faulty.cluster.execute(
                "ceph",
                "auth",
                "add",
                user,
                caps[0],
                caps[1],
                caps[2],
                caps[3],
                caps[4],
                caps[5]
            )
            let key = try await faulty.ceph("auth", "print-key", user)
            let old = try nacre.secrets()
            #expect(!old.contains(key))
            let renewed = try await create(nacre, key: key)
            #expect(renewed.isOK, "\(renewed)")
            // The service's own Secret is updated too, as a mounted Secret is.
            try key.write(toFile: "\(faulty.cluster.provisionerSecret)/userKey", atomically: true, encoding: .utf8)
            try await eventually("/healthz is well") { try await nacre.health().isOK }
            #expect(try await create(nacre).isOK)
        }
    }

    @Test("Monitors put right in config.json are used without a restart, wrong ones are named")
    func monitors() async throws {
        try await withService { faulty, nacre in
            let right = try faulty.configurationText()
            let wrong = right.replacing(/127\.0\.0\.1:[0-9]+/, with: "127.0.0.1:1")
            try faulty.write(wrong)
            let answer = try await create(nacre)
            #expect(answer.code == "unavailable" && answer.message.contains("127.0.0.1:1"), "\(answer)")
            #expect(answer.time < .seconds(30), "\(answer)")
            try await eventually("health names it") {
                let health = try await nacre.health()
                return health.status == 503 && health.body.contains("monitors")
            }
            try faulty.write(right)
            try await eventually("the right ones are used") { try await create(nacre).isOK }
            try await eventually("/healthz is well") { try await nacre.health().isOK }
            try faulty.write("{ not JSON")
            #expect(try await create(nacre).isOK, "the last good content stays in use")
            let health = try await nacre.health()
            #expect(health.status == 503 && health.body.contains("config.json"), "\(health)")
            try faulty.write(right)
            try await eventually("/healthz is well again") { try await nacre.health().isOK }
        }
    }
}
