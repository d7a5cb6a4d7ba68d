import Blocking
import Foundation
import Glibc
import ImageIO
import ImageMapping
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RBD
import Testing
import Volumes

extension NodeTests {
    @Test(
        "fuse: while the cluster is frozen I/O waits, and then it completes; no error, nothing read-only, nothing lost"
    )
    func fuseOutage() async throws {
        let lab = try await NodeLab.fresh("away", megabytes: 400)
        try await lab.service().stage(lab.stageRequest("away"), deadline: soon)
        let place = lab.stagingPath("away")
        for daemons in ["osd.0 osd.1 osd.2", "mon.x osd.0 osd.1 osd.2"] {
            let earlier = try #require(lab.status("away")?.statistics).writes
            async let checked = verify("\(place)/f", seconds: 10)
            _ = try await lab.eventually("its first writes") {
                (lab.status("away")?.statistics?.writes ?? 0) > earlier ? true : nil
            }
            try await Task.sleep(for: .seconds(1))
            try await microCluster("freeze \(daemons)")
            // The answers that the OSDs sent before the freeze have arrived by then.
            try await Task.sleep(for: .seconds(1))
            let before = try #require(lab.status("away")?.statistics)
            try await Task.sleep(for: .seconds(4))
            // Nothing becomes stable, and requests wait: the outage is real.
            let during = try await lab.eventually("a request that waits") {
                lab.status("away")?.statistics.flatMap { $0.inFlight > 0 ? $0 : nil }
            }
            #expect(during.unstableBytes >= before.unstableBytes)
            try await microCluster("thaw \(daemons) --wait")
            _ = try await checked
        }
        let statistics = try #require(lab.status("away")?.statistics)
        #expect(statistics.errors == 0 && statistics.successions == 0)
        #expect(try MountTable.current().mount(at: place)?.isReadOnly == false)
        try await lab.run("down", "away", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("away")
    }

    @Test("fuse: a server that dies in an outage is replaced when the cluster is back, and nothing is lost")
    func fuseDeathInOutage() async throws {
        let lab = try await NodeLab.fresh("dark")
        try await lab.service().stage(lab.stageRequest("dark", fsType: nil), deadline: soon)
        let device = "\(lab.stagingPath("dark"))/device"
        try await shell("head -c 8M /dev/urandom > /tmp/dark-\(getpid())")
        let server = try #require(lab.status("dark")?.server)
        try await microCluster("freeze osd.0 osd.1 osd.2")
        // Acknowledged from memory, because no OSD answers.
        try await shell("timeout 30 dd if=/tmp/dark-\(getpid()) of=\(device) bs=1M oflag=direct")
        #expect(lab.status("dark")?.statistics?.unstableBytes == 8 << 20)
        try server.send(SIGKILL)
        async let read = shell("cmp -n \(8 << 20) /tmp/dark-\(getpid()) \(device) && echo well")
        try await Task.sleep(for: .seconds(2))
        try await microCluster("thaw osd.0 osd.1 osd.2 --wait")
        #expect(try await read == "well\n")
        _ = try await lab.successor(of: server, "dark")
        #expect(try #require(lab.status("dark")?.statistics).errors == 0)
        try await lab.run("down", "dark", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("dark")
        try await shell("rm /tmp/dark-\(getpid())")
    }

    @Test(
        "What a fenced node had acknowledged is never written over what another node wrote since; its I/O fails",
        arguments: [false, true]
    )
    func neverReplays(isThawed: Bool) async throws {
        let pair = try await NodePair("replay-\(isThawed)", .exclusiveLock)
        let (first, second, image) = (pair.first, pair.second, pair.image)
        try await first.service().stage(first.stageRequest(image, fsType: nil), deadline: soon)
        let mine = "\(first.stagingPath(image))/device"
        let server = try #require(first.status(image)?.server)
        // Without an OSD that answers, writes are acknowledged and stay in the servers' memory.
        try await microCluster("freeze osd.0 osd.1 osd.2")
        try await shell("timeout 30 dd if=/dev/urandom of=\(mine) bs=1M count=16 oflag=direct")
        #expect(first.status(image)?.statistics?.unstableBytes == 16 << 20)
        try first.signalServers(SIGSTOP)
        try await microCluster("thaw osd.0 osd.1 osd.2 --wait")

        _ = try await pair.nacre("node fence \(first.nodeID) --yes")
        try await second.service().stage(second.stageRequest(image, fsType: nil), deadline: soon)
        let others = "\(second.stagingPath(image))/device"
        try await shell(
            "tr '\\0' B < /dev/zero | dd of=\(others) bs=1M count=16 iflag=fullblock oflag=direct conv=fsync"
        )
        let sum = "dd if=\(others) bs=1M count=16 iflag=direct status=none | sha1sum"
        let written = try await shell(sum)
        // Nobody holds the image now. Only the fence of its keeper can prevent a successor.
        try await second.run("down", image, nil, observer: nil)

        if isThawed {
            try first.signalServers(SIGCONT)
            try await shell("! timeout 60 dd if=/dev/zero of=\(mine) bs=1M count=1 oflag=direct conv=fsync")
        }
        try server.send(SIGKILL)
        try first.signalServers(SIGCONT)
        let log = try #require(
            try first.mapper().inspect().first.map { "\(first.directory)/mappings/\($0.name)/server.log" }
        )
        _ = try await first.eventually("word of the fence in \(log)") {
            try KernelFile.text(log).contains("was taken from this node") ? true : nil
        }
        try await shell("! timeout 60 dd if=\(mine) of=/dev/null bs=1M count=1 iflag=direct")
        try await shell("! timeout 60 dd if=/dev/zero of=\(mine) bs=1M count=1 oflag=direct conv=fsync")
        #expect(try KernelFile.text(log).contains("acknowledged writes again") == false)
        try await second.service().stage(second.stageRequest(image, fsType: nil), deadline: soon)
        #expect(try await shell(sum) == written)
        try await pair.end(fsType: nil)
    }

    @Test(
        "A node that was fenced, and thawed, has a living device once it stages the volume again",
        arguments: ["ext4", nil]
    )
    func stagedAfterFence(fsType: String?) async throws {
        let pair = try await NodePair("refenced-\(fsType ?? "block")", .exclusiveLock)
        let (first, second, image) = (pair.first, pair.second, pair.image)
        let service = first.service()
        try await service.stage(first.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(first.publishRequest(image, fsType: fsType), deadline: soon)
        let dead = try #require(first.status(image)?.server)
        try first.signalServers(SIGSTOP)
        _ = try await pair.nacre("node fence \(first.nodeID) --yes")
        try await second.service().stage(second.stageRequest(image, fsType: fsType), deadline: soon)
        let others = "\(second.stagingPath(image))/\(fsType == nil ? "device" : "file")"
        try await shell(
            "tr '\\0' B < /dev/zero | dd of=\(others) bs=1M count=4 iflag=fullblock oflag=direct conv=fsync,notrunc"
        )
        try await second.run("down", image, fsType, observer: nil)
        try first.signalServers(SIGCONT)

        let path = first.targetPath(image)
        if fsType == nil {
            // The pod's path shows a number, which must not become another volume's.
            let refusal = await #expect(throws: VolumeError.self) {
                try await service.stage(first.stageRequest(image, fsType: nil), deadline: soon)
            }
            #expect(refusal?.message.contains(path) == true, "\(refusal?.message ?? "")")
            let backing = try await shell("cat /sys/block/loop$((0x$(stat -c %T \(path))))/loop/backing_file")
            #expect(backing.hasPrefix(first.directory))
            try await service.unpublish(volumeID: first.handle(image), targetPath: path, deadline: soon)
        }
        try await service.stage(first.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(first.publishRequest(image, fsType: fsType), deadline: soon)
        let mine = fsType == nil ? path : "\(path)/file"
        #expect(try await shell("dd if=\(mine) bs=1M count=4 iflag=direct status=none | tr -d B | wc -c") == "0\n")
        try await shell("dd if=/dev/urandom of=\(mine) bs=1M count=4 oflag=direct conv=fsync,notrunc")
        #expect(!dead.isAlive)
        try await service.unpublish(volumeID: first.handle(image), targetPath: path, deadline: soon)
        try await pair.end(fsType: fsType)
    }

    @Test(
        "fuse: while the cluster is frozen a repeated stage, publish and unpublish are done, and stats answer",
        arguments: ["ext4", "xfs", nil]
    )
    func repeatedInOutage(fsType: String?) async throws {
        let image = "repeated-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let service = lab.service()
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        let stats = StatsRequest(volumeID: lab.handle(image), volumePath: lab.targetPath(image), stagingPath: "")
        try await microCluster("freeze mon.x osd.0 osd.1 osd.2")
        var another = lab.publishRequest(image, fsType: fsType)
        another.targetPath += "-another"
        let failure: VolumeError?
        let refusal: VolumeError?
        do throws(VolumeError) {
            try await service.publish(another, deadline: soon)
            refusal = nil
        } catch {
            refusal = error
        }
        do throws(VolumeError) {
            // kubelet repeats its calls for every pod when it is started anew; the service may be a new one as well.
            for service in [service, lab.service()] {
                try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
                try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
                _ = try await service.stats(stats, deadline: soon)
            }
            try await service.unpublish(
                volumeID: lab.handle(image),
                targetPath: lab.targetPath(image),
                deadline: soon
            )
            failure = nil
        } catch {
            failure = error
        }
        try await microCluster("thaw mon.x osd.0 osd.1 osd.2 --wait")
        #expect(failure == nil)
        // Another pod is not given what may be another image by now.
        #expect(refusal?.code == .unavailable, "\(refusal?.message ?? "it was done")")
        // Once the cluster answers, another image is refused again.
        _ = try await rbd("mv rbd/\(image) rbd/\(image)-broken")
        await #expect {
            try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        } throws: { ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("\(image)-broken") }
        _ = try await rbd("mv rbd/\(image)-broken rbd/\(image)")
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("fuse: a server that is stopped keeps nobody who asks it, and a repeated stage and publish are done")
    func stoppedServer() async throws {
        let lab = try await NodeLab.fresh("deaf", megabytes: 16)
        let service = lab.service()
        try await service.stage(lab.stageRequest("deaf", fsType: nil), deadline: soon)
        try await service.publish(lab.publishRequest("deaf", fsType: nil), deadline: soon)
        let server = try #require(lab.status("deaf")?.server)
        try server.send(SIGSTOP)
        let askers = BlockingPool(threads: 20)
        // More than its socket keeps.
        let answers = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 { group.addTask { await askers.run { lab.status("deaf")?.statistics != nil } } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: false, count: 20))
        try await service.stage(lab.stageRequest("deaf", fsType: nil), deadline: soon)
        try await service.publish(lab.publishRequest("deaf", fsType: nil), deadline: soon)
        try server.send(SIGCONT)
        _ = try await lab.eventually("an answer") { lab.status("deaf")?.statistics }
        try await lab.run("down", "deaf", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("deaf")
    }

    /// Runs a command on daemons of the cluster that these tests share.
    func microCluster(_ words: String) async throws {
        let tool = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../tools/micro-cluster")
            .path
        try await shell("\(tool) \(words) --dir \(NodeLab.clusterDirectory ?? "") --quiet")
    }
}
