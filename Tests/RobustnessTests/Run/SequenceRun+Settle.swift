import Foundation
import Glibc
import Synchronization
import TestSupport
import VolumeAPI

extension SequenceRun {
    /// All faults end; then every volume must come down everywhere, come up somewhere with all that was acknowledged, take a
    /// write, and go, and nothing may be left.
    func settle() async throws {
        note("settling")
        crew.isSettling.store(true, ordering: .relaxed)
        defer { crew.isSettling.store(false, ordering: .relaxed) }
        for task in underWay { await task.value }
        underWay = []
        for host in crew.all {
            unlink("\(host.directory)/hold")
            try await host.answers()
        }
        for index in volumes.indices {
            for node in 0..<Plan.nodes {
                let what = "take \(volumes[index].name) down on node \(node)"
                try await converge(what) { try await self.down(index, node) }
            }
        }
        for index in volumes.indices where !isDeleted[index] { try await prove(index) }
        for index in volumes.indices {
            try await converge("delete \(volumes[index].name)") {
                try await self.crew.controller.delete(self.volumes[index], Self.patience)
            }
            if volumes[index].isKept { try await empty(index) }
        }
        if let theirs {
            try await converge("delete the neighbour's \(theirs.name)") {
                try await self.crew.neighbour.host.delete(theirs, Self.patience)
            }
        }
        try await lookForLeaks()
    }

    private func prove(_ index: Int) async throws {
        let node = Int(plan.seed % UInt64(Plan.nodes))
        let name = volumes[index].name
        try await converge("bring \(name) up on node \(node)") { try await self.up(index, node) }
        guard try await read(index, node) else {
            return report(.stuck(what: "read \(name) on node \(node)", message: "see the story"))
        }
        let before = models[index].acknowledged
        try await write(index, node)
        for task in underWay { await task.value }
        underWay = []
        guard models[index].acknowledged > before else {
            return report(.stuck(what: "write to \(name) on node \(node)", message: "see the story"))
        }
        try await read(index, node)
        try await converge("take \(name) down on node \(node)") { try await self.down(index, node) }
    }

    /// Takes what its class keeps out of the trash.
    private func empty(_ index: Int) async throws {
        for line in try await crew.lab.rbd("trash", "ls", "--all", "rbd").output.split(separator: "\n")
        where line.contains(volumes[index].image) {
            let id = line.split(separator: " ").first.map(String.init) ?? ""
            _ = try await crew.lab.rbd("trash", "rm", "--force", "--no-progress", "rbd/\(id)")
        }
    }

    private func imagesLeft() async throws -> [String] {
        let images = try await crew.lab.rbd("ls", "rbd")
        let trash = try await crew.lab.rbd("trash", "ls", "--all", "rbd")
        guard images.isOK, trash.isOK else { return ["the pool cannot be listed: \(images.output) \(trash.output)"] }
        return (volumes + [theirs].compactMap(\.self)).flatMap { volume in
            (images.output.contains(volume.image) ? ["image \(volume.image)"] : [])
                + (trash.output.contains(volume.image) ? ["\(volume.image) in the trash"] : [])
        }
    }

    private func lookForLeaks() async throws {
        let end = ContinuousClock.now + .seconds(180)
        var remains: [String] = []
        repeat {
            remains = []
            for host in crew.nodes {
                for volume in volumes {
                    // The caller's own, as kubelet's.
                    rmdir(host.stagingPath(volume))
                }
                remains += try await host.remains()
            }
            // Programs of Ceph's cost more than all else here.
            if remains.isEmpty { remains = try await imagesLeft() }
            if remains.isEmpty { return note("nothing is left") }
            try await Task.sleep(for: .milliseconds(300))
        } while .now < end
        for remain in remains { report(.leak(remain)) }
    }
}
