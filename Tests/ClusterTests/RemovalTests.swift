import CephVolumes
import Curl
import Foundation
import Glibc
import Logging
import RBD
import TestSupport
import Testing
import Volumes

/// Removal of images for which librbd would need minutes or for ever, and of images that crash the removing process.
@Suite("Removal", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct RemovalTests {
    /// Writes 4 KiB at offsets of an image through Ceph's Python binding: the first, the last, and some between.
    private func write(_ image: String, pool: String = "rbd", at places: [UInt64], in cluster: MicroCluster)
        async throws
    {
        try await cluster.execute(
            "/usr/bin/python3",
            "-c",
            """
            import os, rados, rbd
            with rados.Rados(conffile=os.environ['CEPH_CONF']) as cluster, cluster.open_ioctx('\(pool)') as pool:
                with rbd.Image(pool, '\(image)') as image:
                    for place in \(places):
                        image.write(b'x' * 4096, place)
            """
        )
    }

    private func dataObjects(_ cluster: MicroCluster, pool: String = "rbd") async throws -> [String] {
        try await cluster.execute("rados", "--pool", pool, "ls").split(separator: "\n").map(String.init)
            .filter { $0.contains("rbd_data") }
    }

    /// Creates an image with `rbd create`, of any size, and marks it as a volume; returns its name.
    private func make(_ options: String, in cluster: MicroCluster) async throws -> String {
        let image = "csi-vol-\(UUID().uuidString.lowercased())"
        try await cluster.execute(
            "sh",
            "-ec",
            "rbd create \(options) rbd/\(image); rbd image-meta set rbd/\(image) nacre.io/request-name \(image)"
        )
        return image
    }

    private static let tebibyte: UInt64 = 1 << 40
    private static let all = "--image-feature layering,exclusive-lock,object-map,fast-diff,deep-flatten"
    private static let bare = "--image-feature layering"

    @Test(
        "100 TiB with an object map, and 2^60 bytes without one, are gone with all their objects, and a small one before"
    )
    func huge() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try PurgerTests.Scene(faulty.cluster)
            let bench = scene.bench
            // An object with a similar prefix that belongs to no image.
            try await faulty.cluster.execute("rados", "--pool", "rbd", "create", "rbd_data.0.0000000000000000")
            var made = [try await make("--size 100T \(Self.all)", in: faulty.cluster)]
            for _ in 0..<3 { made.append(try await make("--size 1048576T \(Self.bare)", in: faulty.cluster)) }
            let places = [0, 5 << 20, 50 * Self.tebibyte, 100 * Self.tebibyte - 4096]
            for image in made { try await write(image, at: places, in: faulty.cluster) }
            let images = made + [try await bench.create(bench.request("small")).id.image]
            #expect(try await dataObjects(faulty.cluster).count == 17)
            for image in images { try await bench.delete("\(try faulty.cluster.clusterID)/rbd//\(image)") }
            try await eventually("all are gone", within: .seconds(240)) {
                scene.lab.purger.wake()
                // Other calls are answered during the removal.
                let other = try await bench.create(bench.request(UUID().uuidString))
                try await bench.delete(other.id.description)
                return try await !scene.census.rawTrash().contains { images.contains($0.name) }
            }
            try await eventually("the trash is empty") { try await scene.census.rawTrash().isEmpty }
            #expect(try await dataObjects(faulty.cluster) == ["rbd_data.0.0000000000000000"])
        }
    }

    @Test(
        "Data in another pool, in stripes, and behind a parent: what librbd made is gone, all else stays"
    )
    func kinds() async throws {
        try await FaultyCluster.with { faulty in
            let (cluster, scene) = (faulty.cluster, try PurgerTests.Scene(faulty.cluster))
            let bench = scene.bench
            try await cluster.execute("sh", "-ec", "ceph osd pool create data 1 && rbd pool init data")
            let places: [UInt64] = [0, 5 << 20, 9 << 30]
            let stripes = "--stripe-unit 65536 --stripe-count 4"
            var images: [String] = []
            for layout in ["--data-pool data", "--data-pool data \(Self.bare)", stripes, "\(stripes) \(Self.bare)"] {
                images.append(try await make("--size 100G \(layout)", in: cluster))
            }
            for image in images { try await write(image, at: places, in: cluster) }
            let clone = "csi-vol-\(UUID().uuidString.lowercased())"
            try await cluster.execute(
                "sh",
                "-ec",
                """
                rbd create --size 100G rbd/parent
                rbd bench --io-type write --io-size 4K --io-total 64K rbd/parent
                rbd snap create --no-progress rbd/parent@base
                rbd clone --rbd-default-clone-format 2 rbd/parent@base rbd/\(clone)
                rbd image-meta set rbd/\(clone) nacre.io/request-name \(clone)
                """
            )
            try await write(clone, at: places, in: cluster)
            let parents = try await dataObjects(cluster).count
            for image in images + [clone] { try await bench.delete("\(try cluster.clusterID)/rbd//\(image)") }
            try await eventually("all are gone", within: .seconds(240)) {
                scene.lab.purger.wake()
                return try await scene.census.rawTrash().isEmpty
            }
            #expect(try await dataObjects(cluster, pool: "data").isEmpty)
            let left = try await dataObjects(cluster)
            #expect(!left.isEmpty && left.count < parents)
            #expect(Set(left.map { $0.split(separator: ".")[1] }).count == 1, "\(left)")
            try await cluster.execute(
                "sh",
                "-ec",
                "test -z \"$(rbd children rbd/parent@base)\" && rbd snap rm --no-progress rbd/parent@base && rbd rm --no-progress rbd/parent"
            )
            #expect(try await dataObjects(cluster).isEmpty)
        }
    }

    @Test(
        "A kill of the removing process at each step is counted, told, and never the service's end",
        arguments: RemovalStep.allCases
    )
    func killedAtStep(_ step: RemovalStep) async throws {
        try await FaultyCluster.with { faulty in
            let scene = try PurgerTests.Scene(faulty.cluster)
            let nacre = try NacreProcess(scene.cluster)
            let hurt = try await nacre.start(environment: ["NACRE_CRASH_AT": step.name])
            let create = try nacre.createBody("pvc-\(scene.uuid)", pool: "rbd", bytes: 8 << 30)
            #expect(try await nacre.ask("Controller/CreateVolume", create).isOK)
            try await write(scene.image, at: [0, 5 << 20, (8 << 30) - 4096], in: scene.cluster)
            let handle = "\(try scene.cluster.clusterID)/rbd//\(scene.image)"
            let delete = #"{"volumeId":"\#(handle)","secrets":\#(try nacre.secrets())}"#
            #expect(try await nacre.ask("Controller/DeleteVolume", delete).isOK)
            try await eventually("it is told by name") {
                let health = try await nacre.health()
                return health.status == 503 && health.body.contains(scene.image) && health.body.contains("signal 9")
            }
            let metrics = String(decoding: try await nacre.get("/metrics").body, as: UTF8.self)
            #expect(!metrics.contains("nacre_trash_removal_crashes 0"))
            let other = try nacre.createBody("pvc-\(UUID().uuidString.lowercased())", pool: "rbd")
            #expect(try await nacre.ask("Controller/CreateVolume", other).isOK)
            #expect(try await hurt.stop() == .exited(0))
            let well = try await nacre.start()
            try await eventually("the trash is emptied", within: .seconds(240)) {
                try await scene.census.rawTrash().isEmpty
            }
            #expect(try await dataObjects(scene.cluster).isEmpty)
            #expect(try await well.stop() == .exited(0))
        }
    }

    @Test("Processes that remove are ended with what they are at, and several at one image leave nothing")
    func processes() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let processes = (0..<2).map { _ in
                RemovalProcesses(
                    command: [NacreProcess.program, "trash-remover"],
                    configurationPath: cluster.configurationPath,
                    idleLimit: .zero,
                    logger: Logger(label: "test") { _ in SilentLog() }
                )
            }
            let labs = processes.map { cluster.lab(removing: $0) }
            let scene = try PurgerTests.Scene(cluster)
            for round in 0..<3 {
                let image = try await make("--size 1T \(round == 1 ? Self.bare : Self.all)", in: cluster)
                try await write(image, at: (0..<400).map { UInt64($0) << 24 }, in: cluster)
                let id = try #require(try await scene.census.pool.imageID(named: image))
                try await scene.census.markAsTrashed(id, at: Int64(Date().timeIntervalSince1970), isMoving: true)
                try await cluster.execute("rbd", "trash", "mv", "rbd/\(image)")
                for lab in labs { _ = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID) }
                try await eventually("one removes") { !processes.flatMap(\.processIDs).isEmpty }
                for pid in processes.flatMap(\.processIDs) { kill(pid, SIGKILL) }
                try await eventually("it is gone", within: .seconds(240)) {
                    for lab in labs { lab.purger.wake() }
                    return try await !scene.isInTrash(id)
                }
                #expect(try await dataObjects(cluster).isEmpty)
            }
            try await eventually("idle processes end") {
                for process in processes { process.releaseIdle() }
                return processes.allSatisfy(\.processIDs.isEmpty)
            }
            for lab in labs { await lab.purger.stop() }
        }
    }
}
