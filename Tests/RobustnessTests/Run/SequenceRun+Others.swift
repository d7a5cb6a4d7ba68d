import Foundation
import Glibc
import Synchronization
import TestSupport
import VolumeAPI

extension SequenceRun {
    /// Opens an image as a person's `rbd map` does, who has written nothing yet: a watch, and no lock.
    private static let opening = """
        import rados, rbd, sys, time
        cluster = rados.Rados(conffile=sys.argv[1])
        cluster.connect()
        image = rbd.Image(cluster.open_ioctx("rbd"), sys.argv[2])
        print("open", flush=True)
        time.sleep(600)
        """

    /// A person has the image open, and no node; then neither may a node have it, nor may it be deleted.
    func openByHand(_ index: Int) async throws {
        guard models[index].holds.values.allSatisfy({ $0 == .none }) else { return note("  not now") }
        let log = "\(crew.lab.directory)/by-hand-\(volumes[index].name)"
        let words = ["-c", Self.opening, "\(crew.lab.cluster.directory)/ceph.conf", volumes[index].image]
        let person = try ChildProcess("/usr/bin/python3", words, log: log)
        defer { unlink(log) }
        let isOpen = {
            (try? String(contentsOfFile: log, encoding: .utf8))?.contains("open") == true
        }
        let end = ContinuousClock.now + .seconds(60)
        while !isOpen(), person.isRunning, .now < end { try await Task.sleep(for: .milliseconds(50)) }
        guard isOpen() else { return note("  not opened") }
        // An OSD that stood still for longer than a watch has forgotten the person.
        let standstills = Crew.standstills.load(ordering: .sequentiallyConsistent)
        let isKnown = {
            standstills.isMultiple(of: 2) && standstills == Crew.standstills.load(ordering: .sequentiallyConsistent)
        }
        let name = volumes[index].name
        do {
            try await up(index, 0)
            if isKnown() { report(.notRefused(volume: name, what: "a stage beside a person's client")) }
        } catch {
            note("  up: \(error)")
        }
        do {
            try await crew.controller.delete(volumes[index], Self.patience)
            isDeleted[index] = true
            if isKnown() { report(.notRefused(volume: name, what: "a delete under a person's client")) }
        } catch {
            note("  delete: \(error)")
        }
        person.send(SIGKILL)
        _ = try? await person.end(within: .seconds(60))
    }

    /// The volume gets another claim: other places on the nodes, and what its handle alone tells.
    func rebind(_ index: Int) async throws {
        guard models[index].holds.values.allSatisfy({ $0 == .none }) else { return note("  not now") }
        try await converge("look at \(volumes[index].name)") {
            guard let found = try await self.crew.controller.get(self.volumes[index], Self.patience) else { return }
            self.note("  known by its handle: \(found.volumeContext.count) notes")
            self.volumes[index].context = found.volumeContext
        }
        // The caller's own, as kubelet's.
        for host in crew.nodes { rmdir(host.stagingPath(volumes[index])) }
        volumes[index].claims += 1
    }

    /// Another Kubernetes cluster on the pool, whose API server knows no volume, takes ours for a stranger's and cannot
    /// remove it, nor this one its; each takes its own for its own.
    func neighbour(_ index: Int) async throws {
        let (neighbour, ours) = (crew.neighbour, volumes[index])
        let made = theirs ?? Volume("\(ours.name)-theirs", Plan.Volume(kind: .block, isKept: false), of: .theirs)
        if theirs == nil {
            theirs = made
            try await converge("create \(made.name)") {
                let handle = try await neighbour.host.create(made, Self.patience)?.volumeID
                self.theirs?.handle = handle ?? ""
            }
        }
        guard let image = theirs?.image, !image.isEmpty else { return }
        for (cluster, own, other) in [
            (Neighbour.Cluster.theirs, image, ours.image), (Neighbour.Cluster.ours, ours.image, image),
        ] {
            let origins = try await told("list the images of \(cluster)") { try await neighbour.origins(for: cluster) }
            note("  \(cluster): its own is of \(origins[own].map(\.rawValue) ?? "nobody")")
            if origins[other] != .stranger {
                let who = origins[other]?.rawValue ?? "nobody"
                report(.notRefused(volume: other, what: "it was called \(who)'s by \(cluster), which did not make it"))
            }
            if origins[own] != .ours {
                report(.lostVolume(volume: own, message: "\(cluster) calls it \(origins[own]?.rawValue ?? "nobody")'s"))
            }
        }
        let (isRemoved, words) = try await told("be refused to remove a stranger's image") { () -> (Bool, String)? in
            let (isOK, output) = try await neighbour.remove(ours.image, as: .theirs)
            return isOK || output.contains("of another Kubernetes cluster") ? (isOK, output) : nil
        }
        note("  removed by the neighbour: \(isRemoved)")
        if isRemoved { report(.notRefused(volume: ours.name, what: "the other cluster removed it: \(words)")) }
    }

    /// Asks until there is an answer.
    private func told<R>(_ what: String, _ body: () async throws -> R?) async throws -> R {
        let end = ContinuousClock.now + Self.limit
        while true {
            if let answer = try await body() { return answer }
            guard .now < end else { throw Violation.stuck(what: what, message: "no answer") }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
