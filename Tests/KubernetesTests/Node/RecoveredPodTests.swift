import Foundation
import JSON
import KubernetesAPI
import TestSupport
import Testing

extension PodTests {
    @Test("A pod reads what its claim held before Kubernetes was lost", arguments: Delivery.both)
    func recovered(delivery: Delivery) async throws {
        try await inWorld { world in
            try await world.makePodClass(delivery: delivery)
            let controller = try await world.controller()
            let agent = try await world.agent()
            do {
                try await loseAndRead(world, controller)
            } catch {
                Issue.record("\(error)\n\(world.logText("agent").suffix(4000))")
            }
            _ = try? await agent.stop()
            _ = try? await controller.stop()
        }
    }

    private func loseAndRead(_ world: World, _ controller: ChildProcess) async throws {
        try await world.claim("data", size: "320Mi")
        try await world.pod("one", claim: "data")
        try await world.waitReady("one")
        _ = try await world.shell("one", "echo kept | dd of=/data/word conv=fsync")
        try await world.deletePod("one")
        try await world.waitUnmapped()
        try await controller.stop()
        try await world.loseObjects()
        let images = try await world.images()
        let untouched = try await world.everything(of: images)
        let done = try await world.recover("--apply")
        #expect(done.end == .exited(0), "\(done.text)")
        #expect(try await world.everything(of: images) == untouched)
        let next = try await world.controller("b")
        try await world.waitBound(1)
        try await world.pod("two", claim: "data")
        try await world.waitReady("two")
        #expect(try await world.shell("two", "cat /data/word") == "kept")
        try await world.deletePod("two")
        for claim in try await world.claims() { try await world.delete(claim) }
        try await world.waitGone()
        try await next.stop()
    }

    @Test("All of a Kubernetes whose etcd is lost comes back in the next one", .disabled(if: KubeLab.isGuest))
    func etcdIsLost() async throws {
        try await inWorld { world in
            try await world.makePodClass()
            var processes = [try await world.controller(), try await world.agent()]
            try await world.claim("data", size: "320Mi")
            try await world.claim("more", size: "64Mi", spec: ["volumeMode": "Block"])
            try await world.pod("one", claim: "data")
            try await world.waitReady("one")
            _ = try await world.shell("one", "echo kept | dd of=/data/word conv=fsync")
            try await world.waitBound(2)
            try await world.deletePod("one")
            try await world.waitUnmapped()
            for process in processes { try await process.stop() }
            let lost = try await clusterUID(world)
            let images = try await world.images()
            let untouched = try await world.everything(of: images)

            try await KubeLab.lab(
                "stop",
                "kubelet.n1",
                "kube-scheduler",
                "kube-controller-manager",
                "kube-apiserver",
                "etcd"
            )
            try FileManager.default.removeItem(atPath: "\(try #require(KubeLab.directory))/etcd")
            try await KubeLab.lab(
                "start",
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet.n1",
                "--wait"
            )
            try await eventually("the node is there again") {
                try await KubeLab.kubectl("get", "node", "n1").end == .exited(0)
            }
            #expect(try await clusterUID(world) != lost)
            try await world.makeNamespace()
            try await world.makePodClass()

            let unasked = try await world.recover("--apply")
            #expect(unasked.end == .exited(0) && unasked.text.contains("--of-cluster \(lost)"), "\(unasked.text)")
            #expect(try await world.volumes().isEmpty)
            let done = try await world.recover("--of-cluster", lost, "--apply")
            #expect(done.end == .exited(0), "\(done.text)")
            #expect(try await world.everything(of: images) == untouched)
            processes = [try await world.controller("b"), try await world.agent("agent-b")]
            try await world.waitBound(2)
            try await world.pod("two", claim: "data")
            try await world.waitReady("two")
            #expect(try await world.shell("two", "cat /data/word") == "kept")
            let orphans = try await orphans(world)
            #expect(images.allSatisfy { !orphans.contains($0) }, "\(orphans)")
            // The image is the next one's by now, should that be lost, too.
            let uid = try await clusterUID(world)
            try await eventually("the images say who has them") {
                for image in images {
                    let line = "rbd image-meta get \(World.pool)/\(image) nacre.io/kubernetes-cluster"
                    guard try await world.ceph(line).contains(uid) else { return false }
                }
                return true
            }
            try await world.deletePod("two")
            for claim in try await world.claims() { try await world.delete(claim) }
            try await world.waitGone()
            for process in processes { try await process.stop() }
        }
    }

    private func clusterUID(_ world: World) async throws -> String {
        let namespace = try await world.client.call(.get("/api/v1/namespaces/kube-system"))
        return try #require(namespace["metadata", "uid"]?.string)
    }

    private func orphans(_ world: World) async throws -> String {
        let log = "\(world.directory)/orphans.log"
        let process = try ChildProcess(
            NacreProcess.program,
            [
                "controller", "orphans", "list", "--pool", World.pool, "--kubeconfig", try KubeLab.administrator,
                "--config",
                world.cluster.configurationPath, "--secret-dir", world.cluster.provisionerSecret,
            ],
            log: log
        )
        #expect(try await process.end() == .exited(0))
        return try String(contentsOfFile: log, encoding: .utf8)
    }
}
