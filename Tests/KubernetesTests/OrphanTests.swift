import Foundation
import KubernetesAPI
import TestSupport
import Testing

@Suite("Images that nobody has", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct OrphanTests {
    private func orphans(_ world: World, _ words: String..., pool: String = World.pool) async throws -> Output {
        let log = "\(world.directory)/orphans-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            NacreProcess.program,
            ["controller", "orphans", words[0], "--pool", pool] + words.dropFirst() + [
                "--kubeconfig", "\(try #require(KubeLab.directory))/admin.kubeconfig",
                "--config", world.cluster.configurationPath, "--secret-dir", world.cluster.provisionerSecret,
            ],
            log: log
        )
        let end = try await process.end(within: .seconds(60))
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
    }

    private func makeImage(_ image: String, _ world: World) async throws {
        try await run("rbd", ["create", "--size", "8M", image], world)
    }

    /// Runs a program of Ceph's as the administrator.
    private func run(_ program: String, _ words: [String], _ world: World) async throws {
        let configuration = ["-c", "\(world.cluster.directory)/ceph.conf"]
        let process = try ChildProcess("/usr/bin/\(program)", configuration + words, log: "/dev/null")
        #expect(try await process.end(within: .seconds(60)) == .exited(0))
    }

    @Test("All of them go by the hash of the plan, and none when there is another one by then")
    func removalByPlan() async throws {
        try await inWorld { world in
            // A pool of its own: the plan is about all that it has.
            let pool = "orphans"
            try await run("ceph", ["osd", "pool", "create", pool, "1"], world)
            try await run("rbd", ["pool", "init", pool], world)
            let names = (0..<3).map { _ in "\(world.name)-\(UUID().uuidString.lowercased())" }
            for name in names.prefix(2) { try await makeImage("\(pool)/\(name)", world) }
            let listed = try await orphans(world, "list", pool: pool)
            let hash = try #require(listed.text.split(separator: "\n").last?.split(separator: " ").last)
            #expect(hash.count == 32 && names.prefix(2).allSatisfy(listed.text.contains), "\(listed.text)")

            try await makeImage("\(pool)/\(names[2])", world)
            let refused = try await orphans(world, "remove", "--plan-hash", String(hash), pool: pool)
            #expect(refused.end == .exited(64), "\(refused.text)")
            #expect(refused.text.contains("the plan is another one"), "\(refused.text)")
            #expect(refused.text.contains(names[2]), "\(refused.text)")

            let again = try await orphans(world, "list", pool: pool)
            let next = try #require(again.text.split(separator: "\n").last?.split(separator: " ").last)
            let removed = try await orphans(world, "remove", "--plan-hash", String(next), pool: pool)
            #expect(removed.end == .exited(0), "\(removed.text)")
            let left = try await orphans(world, "list", pool: pool)
            #expect(left.text.contains("no image is without"), "\(left.text)")
        }
    }

    @Test("They are listed, and go by their name alone; what a claim has stays whatever one names")
    func removal() async throws {
        try await inWorld { world in
            try await world.makeClass()
            let controller = try await world.controller()
            let claim = try await world.claim("data")
            try await world.waitBound(1)
            let mine = try #require(try await world.images().first)
            let orphan = "\(world.name)-\(UUID().uuidString.lowercased())"
            try await makeImage("\(World.pool)/\(orphan)", world)

            let listed = try await orphans(world, "list")
            #expect(listed.end == .exited(0), "\(listed.text)")
            #expect(listed.text.contains(orphan) && !listed.text.contains(mine), "\(listed.text)")
            for refused in [
                try await orphans(world, "remove"),
                try await orphans(world, "remove", "--plan-hash", "00000000000000000000000000000000"),
                try await orphans(world, "remove", "--image", orphan, "--image", mine),
            ] {
                #expect(refused.end == .exited(64) && refused.text.contains("nothing was done"), "\(refused.text)")
            }
            #expect(Set(try await world.images()) == [mine, orphan])

            let removed = try await orphans(world, "remove", "--image", orphan)
            #expect(removed.end == .exited(0), "\(removed.text)")
            #expect(try await world.images() == [mine])
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
