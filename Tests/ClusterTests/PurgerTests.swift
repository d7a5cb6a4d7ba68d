import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// On clusters of their own: the purgers of other tests would help.
@Suite("The trash purger", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct PurgerTests {
    /// A cluster, a service on it, and a volume.
    struct Scene {
        let cluster: MicroCluster
        let census: PoolCensus
        let lab: MicroCluster.Lab
        let bench: VolumeBehaviour.Bench
        let uuid = UUID().uuidString.lowercased()
        var image: String { "csi-vol-\(uuid)" }

        init(_ cluster: MicroCluster) throws {
            self.cluster = cluster
            census = try PoolCensus(cluster, pool: "rbd")
            lab = cluster.lab()
            bench = VolumeBehaviour.Bench(
                service: lab.service,
                parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
                credentials: try cluster.provisioner,
                prefix: "pvc"
            )
        }

        func create() async throws -> (handle: String, id: String) {
            let volume = try await bench.create(bench.request(uuid))
            return (volume.id.description, try #require(try await census.pool.imageID(named: image)))
        }

        func isInTrash(_ id: String) async throws -> Bool {
            try await census.rawTrash().contains { $0.id == id }
        }
    }

    @Test("A watcher blocks an image and is named; once it is gone, the image goes")
    func watcher() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let lab = scene.lab
            let (handle, id) = try await scene.create()
            let image = scene.image
            let other = try PoolCensus(scene.cluster, pool: "rbd")
            let watcher = try await other.blocking { (pool) throws(RBDError) in
                try Image.open(image, in: pool, access: .readWrite)
            }
            // By librbd, which does not check for watchers; Delete would.
            try await scene.census.markAsTrashed(id, at: Int64(Date().timeIntervalSince1970), isMoving: true)
            try await scene.census.blocking { (pool) throws(RBDError) in try pool.moveToTrash(image) }
            _ = try await lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID)
            let name = "client.\(other.pool.cluster.instanceID) at "
            try await eventually("the watcher is named") {
                lab.purger.status.blocked.contains { $0.image.hasSuffix(scene.image) && $0.reason.contains(name) }
            }
            #expect(try await scene.isInTrash(id))
            await other.blocking { _ in watcher.close() }
            try await eventually("the image is removed", within: .seconds(240)) { try await !scene.isInTrash(id) }
            try await scene.bench.delete(handle)
        }
    }

    @Test("A snapshot blocks an image and is named; once it is gone, the image goes")
    func snapshot() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let lab = scene.lab
            let (_, id) = try await scene.create()
            try await scene.cluster.execute("rbd", "snap", "create", "--no-progress", "rbd/\(scene.image)@nightly")
            // Delete would refuse it; this one was taken during the move.
            try await scene.census.markAsTrashed(id, at: Int64(Date().timeIntervalSince1970), isMoving: true)
            try await scene.cluster.execute("rbd", "trash", "mv", "rbd/\(scene.image)")
            _ = try await lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID)
            try await eventually("the snapshot is named") {
                let blocked = lab.purger.status.blocked.first { $0.image.hasSuffix(scene.image) }
                return blocked?.reason.contains("nightly") == true
                    && blocked?.reason.contains("rbd snap purge --pool rbd --image-id \(id)") == true
                    && (blocked?.attempts ?? 0) > 1
            }
            #expect(try await scene.isInTrash(id))
            try await scene.cluster.execute("sh", "-ec", "rbd snap purge --pool rbd --image-id \(id) --no-progress")
            try await eventually("the image is removed", within: .seconds(240)) { try await !scene.isInTrash(id) }
            try await eventually("it is no longer reported") {
                lab.purger.status.blocked.allSatisfy { !$0.image.hasSuffix(scene.image) }
            }
        }
    }

    @Test("Other programs' trash is never touched, whatever it is named")
    func strangers() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let lab = scene.lab
            let names = ["database-\(scene.uuid.prefix(8))", "csi-vol-\(UUID().uuidString.lowercased())"]
            for name in names {
                // The second has a name like Nacre's, but not Nacre's metadata, as an image of ceph-csi.
                try await scene.census.blocking { (pool) throws(RBDError) in
                    try pool.createImage(name, sizeBytes: 4 << 20, options: ImageOptions())
                    try pool.moveToTrash(name)
                }
            }
            for _ in 0..<3 {
                _ = try await lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID)
                try await Task.sleep(for: .milliseconds(200))
            }
            let left = try await scene.census.rawTrash().filter { names.contains($0.name) }
            #expect(Set(left.map(\.name)) == Set(names))
            for entry in left {
                try await scene.census.blocking { (pool) throws(RBDError) in
                    try pool.removeFromTrash(id: entry.id) { _, _ in }
                }
            }
        }
    }

    @Test("A volume of ours that an administrator moves to the trash stays there, also after an undelete")
    func administrators() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let (_, id) = try await scene.create()
            try await scene.cluster.execute("rbd", "trash", "mv", "rbd/\(scene.image)")
            for _ in 0..<3 {
                let look = try await scene.lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID)
                #expect(look.due == 0 && look.others == 1, "\(look)")
                try await Task.sleep(for: .milliseconds(200))
            }
            #expect(try await scene.isInTrash(id))
            try await scene.cluster.execute("rbd", "trash", "restore", "rbd/\(id)")
            #expect(try await scene.census.isWhole(scene.image))
        }
    }

    @Test(
        "A deleted volume that a person restored and moved to the trash is theirs, however soon and whoever moved it before",
        arguments: [ObjectCalls.onTestedReleases, .never]
    )
    func movedAgain(calls: ObjectCalls) async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let lab = scene.cluster.lab(objectCalls: calls)
            let bench = VolumeBehaviour.Bench(
                service: lab.service,
                parameters: scene.bench.parameters.merging(["trashRetention": "1h"]) { $1 },
                credentials: scene.bench.credentials,
                prefix: "pvc"
            )
            let volume = try await bench.create(bench.request(scene.uuid))
            let id = try #require(try await scene.census.pool.imageID(named: scene.image))
            try await bench.delete(volume.id.description)
            #expect(try await lab.store.trash.adoptTrash(ofCluster: volume.id.clusterID).kept == 1)
            let mark = try await scene.census.pool.metadata(ofImageID: id, prefix: "nacre.io/")?["nacre.io/trashed"]
            #expect(mark?.hasPrefix("moving") == false, "\(mark ?? "")")
            try await scene.cluster.execute(
                "sh",
                "-ec",
                "rbd trash restore rbd/\(id); rbd trash mv rbd/\(scene.image)"
            )
            let look = try await lab.store.trash.adoptTrash(ofCluster: volume.id.clusterID)
            #expect(look.due == 0 && look.kept == 0 && look.others == 1, "\(look)")
            // Nor by a remover that was told of it before.
            let image = TrashedImage(id: volume.id, imageID: id, credentials: bench.credentials)
            _ = await ImageRemover(connections: lab.connections).remove(image) { _, _ in }
            #expect(try await scene.isInTrash(id))
            try await scene.cluster.execute("rbd", "trash", "restore", "rbd/\(id)")
            #expect(try await scene.census.isWhole(scene.image))
        }
    }

    @Test("A move of librbd's that was killed before the mark got its time is ended, and the mark gets it")
    func killedMove() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let (_, id) = try await scene.create()
            try await scene.census.markAsTrashed(id, at: Int64(Date().timeIntervalSince1970), isMoving: true)
            let until = "$(date -u -d '1 hour' '+%F %T')"
            try await scene.cluster.execute(
                "sh",
                "-ec",
                "export TZ=UTC; rbd trash mv --expires-at \"\(until)\" rbd/\(scene.image)"
            )
            #expect(try await scene.lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID).kept == 1)
            try await scene.cluster.execute("sh", "-ec", "rbd trash restore rbd/\(id); rbd trash mv rbd/\(scene.image)")
            let look = try await scene.lab.store.trash.adoptTrash(ofCluster: scene.cluster.clusterID)
            #expect(look.due == 0 && look.others == 1, "\(look)")
        }
    }

    @Test("A deleted volume is kept for its time, comes back with its data, and goes when the time is over")
    func retention() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let keeping = scene.cluster.lab(retention: .seconds(3600))
            let bench = VolumeBehaviour.Bench(
                service: keeping.service,
                parameters: scene.bench.parameters,
                credentials: scene.bench.credentials,
                prefix: "pvc"
            )
            let volume = try await bench.create(bench.request(scene.uuid))
            let handle = volume.id.description
            let words = "--io-type write --io-size 4K --io-total 4K"
            try await scene.cluster.execute("sh", "-ec", "rbd bench \(words) rbd/\(scene.image)")
            let sum = "rbd export rbd/\(scene.image) - | md5sum"
            let before = try await scene.cluster.execute("sh", "-ec", sum)
            try await bench.delete(handle)
            #expect(try await scene.census.hasNoTrace(of: scene.image))
            // Neither the deleting service nor another one removes it, and Ceph's own tool refuses too.
            #expect(try await keeping.store.trash.adoptTrash(ofCluster: volume.id.clusterID).kept == 1)
            await #expect(throws: (any Error).self) {
                let id = try #require(try await scene.census.rawTrash().first?.id)
                try await scene.cluster.execute("rbd", "trash", "rm", "rbd/\(id)")
            }
            let deleted = try await keeping.store.trash.deletedVolumes(
                clusterID: volume.id.clusterID,
                pool: "rbd",
                credentials: bench.credentials
            ).flatMap { try $0.get() }
            #expect(deleted.map(\.id) == [volume.id])
            try await keeping.store.trash.undelete(try #require(deleted.first), credentials: bench.credentials)
            #expect(try await scene.census.isWhole(scene.image))
            #expect(try await scene.cluster.execute("sh", "-ec", sum) == before)
            // It is Nacre's again and no longer marked, so a move by an administrator stays.
            try await scene.cluster.execute("rbd", "trash", "mv", "rbd/\(scene.image)")
            #expect(try await keeping.store.trash.adoptTrash(ofCluster: volume.id.clusterID).others == 1)
            let id = try #require(try await scene.census.rawTrash().first?.id)
            // The cluster's clock, which has a say in it, is this machine's here.
            let time = try #require(try await scene.census.pool.storageTime(byHeaderOf: id)).components.seconds
            #expect(abs(Double(time) - Date().timeIntervalSince1970) < 30)
            #expect(try await scene.census.pool.storageTime(byHeaderOf: "nobody") == nil)
            try await scene.cluster.execute("rbd", "trash", "restore", "rbd/\(id)")
            // The retention of the class overrides that of the service.
            let short = try await bench.create(bench.request("short", adding: ["trashRetention": "3s"]))
            try await bench.delete(short.id.description)
            try await eventually("the short one goes, and only that") {
                _ = try await keeping.store.trash.adoptTrash(ofCluster: volume.id.clusterID)
                return try await scene.census.rawTrash().isEmpty
            }
            try await scene.lab.service.deleteVolume(
                handle,
                credentials: bench.credentials,
                deadline: .now + .seconds(60)
            )
        }
    }

    /// Where a restoration can be killed, as its steps leave it: `rbd_trash_restore` marks the entry first.
    static let stopped: [(String, HalfMade?)] = [
        ("the entry is marked", nil), ("the id is back", .restoringWithID), ("the name is back", .restoringWithName),
    ]

    @Test("Undelete: what was killed while it was restored is listed, and comes back with its data", arguments: stopped)
    func restoredAgain(name: String, state: HalfMade?) async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let volume = try await scene.bench.create(scene.bench.request(scene.uuid))
            let id = try #require(try await scene.census.pool.imageID(named: scene.image))
            let words = "--io-type write --io-size 4K --io-total 4K"
            try await scene.cluster.execute("sh", "-ec", "rbd bench \(words) rbd/\(scene.image)")
            let sum = "rbd export rbd/\(scene.image) - | md5sum"
            let before = try await scene.cluster.execute("sh", "-ec", sum)
            try await scene.census.markAsTrashed(id, at: 0)
            try await (state ?? .restoringWithName).make(of: scene.image, id: id, in: scene.census)
            if state == nil {
                try await scene.census.removeObject(ImageObject.id(ofName: scene.image))
                try await scene.census.unlist(scene.image, id: id)
            }
            let deleted = try await scene.lab.store.trash.deletedVolumes(
                clusterID: volume.id.clusterID,
                pool: "rbd",
                credentials: scene.bench.credentials
            ).flatMap { try $0.get() }
            #expect(deleted.map(\.id) == [volume.id])
            let found = try #require(deleted.first)
            // The second finds it restored.
            for _ in 0..<2 { try await scene.lab.store.trash.undelete(found, credentials: scene.bench.credentials) }
            #expect(try await scene.census.isWhole(scene.image))
            #expect(try await scene.census.rawTrash().isEmpty)
            #expect(try await scene.cluster.execute("sh", "-ec", sum) == before)
            let marks = try #require(try await scene.census.pool.metadata(ofImageID: id, prefix: "nacre.io/"))
            #expect(marks["nacre.io/trashed"] == nil && !marks.isEmpty)
            try await scene.cluster.execute("rbd", "rm", "--no-progress", "rbd/\(scene.image)")
        }
    }

    @Test("A service without a user of its own empties what the one before left, as soon as somebody calls")
    func inheritsByCaller() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let nacre = try NacreProcess(scene.cluster)
            let first = try await nacre.start(environment: ["NACRE_CRASH_AT": VolumeStep.answering.rawValue])
            let body = try nacre.createBody("pvc-\(scene.uuid)", pool: "rbd")
            await #expect(throws: (any Error).self) { try await nacre.call("Controller/CreateVolume", body) }
            #expect(try await first.end() == .killed(SIGKILL))
            let handle = "\(try scene.cluster.clusterID)/rbd//\(scene.image)"
            let delete = #"{"volumeId":"\#(handle)","secrets":\#(try nacre.secrets())}"#
            let second = try await nacre.start(environment: ["NACRE_CRASH_AT": VolumeStep.recheckingUse.rawValue])
            await #expect(throws: (any Error).self) { try await nacre.call("Controller/DeleteVolume", delete) }
            #expect(try await second.end() == .killed(SIGKILL))
            #expect(try await scene.census.rawTrash().map(\.name) == [scene.image])
            let third = try await nacre.start(hasUser: false)
            try await eventually("it says that nobody looks") {
                try await nacre.health().body.contains("not looked into")
            }
            #expect(try await nacre.ask("Controller/DeleteVolume", delete).isOK)
            try await eventually("the trash is emptied", within: .seconds(240)) {
                try await scene.census.rawTrash().isEmpty
            }
            #expect(try await third.stop() == .exited(0))
        }
    }

    @Test("What a killed service left in the trash, the next one empties")
    func inherits() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let nacre = try NacreProcess(scene.cluster)
            let first = try await nacre.start(environment: ["NACRE_CRASH_AT": VolumeStep.recheckingUse.rawValue])
            #expect(
                try await nacre.ask("Controller/CreateVolume", nacre.createBody("pvc-\(scene.uuid)", pool: "rbd")).isOK
            )
            let id = try #require(try await scene.census.pool.imageID(named: scene.image))
            let body =
                #"{"volumeId":"\#(try scene.cluster.clusterID)/rbd//\#(scene.image)","secrets":\#(try nacre.secrets())}"#
            await #expect(throws: (any Error).self) { try await nacre.call("Controller/DeleteVolume", body) }
            #expect(try await first.end() == .killed(SIGKILL))
            #expect(try await scene.isInTrash(id))
            let second = try await nacre.start()
            try await eventually("the trash is emptied") { try await !scene.isInTrash(id) }
            #expect(try await second.stop() == .exited(0))
        }
    }

    @Test("A volume whose create was killed before it was marked, and whose delete was killed, is emptied out as well")
    func inheritsUnmarked() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            let nacre = try NacreProcess(scene.cluster)
            // Images that librbd creates are marked afterwards.
            let create = try nacre.createBody("pvc-\(scene.uuid)", pool: "rbd", parameters: NacreProcess.stripes)
            let handle = "\(try scene.cluster.clusterID)/rbd//\(scene.image)"
            let delete = #"{"volumeId":"\#(handle)","secrets":\#(try nacre.secrets())}"#
            for (step, method, body) in [
                (VolumeStep.settingMetadata, "Controller/CreateVolume", create),
                (VolumeStep.recheckingUse, "Controller/DeleteVolume", delete),
            ] {
                let process = try await nacre.start(environment: ["NACRE_CRASH_AT": step.rawValue])
                await #expect(throws: (any Error).self) { try await nacre.call(method, body) }
                #expect(try await process.end() == .killed(SIGKILL))
            }
            #expect(try await scene.census.rawTrash().map(\.name) == [scene.image])
            let last = try await nacre.start()
            try await eventually("the trash is emptied") { try await scene.census.rawTrash().isEmpty }
            #expect(try await last.stop() == .exited(0))
        }
    }

    @Test("What was removed leaves nothing in the pool that grows with it")
    func leavesNothing() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try Scene(faulty.cluster)
            try await withThrowingTaskGroup { group in
                for _ in 0..<100 {
                    group.addTask {
                        let bench = scene.bench
                        let volume = try await bench.create(bench.request(UUID().uuidString.lowercased()))
                        try await bench.delete(volume.id.description)
                    }
                }
                try await group.waitForAll()
            }
            try await eventually("the trash is empty", within: .seconds(240)) {
                scene.lab.purger.wake()
                return try await scene.census.rawTrash().isEmpty
            }
            let objects = try await faulty.cluster.execute("rados", "--pool", "rbd", "ls").split(separator: "\n")
            #expect(Set(objects) == ["rbd_directory", "rbd_info", "rbd_trash"], "\(objects)")
            for object in objects {
                let attributes = try await faulty.cluster.execute("rados", "--pool", "rbd", "listxattr", "\(object)")
                #expect(attributes.split(separator: "\n").count <= 64, "\(object): \(attributes)")
            }
        }
    }
}
