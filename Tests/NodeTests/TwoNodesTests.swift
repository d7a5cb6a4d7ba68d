import Glibc
import ImageMapping
import ImageOwnership
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// Two services with two names and two state directories on this host: the cluster sees two nodes.
extension NodeTests {
    @Test("A second node is refused, and told which node has the volume, where and since when", arguments: Feature.all)
    func refusesSecond(feature: Feature) async throws {
        let image = "second-\(feature)"
        let pair = try await NodePair(image, feature)
        try await pair.first.service().stage(pair.first.stageRequest(image), deadline: soon)
        let start = ContinuousClock.now
        let refusal = try await pair.refusal(of: pair.second)
        // It is known to be another node's, so there is no wait.
        #expect(.now - start < .seconds(20))
        #expect(
            refusal.contains("node '\(pair.first.nodeID)' (127.0.0.1:0/") && refusal.contains("since 20"),
            "\(refusal)"
        )
        #expect(refusal.contains("nacre node fence 127.0.0.1:0/"), "\(refusal)")
        try await pair.down(pair.first)
        try await pair.second.service().stage(pair.second.stageRequest(image), deadline: soon)
        #expect(try await pair.holderLock().contains("node=\(pair.second.nodeID) "))
        try await pair.end()
    }

    @Test("Of two nodes that stage at once, one gets the volume", arguments: Feature.all)
    func race(feature: Feature) async throws {
        let image = "race-\(feature)"
        let pair = try await NodePair(image, feature)
        for _ in 0..<3 {
            let won = try await withThrowingTaskGroup(of: Bool.self) { group in
                for lab in [pair.first, pair.second] {
                    group.addTask {
                        do throws(VolumeError) {
                            try await lab.service().stage(lab.stageRequest(image), deadline: soon)
                            return true
                        } catch {
                            #expect(error.code == .failedPrecondition && error.message.contains("in use"), "\(error)")
                            return false
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(won == 1)
            try await pair.down(pair.first)
            try await pair.down(pair.second)
        }
        try await pair.end()
    }

    @Test("A node that is frozen loses its volume to a fence; thawed, its late write fails and changes nothing")
    func fenceByHand() async throws {
        let pair = try await NodePair("fence", .exclusiveLock)
        try await pair.first.service().stage(pair.first.stageRequest("fence"), deadline: soon)
        let (mine, other) = (pair.first.stagingPath("fence"), pair.second.stagingPath("fence"))
        try await shell("echo first > \(mine)/kept && sync \(mine)/kept")
        try pair.first.signalServers(SIGSTOP)
        // Not awaited: it hangs until the thaw.
        async let late = shell(
            "dd if=/dev/zero of=\(mine)/late bs=1M count=8 oflag=direct conv=fsync 2>&1; echo status $?"
        )
        try await Task.sleep(for: .milliseconds(500))
        _ = try await pair.refusal(of: pair.second)

        let locks = try await pair.nacre("node locks --node \(pair.first.nodeID)")
        #expect(
            locks.contains("rbd/fence") && locks.contains("exclusive+holder") && locks.contains("alive"),
            "\(locks)"
        )
        await #expect(throws: (any Error).self) { try await pair.nacre("node fence \(pair.first.nodeID)", fails: true) }
        let plan = try await pair.nacre("node fence \(pair.first.nodeID) --plan")
        #expect(plan.contains("ALIVE") && plan.contains("rbd//fence"), "\(plan)")
        let done = try await pair.nacre("node fence \(pair.first.nodeID) --yes")
        #expect(done.contains("blocklisted, 2 locks broken"), "\(done)")

        let start = ContinuousClock.now
        try await pair.second.service().stage(pair.second.stageRequest("fence"), deadline: soon)
        #expect(.now - start < .seconds(25))
        #expect(try await shell("cat \(other)/kept") == "first\n")
        try await shell("dd if=/dev/urandom of=\(other)/mine bs=1M count=16 conv=fsync && sync -f \(other)")
        let sum = try await shell("sha1sum < \(other)/mine")

        try pair.first.signalServers(SIGCONT)
        let outcome = try await late
        #expect(outcome.contains("status 1"), "\(outcome)")
        try await pair.down(pair.first)
        try await pair.down(pair.second)
        try await pair.second.service().stage(pair.second.stageRequest("fence"), deadline: soon)
        #expect(try await shell("sha1sum < \(other)/mine") == sum)
        #expect(try await shell("ls \(other)") == "kept\nlost+found\nmine\n")
        #expect(try await pair.nacre("node unfence 127.0.0.1 --plan").contains("refused until"))
        try await pair.end()
    }

    @Test("A node that died without a word loses its volume once its watch has run out", arguments: Feature.all)
    func fenceByTime(feature: Feature) async throws {
        let image = "silent-\(feature)"
        let pair = try await NodePair(image, feature)
        try await pair.first.service().stage(pair.first.stageRequest(image, fsType: "xfs"), deadline: soon)
        let place = pair.first.stagingPath(image)
        try await shell("dd if=/dev/urandom of=\(place)/f bs=1M count=4 conv=fsync")
        let sum = try await shell("sha1sum < \(place)/f")
        try pair.first.signalServers(SIGSTOP)
        // One call is enough: kubelet's next would come up to 16 s later.
        let second = pair.second.stageRequest(image, fsType: "xfs")
        try await pair.second.service().stage(second, deadline: .now + .seconds(120))
        #expect(try await shell("sha1sum < \(pair.second.stagingPath(image))/f") == sum)
        let list = try await shell("ceph -c \(NodeLab.clusterDirectory ?? "")/ceph.conf osd blocklist ls")
        #expect(list.contains("127.0.0.1:0/"))
        try pair.first.signalServers(SIGCONT)
        try await shell("! dd if=/dev/zero of=\(place)/late bs=1M count=4 oflag=direct conv=fsync")
        #expect(try await shell("sha1sum < \(pair.second.stagingPath(image))/f") == sum)
        try await pair.end()
    }

    @Test("A volume whose server died after its node forgot it is staged again at once", arguments: Feature.all)
    func forgotten(feature: Feature) async throws {
        let image = "forgot-\(feature)"
        let pair = try await NodePair(image, feature)
        let lab = pair.first
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        try lab.signalServers(SIGKILL)
        // Removes every record on this node; the dead server's watch lasts 30 s.
        try await pair.down(lab)
        #expect(try lab.remains() == [])
        let start = ContinuousClock.now
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        #expect(.now - start < .seconds(25))
        try await pair.end()
    }

    @Test(
        "What this node had before its last boot hinders it for as long as it may be another's",
        arguments: Feature.all
    )
    func booted(feature: Feature) async throws {
        let image = "boot-\(feature)"
        let pair = try await NodePair(image, feature)
        let lab = pair.first
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        try lab.signalServers(SIGKILL)
        // As the node would have written before its reboot: another process has that id now.
        let cookie = try await pair.holderCookie()
        let words = cookie.split(separator: " ")
            .map { $0.hasPrefix("boot=") ? "boot=another" : $0.hasPrefix("process=") ? "process=1/1" : String($0) }
        try await pair.replaceHolder(cookie, by: words.joined(separator: " "))
        try await pair.down(lab)
        // A boot takes longer than a dead client's watch; a copy of this node would renew its watch.
        let deadline = ContinuousClock.now + .seconds(180)
        var isStaged = false
        while !isStaged, .now < deadline {
            do throws(VolumeError) {
                try await lab.service().stage(lab.stageRequest(image), deadline: soon)
                isStaged = true
            } catch {
                if error.code == .failedPrecondition { #expect(error.message.contains("another boot"), "\(error)") }
                try? await Task.sleep(for: .seconds(1))
            }
        }
        #expect(isStaged)
        try await pair.end()
    }

    @Test("A node that was copied from another is told so, and neither fences the other", arguments: Feature.all)
    func copied(feature: Feature) async throws {
        let image = "copied-\(feature)"
        let pair = try await NodePair(image, feature)
        try await pair.first.service().stage(pair.first.stageRequest(image), deadline: soon)
        try await shell("cp \(pair.first.directory)/host \(pair.second.directory)/host")
        // As the node's copy writes it, on a machine with its own boot.
        let cookie = try await pair.holderCookie()
        let address = try #require(cookie.split(separator: " ").first { $0.hasPrefix("address=") }?.dropFirst(8))
        let words = cookie.split(separator: " ").map { $0.hasPrefix("boot=") ? "boot=another" : String($0) }
        try await pair.replaceHolder(cookie, by: words.joined(separator: " "))
        let refusal = try await pair.refusal(of: pair.second)
        #expect(refusal.contains("another boot") && refusal.contains("'host'"), "\(refusal)")
        let list = try await shell("ceph -c \(NodeLab.clusterDirectory ?? "")/ceph.conf osd blocklist ls")
        #expect(!list.contains(address), "\(list)")
        let place = pair.first.stagingPath(image)
        try await shell("dd if=/dev/zero of=\(place)/f bs=1M count=4 oflag=direct conv=fsync status=none")
        try await pair.end()
    }

    @Test("A client that only watches counts: it may write in a moment", arguments: Feature.all)
    func watchedByHand(feature: Feature) async throws {
        let image = "watched-\(feature)"
        let pair = try await NodePair(image, feature)
        let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
        // It watches until its input ends; a shell's background process is deaf to SIGINT.
        let note = "\(pair.first.directory)/typist"
        try await shell(
            """
            sh -c 'echo $$ > \(note); exec sleep 100' 2> /dev/null \
                | rbd -c \(conf) watch rbd/\(image) > /dev/null 2>&1 &
            """
        )
        let deadline = ContinuousClock.now + .seconds(120)
        while try await !rbd("status rbd/\(image)").contains("watcher="), .now < deadline {
            try await Task.sleep(for: .milliseconds(100))
        }
        let refusal = try await pair.refusal(of: pair.first)
        #expect(refusal.contains("of which no node has made a note"), "\(refusal)")
        let typist = try #require(Int32(KernelFile.firstLine(note) ?? "").flatMap { ProcessIdentity(of: $0) })
        try typist.send(SIGTERM)
        var isStaged = false
        while !isStaged, .now < deadline + .seconds(60) {
            isStaged = (try? await pair.first.service().stage(pair.first.stageRequest(image), deadline: soon)) != nil
            if !isStaged { try await Task.sleep(for: .milliseconds(200)) }
        }
        #expect(isStaged)
        try await pair.end()
    }

    @Test("A raw volume whose acknowledged write was lost says so")
    func lostWrite() async throws {
        let pair = try await NodePair("lost", .exclusiveLock)
        let lab = pair.first
        try await lab.service().stage(lab.stageRequest("lost", fsType: nil), deadline: soon)
        let place = "\(lab.stagingPath("lost"))/device"
        let request = StatsRequest(volumeID: lab.handle("lost"), volumePath: place, stagingPath: "")
        #expect(try await !lab.service().stats(request, deadline: soon).condition.isAbnormal)
        _ = try await pair.nacre("node fence \(lab.nodeID) --yes")
        try await shell("dd if=/dev/zero of=\(place) bs=64K count=4 oflag=direct conv=fsync status=none || true")
        let deadline = ContinuousClock.now + .seconds(120)
        var condition = try await lab.service().stats(request, deadline: soon).condition
        while !condition.isAbnormal, .now < deadline {
            try await Task.sleep(for: .milliseconds(200))
            condition = try await lab.service().stats(request, deadline: soon).condition
        }
        #expect(condition.isAbnormal && condition.message.contains("acknowledged"), "\(condition.message)")
        try await pair.end(fsType: nil)
    }

    @Test("A lock that a service took for the kernel is taken back by the next one, and nobody is fenced for it")
    func heldOverRestart() async throws {
        let pair = try await NodePair("held-over", .exclusiveLock)
        try await makeImage("held-next", megabytes: 16)
        let lab = pair.first
        func ownership() -> ImageOwnership {
            ImageOwnership(stateDirectory: lab.directory, nodeID: lab.nodeID, logger: lab.quietLogger)
        }
        func request(_ image: String) -> MapRequest {
            MapRequest(
                image: ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: image),
                monitors: lab.monitors,
                credentials: lab.credentials,
                sharing: .oneNode
            )
        }
        try ownership().hold(request("held-over"), address: "127.0.0.1:0/4242")
        #expect(try await pair.holderLock().contains("127.0.0.1:0/4242"))
        // Restarted, it has no user to ask as.
        let next = ownership()
        next.release(request("held-over").image)
        #expect(try await pair.holderLock().contains("127.0.0.1:0/4242"))
        try next.settle(request("held-next"))
        #expect(try await !pair.holderLock().contains("127.0.0.1:0/4242"))
        let list = try await shell("ceph -c \(NodeLab.clusterDirectory ?? "")/ceph.conf osd blocklist ls")
        #expect(!list.contains("127.0.0.1:0/4242"), "\(list)")
        try await pair.end()
    }

    @Test("Noted locks whose pool or image is gone are forgotten, and the others regained all the same")
    func regainsOthers() async throws {
        let lab = try await NodeLab.fresh("regain-alive")
        try await makeImage("regain-gone", megabytes: 16)
        // The pool's images come first, by name: what cannot be reached must not hide the rest.
        let ceph = "ceph -c \(NodeLab.clusterDirectory ?? "")/ceph.conf"
        try await shell(
            "\(ceph) osd pool create regain-pool 1 && rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf "
                + "create regain-pool/lost --size 16M"
        )
        func ownership() -> ImageOwnership {
            ImageOwnership(stateDirectory: lab.directory, nodeID: lab.nodeID, logger: lab.quietLogger)
        }
        func request(_ pool: String, _ image: String) -> MapRequest {
            MapRequest(
                image: ImageAddress(clusterID: "lab", pool: pool, namespace: "", name: image),
                monitors: lab.monitors,
                credentials: lab.credentials,
                sharing: .oneNode
            )
        }
        let first = ownership()
        for (number, each) in [("regain-pool", "lost"), ("rbd", "regain-gone"), ("rbd", "regain-alive")].enumerated() {
            try first.hold(request(each.0, each.1), address: "127.0.0.1:0/\(5000 + number)")
        }
        let notes = "\(lab.directory)/held"
        #expect(try KernelFile.names(in: notes).count == 3)
        try await shell(
            "\(ceph) config set mon mon_allow_pool_delete true && \(ceph) osd pool rm regain-pool regain-pool "
                + "--yes-i-really-really-mean-it"
        )
        _ = try await rbd("rm --no-progress rbd/regain-gone")
        let second = ownership()
        #expect(second.clustersToRegain == ["lab"])
        try second.regain(clusterID: "lab", monitors: lab.monitors, as: lab.credentials)
        #expect(second.clustersToRegain == [])
        #expect(try KernelFile.names(in: notes).count == 1)
        let alive = request("rbd", "regain-alive").image
        second.release(alive)
        #expect(try KernelFile.names(in: notes) == [])
        // One whose lock is another's stays noted, and is asked for again.
        try second.hold(request("rbd", "regain-alive"), address: "127.0.0.1:0/5003")
        let host = try KernelFile.bytes("\(lab.directory)/host")
        try KernelFile.replace("\(lab.directory)/host", with: Array("another\n".utf8))
        second.release(alive)
        #expect(try KernelFile.names(in: notes).count == 1)
        #expect(second.clustersToRegain == ["lab"])
        #expect(throws: MappingError.self) {
            try second.regain(clusterID: "lab", monitors: lab.monitors, as: lab.credentials)
        }
        try KernelFile.replace("\(lab.directory)/host", with: host)
        try second.regain(clusterID: "lab", monitors: lab.monitors, as: lab.credentials)
        #expect(try KernelFile.names(in: notes) == [])
        #expect(second.clustersToRegain == [])
        try await lab.remove("regain-alive")
    }

    @Test("A lock that somebody took by hand is respected, and the command to take it away is told")
    func lockedByHand() async throws {
        let pair = try await NodePair("hand", .exclusiveLock)
        let trap = "\(pair.first.directory)/trap"
        _ = try await rbd("lock add rbd/hand \"maintenance'; touch \(trap); '\"")
        let refusal = try await pair.refusal(of: pair.first)
        #expect(refusal.contains("locked by hand, as 'maintenance'"), "\(refusal)")
        let command = try #require(refusal.firstRange(of: "rbd lock rm rbd/hand "))
        _ = try await rbd(String(refusal[command.lowerBound...].dropFirst(4)))
        #expect(try FileKind.of(trap) == nil)
        try await pair.first.service().stage(pair.first.stageRequest("hand"), deadline: soon)
        try await pair.end()
    }

    @Test(
        "Two nodes have one block volume where that is asked for, to write or to read",
        arguments: [
            VolumeCapability.Mode.multiNodeMultiWriter, .multiNodeReaderOnly,
        ]
    )
    func shared(mode: VolumeCapability.Mode) async throws {
        let image = "shared-\(mode.rawValue)"
        let pair = try await NodePair(image, .exclusiveLock)
        for lab in [pair.first, pair.second] {
            try await lab.service().stage(lab.stageRequest(image, fsType: nil, mode: mode), deadline: soon)
        }
        if mode == .multiNodeMultiWriter {
            let places = [pair.first, pair.second].map { $0.stagingPath(image) + "/device" }
            for (index, place) in places.enumerated() {
                try await shell(
                    "printf %4096s x\(index) | dd of=\(place) bs=4K seek=\(index) oflag=direct conv=fsync status=none"
                )
            }
            for place in places {
                let text = try await shell("dd if=\(place) bs=4K count=2 iflag=direct status=none | tr -d ' '")
                #expect(text == "x0x1")
            }
        }
        try await pair.end(fsType: nil)
    }
}
