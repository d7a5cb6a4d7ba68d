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
        let end = try await process.end()
        return Output(text: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end: end)
    }

    private func makeImage(_ image: String, _ world: World) async throws {
        try await run("rbd", ["create", "--size", "8M", image], world)
    }

    /// Runs a program of Ceph's as the administrator.
    private func run(_ program: String, _ words: [String], _ world: World) async throws {
        let configuration = ["-c", "\(world.cluster.directory)/ceph.conf"]
        let process = try ChildProcess("/usr/bin/\(program)", configuration + words, log: "/dev/null")
        #expect(try await process.end() == .exited(0))
    }

    /// Has an image say that it is of a cluster; of this one without a uid.
    private func mark(_ image: String, _ world: World, cluster: String? = nil) async throws {
        let namespace = try await world.client.call(.get("/api/v1/namespaces/kube-system"))
        let uid = try #require(namespace["metadata", "uid"]?.string)
        let pairs = [
            ("nacre.io/kubernetes-cluster", cluster ?? uid), ("nacre.io/request-name", image),
            ("csi.storage.k8s.io/pvc/namespace", "db"), ("csi.storage.k8s.io/pvc/name", "data-\(cluster ?? "0")"),
        ]
        for (key, value) in pairs {
            try await run("rbd", ["image-meta", "set", "\(World.pool)/\(image)", key, value], world)
        }
    }

    @Test("Images of another cluster, and those that do not say whose they are, are shown apart and stay")
    func strangers() async throws {
        try await inWorld { world in
            let names = (0..<3).map { _ in "\(world.name)-\(UUID().uuidString.lowercased())" }
            for name in names { try await makeImage("\(World.pool)/\(name)", world) }
            try await mark(names[0], world)
            try await mark(names[1], world, cluster: "11111111-2222-4333-8444-555555555555")
            let listed = try await orphans(world, "list")
            let parts = listed.text.split(separator: "NOT KNOWN TO BE OURS")
            #expect(parts.count == 2, "\(listed.text)")
            #expect(parts[0].contains(names[0]) && parts[0].contains("db/data-0"), "\(listed.text)")
            #expect(names[1...].allSatisfy { parts[1].contains($0) && !parts[0].contains($0) }, "\(listed.text)")
            #expect(parts[1].contains("11111111-2222-4333-8444-555555555555"), "\(listed.text)")
            for (name, reason) in [(names[1], "another Kubernetes cluster"), (names[2], "does not say which cluster")] {
                let refused = try await orphans(world, "remove", "--image", names[0], "--image", name)
                #expect(refused.end == .exited(64) && refused.text.contains(reason), "\(refused.text)")
            }
            #expect(Set(try await world.images()) == Set(names))
            let unasked = try await orphans(world, "remove", "--image", names[0])
            #expect(unasked.end == .exited(64) && unasked.text.contains("--plan"), "\(unasked.text)")
            let planned = try await orphans(world, "remove", "--image", names[0], "--plan")
            #expect(planned.end == .exited(0) && planned.text.contains(names[0]), "\(planned.text)")
            #expect(try await world.images().contains(names[0]), "a plan removes nothing")
            let removed = try await orphans(world, "remove", "--image", names[0], "--yes")
            #expect(removed.end == .exited(0), "\(removed.text)")
            #expect(Set(try await world.images()) == Set(names[1...]))
            for name in names[1...] { try await run("rbd", ["rm", "\(World.pool)/\(name)"], world) }
        }
    }

    @Test("Those of a pool are listed and removed beside a silent pool; where that one is meant, nothing is done")
    func silent() async throws {
        try await inWorld { world in
            let namespace = try await world.client.call(.get("/api/v1/namespaces/kube-system"))
            let uid = try #require(namespace["metadata", "uid"]?.string)
            let kubeconfig = "\(try #require(KubeLab.directory))/admin.kubeconfig"
            try await FaultyCluster.with { faulty in
                let nacre = NacreCommand(try NacreProcess(faulty.cluster), cluster: faulty.cluster)
                let made = try await nacre("volume create o1 --direct --pool rbd --size 16MiB --quiet")
                let image = String(try #require(made.output.split(separator: "/").last).filter { !$0.isWhitespace })
                let key = "nacre.io/kubernetes-cluster"
                try await faulty.cluster.execute("rbd", "image-meta", "set", "rbd/\(image)", key, uid)
                try await faulty.makeSilentPool("silent")
                let own = "--kubeconfig \(kubeconfig) --timeout 60s"
                let all = try await nacre("controller orphans list \(own)")
                #expect(all.status == 75 && all.output.contains(image) && all.notes.contains("'silent'"), "\(all)")
                let listed = try await nacre("controller orphans list --pool rbd \(own)")
                #expect(listed.status == 0 && listed.output.contains(image), "\(listed)")
                #expect(!listed.notes.contains("'silent'"), "\(listed)")
                let away = try await nacre("controller orphans remove --pool silent --image \(image) --yes \(own)")
                #expect(away.status == 75 && away.notes.contains("nothing was done"), "\(away)")
                let removed = try await nacre("controller orphans remove --pool rbd --image \(image) --yes \(own)")
                #expect(removed.status == 0 && removed.output.contains(image), "\(removed)")
            }
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
            try await mark(orphan, world)

            let listed = try await orphans(world, "list")
            #expect(listed.end == .exited(0), "\(listed.text)")
            #expect(listed.text.contains(orphan) && !listed.text.contains(mine), "\(listed.text)")
            for refused in [
                try await orphans(world, "remove"),
                try await orphans(world, "remove", "--image", orphan, "--image", mine),
            ] {
                #expect(refused.end == .exited(64) && refused.text.contains("nothing was done"), "\(refused.text)")
            }
            #expect(Set(try await world.images()) == [mine, orphan])

            let removed = try await orphans(world, "remove", "--image", orphan, "--yes")
            #expect(removed.end == .exited(0), "\(removed.text)")
            #expect(try await world.images() == [mine])
            try await world.delete(claim)
            try await world.waitGone()
            try await controller.stop()
        }
    }
}
