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
    /// Writes with checksums to a device for a while and reads all of it back; fio ends with an error at the first fault.
    func verify(_ device: String, seconds: Int) async throws -> String {
        try await shell(
            """
            fio --name=verify --filename=\(device) --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k-64k \
            --size=96m --time_based --runtime=\(seconds) --fsync=32 --verify=crc32c --verify_fatal=1 --verify_backlog=256 \
            --verify_state_save=0 \
            --output-format=terse && dd if=\(device) of=/dev/null bs=1M iflag=direct
            """
        )
    }

    @Test("A server that is killed is replaced, and who writes sees no error and loses nothing")
    func takeover() async throws {
        let lab = try await NodeLab.fresh("takeover")
        try await lab.service().stage(lab.stageRequest("takeover", fsType: nil), deadline: soon)
        let device = "\(lab.stagingPath("takeover"))/device"
        async let outcome = verify(device, seconds: 12)
        var times: [Duration] = []
        for _ in 0..<4 {
            try await Task.sleep(for: .seconds(2))
            let server = try #require(lab.status("takeover")?.server)
            let begin = ContinuousClock.now
            try server.send(SIGKILL)
            _ = try await lab.successor(of: server, "takeover")
            times.append(.now - begin)
        }
        _ = try await outcome
        print("takeovers took \(times)")
        let statistics = try #require(lab.status("takeover")?.statistics)
        #expect(statistics.successions == 4)
        #expect(statistics.errors == 0)
        #expect(try lab.mapper().inspect().first?.loopDevices.count == 1)
        try await lab.run("down", "takeover", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("takeover")
    }

    @Test("A write that was acknowledged and not stable is not lost with its server", arguments: ["ext4", "xfs"])
    func acknowledgedWrites(fsType: String) async throws {
        let image = "kept-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        let place = lab.stagingPath(image)
        let server = try #require(lab.status(image)?.server)
        // Direct writes without a flush, killed at once: most are only in memory.
        try await shell(
            "head -c 24M /dev/urandom > /tmp/\(image) && dd if=/tmp/\(image) of=\(place)/f bs=1M oflag=direct"
        )
        try server.send(SIGKILL)
        _ = try await lab.successor(of: server, image)
        try await shell(
            "sync -f \(place) && dd if=\(place)/f bs=1M iflag=direct status=none | cmp - /tmp/\(image) && rm /tmp/\(image)"
        )
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A keeper that is killed is replaced by its server, and a server that is killed then by the new keeper")
    func withoutKeeper() async throws {
        let lab = try await NodeLab.fresh("keeper")
        try await lab.service().stage(lab.stageRequest("keeper", fsType: nil), deadline: soon)
        async let outcome = verify("\(lab.stagingPath("keeper"))/device", seconds: 8)
        for _ in 0..<2 {
            let keeper = try #require(lab.status("keeper")?.keeper)
            let server = try #require(lab.status("keeper")?.server)
            try keeper.send(SIGKILL)
            let next = try await lab.eventually("a successor of the keeper") {
                lab.status("keeper")?.keeper.flatMap { $0 == keeper ? nil : $0 }
            }
            #expect(lab.status("keeper")?.server == server)
            try server.send(SIGKILL)
            _ = try await lab.successor(of: server, "keeper")
            #expect(lab.status("keeper")?.keeper == next)
        }
        _ = try await outcome
        let statistics = try #require(lab.status("keeper")?.statistics)
        #expect(statistics.successions == 2)
        #expect(statistics.errors == 0)
        // The lock is the first keeper's, although two others followed: other nodes see one owner.
        #expect(try await rbd("lock ls rbd/keeper").isEmpty == false)
        try await lab.run("down", "keeper", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("keeper")
    }

    @Test("A volume is taken away whose keeper was killed a moment before")
    func downWithoutKeeper() async throws {
        let lab = try await NodeLab.fresh("alone")
        for _ in 0..<3 {
            try await lab.service().stage(lab.stageRequest("alone", fsType: nil), deadline: soon)
            try #require(lab.status("alone")?.keeper).send(SIGKILL)
            try await lab.run("down", "alone", nil, observer: nil)
            #expect(try lab.remains() == [])
        }
        try await lab.remove("alone")
    }

    @Test(
        "A server that is stopped is told of, then replaced; who writes sees no error and loses nothing",
        .enabled(if: KernelRelease.current?.resendsFuseRequests ?? false, "needs Linux 6.9 or newer")
    )
    func stopped() async throws {
        let lab = try await NodeLab.fresh("stopped")
        let service = lab.service()
        try await service.stage(lab.stageRequest("stopped", fsType: nil), deadline: soon)
        let path = lab.stagingPath("stopped")
        async let outcome = verify("\(path)/device", seconds: 14)
        try await Task.sleep(for: .seconds(1))
        let server = try #require(lab.status("stopped")?.server)
        try server.send(SIGSTOP)
        let request = StatsRequest(volumeID: lab.handle("stopped"), volumePath: path, stagingPath: path)
        // Asked without a pause: it is told of only until it is replaced.
        var condition = try await service.stats(request, deadline: soon).condition
        let told = ContinuousClock.now + .seconds(60)
        while !condition.isAbnormal, .now < told {
            condition = try await service.stats(request, deadline: soon).condition
        }
        #expect(condition.isAbnormal == true)
        #expect(condition.message.contains("process \(server.pid), which serves rbd/stopped, is stopped") == true)
        _ = try await lab.successor(of: server, "stopped")
        _ = try await outcome
        #expect(lab.status("stopped")?.stall == nil)
        #expect(try await service.stats(request, deadline: soon).condition.isAbnormal == false)
        let statistics = try #require(lab.status("stopped")?.statistics)
        #expect(statistics.successions == 1 && statistics.errors == 0)
        try await lab.run("down", "stopped", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("stopped")
    }

    @Test("A server that is stopped for a moment, or with its keeper, is not replaced")
    func stoppedTogether() async throws {
        let lab = try await NodeLab.fresh("together")
        try await lab.service().stage(lab.stageRequest("together", fsType: nil), deadline: soon)
        let server = try #require(lab.status("together")?.server)
        // By one process, which a busy machine does not keep as long as a task of this one.
        try await shell("kill -STOP \(server.pid); sleep 1.5; kill -CONT \(server.pid)")
        try lab.signalServers(SIGSTOP)
        try await Task.sleep(for: .seconds(10))
        try lab.signalServers(SIGCONT)
        try await shell("dd if=/dev/urandom of=\(lab.stagingPath("together"))/device bs=1M count=4 oflag=direct")
        #expect(lab.status("together")?.server == server)
        #expect(lab.status("together")?.stall == nil)
        try await lab.run("down", "together", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("together")
    }
}
