import Foundation
import RADOS
import RBD
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Moves of images by librbd, beside what `rbd status` and `rbd export` say of them.
@Suite("Migrations of images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct MigrationTests {
    let bench: SnapshotBench
    let there: PoolCensus

    init() throws {
        bench = try SnapshotBench()
        there = try PoolCensus(bench.cluster, pool: "replicapool")
    }

    private func does<R: Sendable>(_ body: @escaping @Sendable (IOContext) throws -> R) async throws -> R {
        try await bench.census.blocking(body)
    }

    private func make() async throws -> String {
        try await bench.shell("rbd create --size 16M $image")
        try await bench.write(["m:0:4096", "n:9437184:1048576"])
        return try await bench.checksum()
    }

    /// What `rbd status` says of a move.
    struct Status: Decodable {
        struct Migration: Decodable {
            let source_pool_name: String
            let source_image_name: String
            let dest_pool_name: String
            let dest_image_name: String
            let state: String
        }

        let migration: Migration?
    }

    private func prepare(_ options: ImageOptions = ImageOptions()) async throws {
        let (name, destination) = (bench.name, there.pool)
        try await does { try $0.prepareMigration(of: name, to: destination, as: name, options: options) }
    }

    @Test("An image goes to another pool with another layout, read at each step, and is as any other in the end")
    func moved() async throws {
        let content = try await make()
        let (name, destination) = (bench.name, there.pool)
        let id = try await bench.id()
        #expect(try await does { try $0.migrationStatus(of: name) } == nil)
        var options = ImageOptions()
        options.objectSizeBytes = 1 << 20
        try await prepare(options)
        let prepared = try #require(try await does { _ in try destination.migrationStatus(of: name) })
        #expect(prepared.state == .prepared)
        #expect(prepared.source.poolID == bench.census.pool.poolID && prepared.source.id == id)
        #expect(prepared.destination.poolID == destination.poolID && prepared.destination.name == name)
        let shown = try await bench.json("rbd status replicapool/$name", as: Status.self).migration
        #expect(shown?.state == "prepared" && shown?.source_image_name == name)
        #expect(shown?.dest_pool_name == "replicapool")
        // The old name leads to it as well.
        #expect(try await does { try $0.migrationStatus(of: name) } == prepared)
        #expect(try await bench.checksum(pool: "replicapool") == content)
        let early = await bench.code { try await does { _ in try destination.commitMigration(of: name) { _, _ in } } }
        #expect(early == .invalidArgument)

        let calls = Atomic(0)
        try await does { _ in
            try destination.executeMigration(of: name) { _, _ in calls.add(1, ordering: .relaxed) }
        }
        #expect(calls.load(ordering: .relaxed) > 0)
        #expect(try await does { _ in try destination.migrationStatus(of: name) }?.state == .executed)
        #expect(try await bench.checksum(pool: "replicapool") == content)
        try await does { _ in try destination.commitMigration(of: name) { _, _ in } }
        #expect(try await does { _ in try destination.migrationStatus(of: name) } == nil)
        #expect(try await bench.census.hasNoTrace(of: name))
        #expect(try await !bench.census.holds(ImageObject.header(ofID: id)))
        #expect(try await bench.checksum(pool: "replicapool") == content)
        #expect(try await bench.shell("rbd info replicapool/$name").contains("order 20"))
        try await bench.shell("rbd rm --no-progress replicapool/$name")
    }

    @Test("A move that is taken back leaves the image where it was, with what was written meanwhile")
    func aborted() async throws {
        _ = try await make()
        let (name, destination) = (bench.name, there.pool)
        let id = try await bench.id()
        try await prepare()
        try await bench.write(["w:4194304:8192"], in: "replicapool")
        let content = try await bench.checksum(pool: "replicapool")
        try await does { _ in try destination.abortMigration(of: name) { _, _ in } }
        #expect(try await bench.id() == id)
        #expect(try await bench.checksum() == content)
        #expect(try await there.hasNoTrace(of: name))
        try await bench.shell("rbd rm --no-progress $image")
    }

    @Test("What cannot be moved has the error that says so, and stays as it was")
    func errors() async throws {
        let content = try await make()
        let (name, destination) = (bench.name, there.pool)
        let unknown = await bench.code { try await does { _ = try $0.migrationStatus(of: "none") } }
        #expect(unknown == .noSuchFileOrDirectory)
        let executed = await bench.code { try await does { try $0.executeMigration(of: name) { _, _ in } } }
        #expect(executed == .invalidArgument)
        let aborted = await bench.code { try await does { try $0.abortMigration(of: name) { _, _ in } } }
        #expect(aborted == .invalidArgument)
        let busy = try await does { pool in
            let holder = try Image.open(name, in: pool, access: .readWrite)
            defer { holder.close() }
            do throws(RBDError) {
                try pool.prepareMigration(of: name, to: destination, as: name, options: ImageOptions())
                return Errno?.none
            } catch {
                return error.code
            }
        }
        #expect(busy == .resourceBusy)
        try await bench.shell("rbd create --size 4M replicapool/$name")
        #expect(await bench.code { try await prepare() } == .fileExists)
        #expect(try await bench.checksum() == content)
        try await bench.shell("rbd rm --no-progress replicapool/$name; rbd rm --no-progress $image")
    }
}
