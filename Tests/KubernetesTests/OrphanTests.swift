import Foundation
import KubernetesAPI
import TestSupport
import Testing

@Suite("Images that nobody has", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct OrphanTests {
    private func orphans(_ world: World, _ words: String...) async throws -> Output {
        let log = "\(world.directory)/orphans-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            NacreProcess.program,
            ["controller", "orphans", words[0], "--pool", World.pool] + words.dropFirst() + [
                "--kubeconfig", "\(try #require(KubeLab.directory))/admin.kubeconfig",
                "--config", world.cluster.configurationPath, "--secret-dir", world.cluster.provisionerSecret,
            ],
            log: log
        )
        let end = try await process.end(within: .seconds(60))
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
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
            let rbd = try ChildProcess(
                "/usr/bin/rbd",
                ["-c", "\(world.cluster.directory)/ceph.conf", "create", "--size", "8M", "\(World.pool)/\(orphan)"],
                log: "/dev/null"
            )
            #expect(try await rbd.end(within: .seconds(60)) == .exited(0))

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
