import Foundation
import TestSupport
import Testing

/// States of pools, images and clusters of which Ceph tells no more than an errno, or nothing at all.
@Suite("Errors that name their cause", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ExplainedErrorTests {
    /// What is done to the cluster, the call, and what is said.
    struct Situation: Sendable, CustomTestStringConvertible {
        let name: String
        /// Shell lines, as the administrator.
        var before = "true"
        var after = "true"
        var call = "create"
        var pool = "rbd"
        var parameters: [String: String] = [:]
        var timeout = Duration.seconds(40)
        /// Raised before the call is made.
        var healthCheck: String?
        let code: String
        let words: [String]

        var testDescription: String { name }
    }

    static let pools: [Situation] = [
        Situation(
            name: "an erasure-coded pool",
            pool: "ec",
            code: "invalid_argument",
            words: ["'ec'", "erasure-coded", "dataPool"]
        ),
        Situation(
            name: "a data pool without overwrites",
            parameters: ["dataPool": "ec"],
            code: "invalid_argument",
            words: ["'ec'", "ceph osd pool set ec allow_ec_overwrites true"]
        ),
        Situation(
            name: "a data pool that is not there",
            parameters: ["dataPool": "nope"],
            code: "invalid_argument",
            words: ["no pool 'nope'", "dataPool"]
        ),
        Situation(
            name: "a pool with snapshots of its own",
            pool: "snaps",
            code: "invalid_argument",
            words: ["'snaps'", "snapshots of the whole pool"]
        ),
        Situation(
            name: "a pool at its quota of bytes",
            before: "rbd create replicapool/filler --size 4M && "
                + "rbd bench --io-type write --io-size 4M --io-total 4M replicapool/filler && "
                + "ceph osd pool set-quota replicapool max_bytes 1",
            after: "ceph osd pool set-quota replicapool max_bytes 0",
            pool: "replicapool",
            healthCheck: "POOL_FULL",
            code: "resource_exhausted",
            words: ["quota of pool 'replicapool'", "max_bytes 1", "ceph osd pool set-quota replicapool"]
        ),
    ]

    static let images: [Situation] = [
        Situation(
            name: "options that mkfs refuses for that size",
            parameters: ["mkfsOptions": "-N 100000000"],
            code: "invalid_argument",
            words: ["mkfs.ext4 refuses mkfsOptions '-N 100000000'", "too big", "correct"]
        ),
        Situation(
            name: "an image of format 1 has the name of a volume to be made",
            // librbd makes format 1 only for whoever says so twice.
            before: "RBD_FORCE_ALLOW_V1=1 rbd create --image-format 1 --size 16M rbd/IMAGE",
            after: "rbd info rbd/IMAGE | grep -q 'format: 1' && rbd rm --no-progress rbd/IMAGE",
            code: "failed_precondition",
            words: ["format 1", "rbd mv rbd/IMAGE"]
        ),
        Situation(
            name: "an image of format 1 has the name of a volume that is gone",
            before: "rbd mv rbd/IMAGE rbd/away && "
                + "RBD_FORCE_ALLOW_V1=1 rbd create --image-format 1 --size 16M rbd/IMAGE",
            after: "rbd rm --no-progress rbd/IMAGE && rbd rm --no-progress rbd/away",
            call: "expand",
            code: "not_found",
            words: ["format 1", "rbd mv rbd/IMAGE"]
        ),
        Situation(
            name: "a mirror's copy is grown",
            before: "rbd mirror pool enable rbd image && rbd mirror image enable rbd/IMAGE snapshot && "
                + "rbd mirror image demote rbd/IMAGE",
            call: "expand",
            code: "failed_precondition",
            words: ["rbd-mirror", "rbd mirror image promote rbd/IMAGE"]
        ),
        Situation(
            name: "a mirror's copy is deleted",
            before: "rbd mirror pool enable rbd image && rbd mirror image enable rbd/IMAGE snapshot && "
                + "rbd mirror image demote rbd/IMAGE",
            call: "delete",
            code: "failed_precondition",
            words: ["rbd-mirror", "rbd mirror image promote rbd/IMAGE"]
        ),
        Situation(
            name: "a copy that is kept by its journal is grown",
            before: "rbd feature enable rbd/IMAGE journaling && rbd mirror pool enable rbd image && "
                + "rbd mirror image enable rbd/IMAGE journal && rbd mirror image demote rbd/IMAGE",
            call: "expand",
            code: "failed_precondition",
            words: ["rbd-mirror", "rbd mirror image promote rbd/IMAGE"]
        ),
        Situation(
            name: "a copy that is kept by its journal is deleted",
            before: "rbd feature enable rbd/IMAGE journaling && rbd mirror pool enable rbd image && "
                + "rbd mirror image enable rbd/IMAGE journal && rbd mirror image demote rbd/IMAGE",
            call: "delete",
            code: "failed_precondition",
            words: ["rbd-mirror", "rbd mirror image promote rbd/IMAGE"]
        ),
        Situation(
            name: "an image that is being migrated is deleted",
            before: "rbd rename rbd/IMAGE rbd/source && rbd migration prepare rbd/source rbd/IMAGE",
            // With the mark of a move that was not made, what a person moves to the trash next would be removed.
            after: "! rbd image-meta get rbd/IMAGE nacre.io/trashed 2>&1 && rbd migration abort rbd/IMAGE",
            call: "delete",
            code: "failed_precondition",
            words: ["being migrated", "rbd migration commit rbd/IMAGE"]
        ),
    ]

    static let clusters: [Situation] = [
        Situation(
            name: "a paused cluster",
            before: "ceph osd set pause",
            after: "ceph osd unset pause",
            timeout: .seconds(10),
            healthCheck: "OSDMAP_FLAGS",
            code: "deadline_exceeded",
            words: ["paused", "ceph osd unset pause"]
        ),
        Situation(
            name: "full OSDs",
            before: "for o in 0 1 2; do ceph tell osd.$o injectfull full -1; done",
            after: "for o in 0 1 2; do ceph tell osd.$o injectfull none 0; done",
            healthCheck: "OSD_FULL",
            code: "resource_exhausted",
            words: ["OSDs are full", "full osd(s)"]
        ),
        Situation(
            name: "placement groups without enough OSDs",
            before: "ceph osd down 1 2 && ceph osd set noup && ceph osd down 1 2",
            after: "ceph osd unset noup",
            timeout: .seconds(10),
            healthCheck: "PG_AVAILABILITY",
            code: "deadline_exceeded",
            words: ["placement groups", "ceph health detail"]
        ),
    ]

    private func withService(_ body: (FaultyCluster, NacreProcess) async throws -> Void) async throws {
        try await FaultyCluster.with(osds: 3) { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            try await body(faulty, nacre)
            #expect(try await process.stop() == .exited(0))
        }
    }

    private func check(_ situation: Situation, _ faulty: FaultyCluster, _ nacre: NacreProcess) async throws {
        let uuid = UUID().uuidString.lowercased()
        let image = "csi-vol-\(uuid)"
        let create = try nacre.createBody("pvc-\(uuid)", pool: situation.pool, parameters: situation.parameters)
        let handle = "\(try faulty.cluster.clusterID)/\(situation.pool)//\(image)"
        let secrets = try nacre.secrets()
        if situation.call != "create" { #expect(try await nacre.ask("Controller/CreateVolume", create).isOK) }
        try await faulty.cluster.execute("sh", "-c", situation.before.replacing("IMAGE", with: image))
        if let check = situation.healthCheck {
            try await eventually("\(check) is raised") {
                try await faulty.ceph("health").contains(try Self.words(check))
            }
        }
        let body =
            switch situation.call {
            case "expand":
                #"{"volumeId":"\#(handle)","capacityRange":{"requiredBytes":"134217728"},"secrets":\#(secrets)}"#
            case "delete": #"{"volumeId":"\#(handle)","secrets":\#(secrets)}"#
            default: create
            }
        let method = ["create": "CreateVolume", "expand": "ControllerExpandVolume", "delete": "DeleteVolume"]
        // A pool or an OSD hears later of what the monitors say already.
        var answer = try await nacre.ask(
            "Controller/\(method[situation.call] ?? "")",
            body,
            timeout: situation.timeout
        )
        if situation.healthCheck != nil, answer.isOK {
            try await eventually("\(situation.name) is felt") {
                let other = try nacre.createBody("pvc-\(UUID())", pool: situation.pool)
                answer = try await nacre.ask("Controller/CreateVolume", other, timeout: situation.timeout)
                return !answer.isOK
            }
        }
        #expect(answer.code == situation.code, "\(situation.name): \(answer)")
        for word in situation.words {
            #expect(answer.message.contains(word.replacing("IMAGE", with: image)), "\(situation.name): \(answer)")
        }
        if situation.healthCheck != nil {
            let health = try await nacre.health()
            #expect(health.status == 503, "\(situation.name): \(health)")
        }
        try await faulty.cluster.execute("sh", "-c", situation.after.replacing("IMAGE", with: image))
        guard situation.healthCheck != nil else { return }
        try await eventually("\(situation.name) is over") { try await nacre.health().isOK }
        // The OSDs hear of it later than the monitors say so.
        try await eventually("\(situation.name), the retry", within: .seconds(60)) {
            try await nacre.ask("Controller/CreateVolume", create).isOK
        }
    }

    /// What `ceph health` shows of a check.
    private static func words(_ check: String) throws -> String {
        let words = [
            "OSDMAP_FLAGS": "flag(s) set", "OSD_FULL": "full osd(s)", "POOL_FULL": "pool(s) full",
            "PG_AVAILABILITY": "Reduced data availability",
        ]
        return try #require(words[check])
    }

    @Test("Pools that cannot hold what is asked for")
    func unfitPools() async throws {
        try await withService { faulty, nacre in
            try await faulty.cluster.execute(
                "sh",
                "-ec",
                """
                ceph osd erasure-code-profile set small k=2 m=1 crush-failure-domain=osd
                ceph osd pool create ec 8 8 erasure small
                ceph osd pool create snaps 8
                ceph osd pool application enable snaps rbd
                ceph osd pool mksnap snaps one
                """
            )
            for situation in Self.pools { try await check(situation, faulty, nacre) }
        }
    }

    @Test("Images in a state that forbids what is asked for")
    func unfitImages() async throws {
        try await withService { faulty, nacre in
            for situation in Self.images { try await check(situation, faulty, nacre) }
        }
    }

    @Test("A cluster that stands still is told of to whoever waits, and at /healthz; when it goes on, all is well")
    func standstill() async throws {
        try await withService { faulty, nacre in
            for situation in Self.clusters { try await check(situation, faulty, nacre) }
        }
    }

    @Test("On OSDs that another pool fills, a new pool is said to have no room; when there is room, the create goes on")
    func filledByAnother() async throws {
        try await withService { faulty, nacre in
            // All three: with the full ratio alone, below the others, the OSDs never count as full.
            let script = """
                rbd create rbd/filler --size 64M
                rbd bench --io-type write --io-size 4M --io-total 64M rbd/filler
                ceph osd pool create fresh 1
                rbd pool init fresh
                ceph osd set-nearfull-ratio 0.0005
                ceph osd set-backfillfull-ratio 0.0007
                ceph osd set-full-ratio 0.001
                """
            try await faulty.cluster.execute("sh", "-ec", script)
            var answer = try await nacre.ask("Controller/CreateVolume", nacre.createBody("pvc-0", pool: "fresh"))
            try await eventually("it is felt") {
                let body = try nacre.createBody("pvc-\(UUID())", pool: "fresh")
                answer = try await nacre.ask("Controller/CreateVolume", body, timeout: .seconds(40))
                return !answer.isOK
            }
            #expect(answer.code == "resource_exhausted" && answer.message.contains("pool 'fresh'"), "\(answer)")
            #expect(answer.message.contains("is full") || answer.message.contains("has no room"), "\(answer)")
            for (name, ratio) in [("full", "0.95"), ("backfillfull", "0.9"), ("nearfull", "0.85")] {
                try await faulty.ceph("osd", "set-\(name)-ratio", ratio)
            }
            let body = try nacre.createBody("pvc-\(UUID())", pool: "fresh")
            // What Ceph says of room is some seconds old.
            try await eventually("there is room") {
                try await nacre.ask("Controller/CreateVolume", body, timeout: .seconds(40)).isOK
            }
        }
    }

    @Test(
        "A stage that full OSDs hold up says so to whoever waits, and goes on when there is room",
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/fuse"), "needs /dev/fuse")
    )
    func fullStage() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start(["--node-id", "full", "--mounter", "fuse"])
            let uuid = UUID().uuidString.lowercased()
            #expect(try await nacre.ask("Controller/CreateVolume", nacre.createBody("pvc-\(uuid)", pool: "rbd")).isOK)
            try await faulty.ceph("tell", "osd.0", "injectfull", "full", "-1")
            try await eventually("OSD_FULL is raised") { try await faulty.ceph("health").contains("full osd(s)") }
            // The OSD hears of it itself at its next look.
            try await eventually("nothing can be written") {
                let other = try nacre.createBody("pvc-\(UUID())", pool: "rbd")
                return try await !nacre.ask("Controller/CreateVolume", other, timeout: .seconds(20)).isOK
            }
            let volume = #""volumeId":"\#(try faulty.cluster.clusterID)/rbd//csi-vol-\#(uuid)""#
            let place = #""stagingTargetPath":"\#(nacre.directory)/staging""#
            let capability = #""volumeCapability":{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#
            let stage = "{\(volume),\(place),\(capability),\"secrets\":\(try nacre.secrets())}"
            try FileManager.default.createDirectory(
                atPath: "\(nacre.directory)/staging",
                withIntermediateDirectories: true
            )
            let answer = try await nacre.ask("Node/NodeStageVolume", stage, timeout: .seconds(20))
            #expect(answer.code == "deadline_exceeded" && answer.message.contains("OSDs are full"), "\(answer)")
            try await faulty.ceph("tell", "osd.0", "injectfull", "none", "0")
            try await eventually("it is staged") {
                try await nacre.ask("Node/NodeStageVolume", stage).isOK
            }
            #expect(try await nacre.ask("Node/NodeUnstageVolume", "{\(volume),\(place)}").isOK)
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("On a cluster as Ceph 20.2.4 makes it by itself, what is said of its key is what helps")
    func newKeys() async throws {
        let variables = ProcessInfo.processInfo.environment
        guard variables["NACRE_CEPH_RELEASE"] == "tentacle", variables["NACRE_MICRO_CLUSTER_ROOT"] == nil else {
            try Test.cancel("needs servers of Ceph 20.2 and an older client: tools/test cluster --release tentacle")
        }
        try await FaultyCluster.with(keyType: "aes256k") { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            let body = try nacre.createBody("pvc-\(UUID().uuidString.lowercased())", pool: "rbd")
            let refused = try await nacre.ask("Controller/CreateVolume", body)
            #expect(refused.code == "unauthenticated" && refused.message.contains("aes256k"), "\(refused)")

            let remedies = refused.message.split(separator: "'").filter { $0.hasPrefix("ceph ") }.map(String.init)
            #expect(remedies.count == 2, "\(refused)")
            var keyring = ""
            for remedy in remedies {
                keyring = try await faulty.cluster.execute("sh", "-ec", remedy, ofItsRelease: true)
            }
            let line = try #require(keyring.split(separator: "\n").first { $0.contains("key = ") })
            let key = try #require(line.split(separator: " ").last)
            try String(key).write(
                toFile: "\(faulty.cluster.provisionerSecret)/userKey",
                atomically: true,
                encoding: .utf8
            )
            let helped = try nacre.createBody("pvc-\(UUID().uuidString.lowercased())", pool: "rbd")
            #expect(try await nacre.ask("Controller/CreateVolume", helped).isOK)

            // Back to what it was: now the key is of a type that is not allowed.
            let back = "ceph mon set auth_allowed_ciphers aes256k"
            try await faulty.cluster.execute("sh", "-ec", back, ofItsRelease: true)
            #expect(try await process.stop() == .exited(0))
            let again = try await nacre.start()
            let forbidden = try await nacre.ask("Controller/CreateVolume", helped)
            #expect(forbidden.code == "unauthenticated", "\(forbidden)")
            #expect(forbidden.message.contains("auth_allowed_ciphers"), "\(forbidden)")
            #expect(try await again.stop() == .exited(0))
        }
    }

    @Test(
        "A key that Ceph cannot read, or is too old for, is said to be that, and not shown",
        arguments: [
            ("TOP-SECRET-KEY", "no cephx key"),
            ("AgCUcCtpwBwtHCAAF4cPwUNRkE0SBZoqkMzLLxeHD8FDUZBNEgWaKpDMyy8=", "type aes256k"),
        ]
    )
    func keys(_ key: String, _ word: String) async throws {
        let cluster = try #require(MicroCluster.current)
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start()
        let right = try nacre.secrets()
        let wrong = #"{"userID":"csi-rbd-provisioner","userKey":"\#(key)"}"#
        let body = try nacre.createBody("pvc-\(UUID())", pool: "rbd").replacing(right, with: wrong)
        let answer = try await nacre.ask("Controller/CreateVolume", body)
        // librados of 20.2 knows keys of the new type: with those it is the monitors that refuse a wrong one.
        let variables = ProcessInfo.processInfo.environment
        let isNew = variables["NACRE_CEPH_RELEASE"] == "tentacle" && variables["NACRE_MICRO_CLUSTER_ROOT"] != nil
        let cause = isNew && word == "type aes256k" ? "its monitors refuse the user" : word
        #expect(answer.code == "unauthenticated" && answer.message.contains(cause), "\(answer)")
        #expect(!answer.body.contains(key) && answer.message.contains("client.csi-rbd-provisioner"), "\(answer)")
        #expect(try await process.stop() == .exited(0))
    }
}
