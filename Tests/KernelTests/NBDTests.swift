import Glibc
import ImageIO
import ImageMapping
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RADOS
import RBD
import Testing
import Volumes

extension NodeLab {
    /// A node that maps by nbd, an image of that name and its staging directory.
    static func nbd(_ image: String, megabytes: UInt64 = 256) throws -> NodeLab {
        var lab = try NodeLab.kernel(image, megabytes: megabytes)
        lab.mappers = [.nbd]
        return lab
    }

    /// The server that takes over from `server`, once it answers.
    func successor(of server: ProcessIdentity, _ image: String) async throws -> ProcessIdentity {
        let deadline = ContinuousClock.now + .seconds(180)
        while .now < deadline {
            if let status = status(image), let found = status.server, found != server, status.statistics != nil {
                return found
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw VolumeError(.internal, "no successor within three minutes")
    }

    fileprivate func expand(_ image: String, _ path: String, megabytes: Int64) async throws -> UInt64 {
        try Administrator().grow(image, megabytes: UInt64(megabytes))
        return try await service().expand(
            NodeExpandRequest(
                volumeID: handle(image),
                volumePath: path,
                stagingPath: "",
                range: try CapacityRange(requiredBytes: megabytes << 20, limitBytes: 0),
                capability: nil
            ),
            deadline: soon
        )
    }
}

/// Writes with checksums and reads back, for a while; fio ends with an error at the first fault.
func verify(_ place: String, seconds: Int) async throws -> String {
    try await shell(
        """
        fio --name=verify \(place) --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k-64k --size=64m \
        --time_based --runtime=\(seconds) --fsync=64 --verify=crc32c --verify_fatal=1 --verify_backlog=128 \
        --output-format=terse
        """
    )
}

extension KernelTests {
    @Test("nbd: a volume is staged, grows under checked writes, is trimmed and taken away", arguments: ["ext4", "xfs"])
    func nbdLife(fsType: String) async throws {
        let image = "nbd-\(fsType)"
        let lab = try NodeLab.nbd(image, megabytes: 384)
        for _ in 0..<2 { try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon) }
        for _ in 0..<2 { try await lab.service().publish(lab.publishRequest(image, fsType: fsType), deadline: soon) }
        let pod = lab.targetPath(image)
        async let checked = verify("--directory=\(pod)", seconds: 6)
        try await Task.sleep(for: .seconds(1))
        #expect(try await lab.expand(image, pod, megabytes: 768) == 768 << 20)
        _ = try await checked
        #expect(try FileSystemUsage(of: pod).totalBytes > 600 << 20)
        #expect(try await shell("rm \(pod)/verify*; fstrim -v \(pod)").contains("trimmed"))
        await #expect { try await lab.unstage(image) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(pod)
        }
        try await shell("echo kept > \(pod)/f")
        for _ in 0..<2 { try await lab.run("down", image, fsType, observer: nil) }
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        #expect(try await shell("cat \(lab.stagingPath(image))/f") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains(image) == [])
        #expect(try Sysfs().connectedNBDDevices().isEmpty)
    }

    @Test("nbd: a block volume is the image itself, and grows and discards")
    func nbdBlock() async throws {
        let lab = try NodeLab.nbd("nbd-block", megabytes: 128)
        try await lab.service().stage(lab.stageRequest("nbd-block", fsType: nil), deadline: soon)
        try await lab.service().publish(lab.publishRequest("nbd-block", fsType: nil), deadline: soon)
        let pod = lab.targetPath("nbd-block")
        try await shell("tr '\\0' x < /dev/zero | dd of=\(pod) bs=4M count=8 iflag=fullblock oflag=direct")
        do {
            let device = try BlockIOControl(opening: pod, writable: true)
            try device.discard(offset: 4 << 20, length: 4 << 20)
            try device.zeroOut(offset: 12 << 20, length: 4096)
            #expect(try device.sizeBytes() == 128 << 20)
        }
        let left = try await shell("dd if=\(pod) iflag=direct bs=4M count=8 status=none | tr -d '\\0' | wc -c")
        #expect(left == "\((28 << 20) - 4096)\n")
        #expect(try await lab.expand("nbd-block", pod, megabytes: 256) == 256 << 20)
        #expect(try await shell("blockdev --getsize64 \(pod)") == "\(256 << 20)\n")
        try await lab.run("down", "nbd-block", nil, observer: nil)
        #expect(try lab.remains("nbd-block") == [])
    }

    @Test("nbd: a volume for readers refuses writes, also at the device")
    func nbdReadOnly() async throws {
        let lab = try NodeLab.nbd("nbd-ro", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("nbd-ro"), deadline: soon)
        try await shell("echo kept > \(lab.stagingPath("nbd-ro"))/f")
        try await lab.run("down", "nbd-ro", "ext4", observer: nil)
        let request = lab.stageRequest("nbd-ro", mode: .multiNodeReaderOnly)
        try await lab.service().stage(request, deadline: soon)
        #expect(try await shell("cat \(lab.stagingPath("nbd-ro"))/f") == "kept\n")
        let device = try #require(try lab.nbdMapper().device(of: lab.address("nbd-ro")))
        #expect(device.isReadOnly)
        try await lab.run("down", "nbd-ro", "ext4", observer: nil)
        #expect(try lab.remains("nbd-ro") == [])
    }

    @Test("nbd: a server that is killed is replaced, and who writes sees no error and loses nothing")
    func nbdTakeover() async throws {
        let lab = try NodeLab.nbd("nbd-kill", megabytes: 128)
        try await lab.service().stage(lab.stageRequest("nbd-kill", fsType: nil), deadline: soon)
        async let checked = verify("--filename=\(lab.stagingPath("nbd-kill"))/device", seconds: 24)
        var times: [Duration] = []
        for _ in 0..<3 {
            try await Task.sleep(for: .seconds(4))
            let server = try #require(lab.status("nbd-kill")?.server)
            let begin = ContinuousClock.now
            try server.send(SIGKILL)
            _ = try await lab.successor(of: server, "nbd-kill")
            times.append(.now - begin)
        }
        _ = try await checked
        print("takeovers took \(times)")
        let statistics = try #require(lab.status("nbd-kill")?.statistics)
        #expect(statistics.successions == 3)
        #expect(statistics.errors == 0)
        try await lab.run("down", "nbd-kill", nil, observer: nil)
        #expect(try lab.remains("nbd-kill") == [])
    }

    @Test("nbd: a device whose server and keeper were killed waits, and is served again when it is staged again")
    func nbdReattach() async throws {
        let lab = try NodeLab.nbd("nbd-again", megabytes: 128)
        try await lab.service().stage(lab.stageRequest("nbd-again"), deadline: soon)
        let place = lab.stagingPath("nbd-again")
        let status = try #require(lab.status("nbd-again"))
        let pair = [try #require(status.server)] + (status.keeper.map { [$0] } ?? [])
        // They would start each other anew.
        for signal in [SIGSTOP, SIGKILL] {
            for process in pair { try process.send(signal) }
        }
        async let written = shell(
            "dd if=/dev/urandom of=\(place)/f bs=1M count=16 oflag=direct conv=fsync && echo well"
        )
        try await Task.sleep(for: .seconds(1))
        try await lab.service().stage(lab.stageRequest("nbd-again"), deadline: soon)
        #expect(try await written.hasSuffix("well\n"))
        try await lab.run("down", "nbd-again", "ext4", observer: nil)
        #expect(try lab.remains("nbd-again") == [])
    }

    @Test("nbd: an outage of the OSDs, and of all that the cluster is, stalls I/O and does not fail it")
    func nbdOutage() async throws {
        let lab = try NodeLab.nbd("nbd-away", megabytes: 128)
        try await lab.service().stage(lab.stageRequest("nbd-away"), deadline: soon)
        let place = lab.stagingPath("nbd-away")
        async let checked = verify("--directory=\(place)", seconds: 26)
        try await Task.sleep(for: .seconds(2))
        let cluster = try Administrator().context.cluster
        _ = try cluster.monitorCommand(#"{"prefix":"osd set","key":"pause"}"#)
        try await Task.sleep(for: .seconds(7))
        _ = try cluster.monitorCommand(#"{"prefix":"osd unset","key":"pause"}"#)
        try await Task.sleep(for: .seconds(3))
        try await shell("ip route add blackhole 10.77.0.1; sleep 7; ip route del blackhole 10.77.0.1")
        _ = try await checked
        let statistics = try #require(lab.status("nbd-away")?.statistics)
        #expect(statistics.errors == 0)
        #expect(statistics.successions == 0)
        #expect(try MountTable.current().mount(at: place)?.isReadOnly == false)
        try await lab.run("down", "nbd-away", "ext4", observer: nil)
        #expect(try lab.remains("nbd-away") == [])
    }
}
