import CephVolumes
import Foundation
import RADOS
import RBD
import Secrets
import Synchronization
import TestSupport
import Testing
import Volumes

/// Deletes and fences that Ceph does not let end, and what is had back at the last moment.
@Suite("Undone deletes", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct UndoneDeleteTests {
    private static let trashed = "nacre.io/trashed"

    private func bench(_ lab: MicroCluster.Lab, _ cluster: MicroCluster) throws -> VolumeBehaviour.Bench {
        VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    @Test(
        "The mark of a move that Ceph refused is taken back: the one that was there before stands again",
        arguments: [nil, "1764453000.123456789 client.former", "moving"],
        [ObjectCalls.never, .onTestedReleases]
    )
    func mark(before: String?, calls: ObjectCalls) async throws {
        let cluster = try #require(MicroCluster.current)
        let census = try PoolCensus(cluster, pool: "rbd")
        let bench = try bench(cluster.lab(objectCalls: calls), cluster)
        let volume = try await bench.create(bench.request(UUID().uuidString.lowercased()))
        let id = try #require(try await census.pool.imageID(named: volume.id.image))
        // That of a move which was killed a moment ago must not stand again.
        let isKilled = before == "moving"
        let old = isKilled ? "moving \(Int64(Date().timeIntervalSince1970)).000000000 client.former" : before
        if let old { try await census.pool.setMetadata([Self.trashed: old], ofImageID: id) }
        // Who may write the image, and not the trash, not by class calls either.
        let user = "headers\(UInt32.random(in: 0...UInt32.max))"
        let caps = ["header", "object_map"].map { "allow rwx pool=rbd object_prefix rbd_\($0)." }
        let key = try await cluster.execute(
            "ceph",
            "auth",
            "get-or-create-key",
            "client.\(user)",
            "mon",
            "profile rbd",
            "osd",
            (["allow r class-read pool=rbd"] + caps).joined(separator: ", ")
        )
        let error = await #expect(throws: VolumeError.self) {
            try await bench.service.deleteVolume(
                volume.id.description,
                credentials: Credentials(userID: user, userKey: Secret(key.filter { !$0.isWhitespace })),
                deadline: .now + .seconds(90)
            )
        }
        #expect(error?.code == .permissionDenied, "\(error?.message ?? "")")
        #expect(error?.message.contains("move to the trash") == true, "\(error?.message ?? "")")
        #expect(try await census.isWhole(volume.id.image))
        #expect(try await !census.rawTrash().contains { $0.id == id })
        let marks = try #require(try await census.pool.metadata(ofImageID: id, prefix: "nacre.io/"))
        #expect(marks[Self.trashed] == (isKilled ? nil : old))
        // So what a person moves to the trash soon after stays his.
        try await cluster.execute("rbd", "trash", "mv", volume.id.imageSpec)
        for _ in 0..<2 { _ = try await cluster.lab().store.trash.adoptTrash(ofCluster: cluster.clusterID) }
        try await Task.sleep(for: .milliseconds(500))
        #expect(try await census.rawTrash().contains { $0.id == id && $0.state == .normal })
        try await cluster.execute("rbd", "trash", "rm", "rbd/\(id)")
        try await cluster.execute("ceph", "auth", "rm", "client.\(user)")
    }

    @Test("At the end of its time a deleted volume comes back with all its data, or is gone: there is nothing between")
    func lastMoment() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let lab = cluster.lab()
            let (bench, census) = (try bench(lab, cluster), try PoolCensus(cluster, pool: "rbd"))
            let isDone = Mutex(false)
            // What a service does all the time.
            let purging = Task {
                while !isDone.withLock({ $0 }) {
                    _ = try? await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
                    lab.purger.wake()
                    try? await Task.sleep(for: .milliseconds(20))
                }
            }
            var returned = 0
            // A busy machine takes seconds to look for a deleted volume; the first one is had back in any case.
            for offset in [-20, -0.1, -0.02, 0, 0.02, 0.1, 0.4] {
                let retention = ["trashRetention": offset < -1 ? "40s" : "15s"]
                let volume = try await bench.create(
                    bench.request(UUID().uuidString.lowercased(), adding: retention)
                )
                let (image, spec) = (volume.id.image, volume.id.imageSpec)
                let sum = "rbd export --no-progress \(spec) - | sha256sum"
                try await cluster.execute("sh", "-ec", "rbd bench --io-type write --io-size 4K --io-total 64K \(spec)")
                let before = try await cluster.execute("sh", "-ec", sum)
                let id = try #require(try await census.pool.imageID(named: image))
                try await bench.delete(volume.id.description)
                let found = try await lab.store.trash.deletedVolumes(
                    clusterID: nil,
                    pool: "rbd",
                    credentials: cluster.provisioner
                )
                let deleted = try #require(try found.flatMap { try $0.get() }.first { $0.imageID == id })
                let (seconds, rest) = deleted.keptUntil.components
                let end = Double(seconds) + Double(rest) / 1e18 + offset
                try await Task.sleep(for: .seconds(max(0, end - Date().timeIntervalSince1970)))
                do {
                    try await lab.store.trash.undelete(deleted, credentials: cluster.provisioner)
                    returned += 1
                    // What was had back is nobody's to remove.
                    try await Task.sleep(for: .milliseconds(1500))
                    #expect(try await census.pool.imageID(named: image) == id, "\(offset)")
                    #expect(try await census.isWhole(image), "\(offset)")
                    #expect(try await cluster.execute("sh", "-ec", sum) == before, "\(offset)")
                    #expect(try await !census.rawTrash().contains { $0.id == id }, "\(offset)")
                } catch let error as VolumeError {
                    #expect([.failedPrecondition, .notFound].contains(error.code), "\(offset): \(error.message)")
                    #expect(error.message.contains(spec), "\(offset): \(error.message)")
                    try await eventually("\(offset): it is gone") {
                        try await !census.rawTrash().contains { $0.id == id }
                    }
                    #expect(try await census.hasNoTrace(of: image), "\(offset): \(error.message)")
                    #expect(try await !census.holds(ImageObject.header(ofID: id)), "\(offset)")
                }
            }
            #expect(returned >= 1, "none was in time")
            isDone.withLock { $0 = true }
            await purging.value
        }
    }

    @Test("A fence whose lock break is not answered is not done; the client is refused, and a repetition ends it")
    func silentBreak() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let lab = cluster.lab()
            let (bench, census) = (try bench(lab, cluster), try PoolCensus(cluster, pool: "rbd"))
            let volume = try await bench.create(bench.request(UUID().uuidString.lowercased()))
            let header = ImageObject.header(ofID: try #require(try await census.pool.imageID(named: volume.id.image)))
            func lock(_ words: String) async throws -> String {
                try await cluster.execute("sh", "-ec", "rados -p rbd lock \(words)")
            }
            _ = try await lock("get \(header) rbd_lock --lock-cookie 'auto 1'")
            let holders = try await lab.store.holders.all(until: .now + .seconds(60)).flatMap { try $0.get() }
            let holder = try #require(holders.first { $0.id == volume.id })
            let address = holder.client.address
            let client = try #require(Fence(of: address, among: holders).clients.first)
            try await faulty.freeze("osd.0")
            let start = ContinuousClock.now
            let error = await #expect(throws: VolumeError.self) {
                try await lab.store.holders.fence(client, deadline: .now + .seconds(20))
            }
            #expect(error?.code == .deadlineExceeded, "\(error?.message ?? "")")
            #expect(error?.message.contains("fence '\(address)'") == true, "\(error?.message ?? "")")
            #expect(ContinuousClock.now - start < .seconds(50))
            // The order: refused first, so that whoever takes the lock next is the only writer.
            #expect(try await faulty.ceph("osd", "blocklist", "ls").contains(address))
            try await faulty.thaw("osd.0")
            _ = try await lab.store.holders.fence(client, deadline: .now + .seconds(90))
            #expect(try await !lock("info \(header) rbd_lock").contains(address))
            #expect(try await faulty.ceph("osd", "blocklist", "ls").contains(address))
            // Once more is no error.
            _ = try await lab.store.holders.fence(client, deadline: .now + .seconds(90))
        }
    }
}
