import Glibc
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RBD
import Testing
import Volumes

extension NodeTests {
    /// Writes with checksums to a device for a while and reads all of it back; fio ends with an error at the first fault.
    private func verify(_ device: String, seconds: Int) async throws -> String {
        try await shell(
            """
            fio --name=verify --filename=\(device) --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k-64k \
            --size=96m --time_based --runtime=\(seconds) --fsync=32 --verify=crc32c --verify_fatal=1 --verify_backlog=256 \
            --verify_state_save=0 \
            --output-format=terse && dd if=\(device) of=/dev/null bs=1M iflag=direct
            """
        )
    }

    private func successor(of server: ProcessIdentity, _ lab: NodeLab, _ image: String) async throws -> ProcessIdentity
    {
        let deadline = ContinuousClock.now + .seconds(60)
        while .now < deadline {
            // It answers when the door is open, not before.
            if let status = lab.status(image), let found = status.server, found != server, status.statistics != nil {
                return found
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw VolumeError(.internal, "no successor within 60 s")
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
            _ = try await successor(of: server, lab, "takeover")
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
        // Direct writes that no flush follows, killed at once: most of them are in memory alone.
        try await shell(
            "head -c 24M /dev/urandom > /tmp/\(image) && dd if=/tmp/\(image) of=\(place)/f bs=1M oflag=direct"
        )
        try server.send(SIGKILL)
        _ = try await successor(of: server, lab, image)
        try await shell(
            "sync -f \(place); echo 3 > /proc/sys/vm/drop_caches; cmp /tmp/\(image) \(place)/f; rm /tmp/\(image)"
        )
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A server goes on when its keeper is killed")
    func withoutKeeper() async throws {
        let lab = try await NodeLab.fresh("keeper")
        try await lab.service().stage(lab.stageRequest("keeper"), deadline: soon)
        try #require(lab.status("keeper")?.keeper).send(SIGKILL)
        let place = lab.stagingPath("keeper")
        try await shell("dd if=/dev/urandom of=\(place)/f bs=1M count=32 oflag=direct conv=fsync")
        try await lab.run("down", "keeper", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("keeper")
    }
}
