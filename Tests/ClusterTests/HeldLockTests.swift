import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Calls that would wait for a lock which nobody will ever give back say so, and keep nobody else waiting.
@Suite("Locks taken by hand", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct HeldLockTests {
    @Test("Delete and expand name lock, owner and command at once; thirty of them hold up nobody; the command helps")
    func held() async throws {
        let cluster = try #require(MicroCluster.current)
        let bench = VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "held"
        )
        var volumes: [Volume] = []
        for _ in 0..<30 { volumes.append(try await bench.create(bench.request(UUID().uuidString))) }
        let specs = volumes.map(\.id.imageSpec).joined(separator: " ")
        // Anybody who may lock an image names the lock; the command that is printed is pasted into a root's shell.
        let trap = "/tmp/nacre-held-\(UInt32.random(in: 0...UInt32.max))"
        let cookie = "mine'; touch \(trap); '$(touch \(trap))`touch \(trap)`"
        let quoted = cookie.replacing("'", with: "'\"'\"'")
        try await cluster.execute("sh", "-ec", "for image in \(specs); do rbd lock add $image '\(quoted)'; done")
        let id = try #require(volumes.first).id
        let condition = try await bench.service.status(of: id.description, deadline: .now + .seconds(100)).condition
        #expect(condition.isAbnormal && condition.message.contains("rbd lock rm"), "\(condition)")
        #expect(!condition.message.contains("fences"), "\(condition)")
        let messages = await withTaskGroup(of: String.self) { group in
            for volume in volumes {
                group.addTask {
                    do {
                        try await bench.delete(volume.id.description)
                        return "deleted"
                    } catch {
                        return "\(error)"
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for message in messages {
            #expect(message.contains("'mine'\\''") && message.contains("client."), "\(message)")
            #expect(message.contains("rbd lock rm"), "\(message)")
        }
        let other = try await bench.create(bench.request(UUID().uuidString))
        try await bench.delete(other.id.description)
        for message in messages {
            let command = try #require(message.range(of: "rbd lock rm .*", options: .regularExpression))
            try await cluster.execute("sh", "-ec", String(message[command]))
        }
        #expect(!FileManager.default.fileExists(atPath: trap))
        for volume in volumes { try await bench.delete(volume.id.description) }
    }

    @Test("In a full pool that never had a trash, a delete makes room")
    func full() async throws {
        try await FaultyCluster.with { faulty in
            let scene = try PurgerTests.Scene(faulty.cluster)
            let (handle, id) = try await scene.create()
            let words = "--io-type write --io-size 1M --io-total 16M"
            try await scene.cluster.execute("sh", "-ec", "rbd bench \(words) rbd/\(scene.image)")
            // `rbd pool init` of Ceph 20 makes it already.
            if try await scene.census.holds("rbd_trash") { try await scene.census.removeObject("rbd_trash") }
            #expect(try await !scene.census.holds("rbd_trash"))
            try await faulty.ceph("osd", "pool", "set-quota", "rbd", "max_objects", "1")
            try await eventually("the pool is full") {
                try await faulty.ceph("osd", "pool", "ls", "detail").contains("full_quota")
            }
            // The OSDs hear of it later than the monitor says so: until then a pool takes what makes it larger.
            try await eventually("nothing can be written") {
                do {
                    _ = try await scene.bench.create(scene.bench.request(UUID().uuidString))
                    return false
                } catch let error as VolumeError where error.code == .resourceExhausted {
                    return true
                }
            }
            try await scene.bench.delete(handle)
            try await eventually("its space is free") { try await !scene.isInTrash(id) }
            #expect(try await !scene.census.holds(ImageObject.header(ofID: id)))
        }
    }
}
