import CephVolumes
import Foundation
import Secrets
import TestSupport
import Testing
import Volumes

/// Users with the least caps of each documented set-up, and with less: what works for each, beside what `rbd` can do as the
/// same user, and what is said of the rest.
@Suite("The least caps", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct CapsTests {
    /// A user, where it works, and what is said to it.
    struct User: Sendable, CustomTestStringConvertible {
        let name: String
        let caps: String
        var namespace = ""
        var dataPool: String?
        /// Calls that work.
        var works: Set<String> = Self.all
        /// Words of each refusal.
        var words: [String] = []
        var code = VolumeError.Code.permissionDenied

        static let all: Set<String> = ["create", "create again", "expand", "list", "capacity", "status", "delete"]
        static let reads: Set<String> = ["list", "capacity"]

        var testDescription: String { name }
    }

    static let users = [
        User(name: "pool", caps: "mon 'profile rbd' mgr 'profile rbd pool=rbd' osd 'profile rbd pool=rbd'"),
        User(name: "nomgr", caps: "mon 'profile rbd' osd 'profile rbd pool=rbd'"),
        User(name: "monr", caps: "mon 'allow r' osd 'profile rbd pool=rbd'"),
        User(
            name: "namespace",
            caps: "mon 'profile rbd' mgr 'profile rbd pool=rbd namespace=one' osd 'profile rbd pool=rbd namespace=one'",
            namespace: "one"
        ),
        User(
            name: "namespacenomgr",
            caps: "mon 'profile rbd' osd 'profile rbd pool=rbd namespace=one'",
            namespace: "one"
        ),
        User(
            name: "data",
            caps: "mon 'profile rbd' osd 'profile rbd pool=rbd, profile rbd pool=replicapool'",
            dataPool: "replicapool"
        ),
        User(
            name: "nodata",
            caps: "mon 'profile rbd' osd 'profile rbd pool=rbd'",
            dataPool: "replicapool",
            works: User.reads,
            words: ["client.nodata", "profile rbd pool=replicapool"]
        ),
        User(
            name: "datareader",
            caps: "mon 'profile rbd' osd 'profile rbd pool=rbd, profile rbd-read-only pool=replicapool'",
            dataPool: "replicapool",
            works: User.reads,
            words: ["client.datareader", "profile rbd pool=replicapool"]
        ),
        User(
            name: "reader",
            caps: "mon 'profile rbd-read-only' osd 'profile rbd-read-only pool=rbd'",
            works: User.reads,
            words: ["client.reader", "profile rbd pool=rbd"]
        ),
        User(
            name: "other",
            caps: "mon 'profile rbd' osd 'profile rbd pool=rbd namespace=one'",
            namespace: "two",
            works: User.reads,
            words: ["client.other", "pool=rbd namespace=two"]
        ),
        User(
            name: "noosd",
            caps: "mon 'profile rbd'",
            works: User.reads,
            words: ["client.noosd", "osd 'profile rbd pool=rbd'"]
        ),
        User(
            name: "nomon",
            caps: "osd 'profile rbd pool=rbd'",
            works: [],
            words: ["client.nomon", "mon 'profile rbd'"],
            code: .unauthenticated
        ),
    ]

    @Test("What rbd can do as a user, the service can; what it cannot is refused with the caps that lack")
    func matrix() async throws {
        try await FaultyCluster.with { faulty in
            for name in ["one", "two"] {
                try await faulty.cluster.execute("rbd", "namespace", "create", "rbd/\(name)")
            }
            let isAnswered = try !Self.leavesUnanswered(faulty)
            for user in Self.users where user.name != "noosd" || isAnswered { try await check(user, faulty) }
        }
    }

    /// OSDs later than Ceph 16's do not answer a user without any caps for them: there, rbd waits for ever.
    private static func leavesUnanswered(_ faulty: FaultyCluster) throws -> Bool {
        try PoolCensus(faulty.cluster, pool: "rbd").requiredOSDRelease.map { $0 > 16 } ?? false
    }

    @Test("A user whom no OSD answers is told of the caps that it may lack")
    func unanswered() async throws {
        try await FaultyCluster.with { faulty in
            guard try Self.leavesUnanswered(faulty) else {
                try Test.cancel("needs OSDs of Ceph 18 or later, which do not speak with a user without caps for them")
            }
            let user = try #require(Self.users.first { $0.name == "noosd" })
            let directory = "\(faulty.cluster.directory)/\(user.name)"
            let credentials = try await make(user, in: directory, faulty)
            let lab = faulty.cluster.lab(
                configurationPath: "\(directory)/config.json",
                secretDirectory: directory,
                options: ["rados_osd_op_timeout": "8"]
            )
            let bench = VolumeBehaviour.Bench(
                service: lab.service,
                parameters: ["clusterID": try faulty.cluster.clusterID, "pool": "rbd"],
                credentials: credentials,
                prefix: "pvc"
            )
            let error = await #expect(throws: VolumeError.self) {
                try await bench.create(bench.request(UUID().uuidString.lowercased()))
            }
            #expect(error?.code == .unavailable)
            for word in user.words { #expect(error?.message.contains(word) == true, "\(String(describing: error))") }
        }
    }

    private func check(_ user: User, _ faulty: FaultyCluster) async throws {
        let directory = "\(faulty.cluster.directory)/\(user.name)"
        let credentials = try await make(user, in: directory, faulty)
        let lab = faulty.cluster.lab(configurationPath: "\(directory)/config.json", secretDirectory: directory)
        var parameters = ["clusterID": try faulty.cluster.clusterID, "pool": "rbd"]
        parameters["dataPool"] = user.dataPool
        let name = "pvc-\(UUID().uuidString.lowercased())"
        let volume = try VolumeID(
            clusterID: try faulty.cluster.clusterID,
            pool: "rbd",
            namespace: user.namespace,
            image: name.replacing("pvc-", with: "csi-vol-")
        )
        let request = try CreateVolumeRequest(
            name: name,
            range: CapacityRange(requiredBytes: 1 << 24, limitBytes: 0),
            capabilities: [VolumeCapability(.block, mode: .singleNodeWriter)],
            parameters: parameters,
            credentials: credentials
        )
        let service = lab.service
        let isOracleGood = await rbd(
            user,
            "create --size 16M \(user.dataPool.map { "--data-pool \($0)" } ?? "")",
            faulty
        )
        // rbd makes an image whose data its user cannot take away again.
        #expect(isOracleGood == user.works.contains("create") || user.dataPool != nil, "\(user.name)")
        // Counted from here: rbd may have waited for longer than that.
        let limit = ContinuousClock.now + .seconds(90)
        await expect(user, "create") { _ = try await service.createVolume(request, deadline: limit) }
        await expect(user, "create again") { _ = try await service.createVolume(request, deadline: limit) }
        await expect(user, "expand") {
            let range = try CapacityRange(requiredBytes: 1 << 25, limitBytes: 0)
            _ = try await service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: volume.description,
                    range: range,
                    capability: nil,
                    credentials: credentials
                ),
                deadline: limit
            )
        }
        await expect(user, "list") {
            _ = try await service.listVolumes(maxEntries: 0, startingToken: "", deadline: limit)
        }
        await expect(user, "capacity") {
            _ = try await service.capacity(parameters: parameters, capabilities: [], credentials: nil, deadline: limit)
        }
        await expect(user, "status") { _ = try await service.status(of: volume.description, deadline: limit) }
        await expect(user, "delete") {
            try await service.deleteVolume(volume.description, credentials: credentials, deadline: limit)
        }
        guard user.works.contains("delete") else { return }
        try await eventually("the trash of \(user.name) is empty") {
            let status = lab.purger.status
            return status.removed == 1 && status.waiting + status.running.count + status.blocked.count == 0
        }
    }

    /// Whether a call works for the user, and else is refused in its words.
    private func expect(_ user: User, _ call: String, _ body: () async throws -> Void) async {
        do {
            try await body()
            // An image that could not be made is neither there to be grown nor to be deleted.
            #expect(user.works.contains(call) || call == "delete", "\(call) as \(user.name)")
        } catch let error as VolumeError {
            #expect(!user.works.contains(call), "\(call) as \(user.name): \(error)")
            guard error.code != .notFound else { return }
            #expect(error.code == user.code, "\(call) as \(user.name): \(error)")
            for word in user.words { #expect(error.message.contains(word), "\(call) as \(user.name): \(error)") }
        } catch {
            Issue.record(error)
        }
    }

    private func rbd(_ user: User, _ command: String, _ faulty: FaultyCluster) async -> Bool {
        let image = "rbd/\(user.namespace.isEmpty ? "" : "\(user.namespace)/")by-\(user.name)"
        let who = "--name client.\(user.name) --keyring \(faulty.cluster.directory)/\(user.name)/keyring"
        let line = "unset CEPH_ARGS CEPH_KEYRING; rbd \(who) \(command) \(image)"
        return (try? await faulty.cluster.execute("sh", "-c", line)) != nil
    }

    private func make(_ user: User, in directory: String, _ faulty: FaultyCluster) async throws -> Credentials {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let entity = "client.\(user.name)"
        try await faulty.cluster.execute(
            "sh",
            "-c",
            "ceph auth get-or-create \(entity) \(user.caps) -o \(directory)/keyring"
        )
        let key = try await faulty.ceph("auth", "print-key", entity)
        try key.write(toFile: "\(directory)/userKey", atomically: true, encoding: .utf8)
        try user.name.write(toFile: "\(directory)/userID", atomically: true, encoding: .utf8)
        let configuration = try faulty.configurationText()
            .replacing("\"monitors\"", with: "\"rbd\":{\"radosNamespace\":\"\(user.namespace)\"},\"monitors\"")
        try configuration.write(toFile: "\(directory)/config.json", atomically: true, encoding: .utf8)
        return try ServiceCredentials(directory: directory).read()
    }
}
