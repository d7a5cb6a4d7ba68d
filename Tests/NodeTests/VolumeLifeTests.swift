import Glibc
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// The tests of a node share this host's loop devices and processors, so they run one after the other.
@Suite("A node", .serialized, .enabled(if: NodeLab.isAvailable, Comment(rawValue: NodeLab.lack)))
struct NodeTests {}

extension NodeTests {
    @Test("A volume is staged, written, read and taken away, every call three times", arguments: ["ext4", "xfs"])
    func life(fsType: String) async throws {
        let image = "life-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        for _ in 0..<3 { try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon) }
        for _ in 0..<3 { try await lab.service().publish(lab.publishRequest(image, fsType: fsType), deadline: soon) }
        let pod = lab.targetPath(image)
        try await shell("echo hello > \(pod)/greeting && sync \(pod)/greeting")
        let stats = try await lab.service().stats(
            StatsRequest(volumeID: lab.handle(image), volumePath: pod, stagingPath: ""),
            deadline: soon
        )
        #expect(!stats.condition.isAbnormal)
        #expect((stats.bytes?.total ?? 0) > 200 << 20)
        #expect((stats.inodes?.used ?? 0) > 0)
        await #expect {
            try await lab.service().unstage(
                volumeID: lab.handle(image),
                stagingPath: lab.stagingPath(image),
                deadline: soon
            )
        } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(pod)
        }
        for _ in 0..<3 {
            try await lab.service().unpublish(volumeID: lab.handle(image), targetPath: pod, deadline: soon)
        }
        for _ in 0..<3 { try await lab.run("down", image, fsType, observer: nil) }
        #expect(try lab.remains() == [])

        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        #expect(try await shell("cat \(lab.stagingPath(image))/greeting") == "hello\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    @Test("I/O goes on when the service is gone")
    func serviceRestart() async throws {
        let lab = try await NodeLab.fresh("restart", megabytes: 400)
        // A service in a process of its own, killed once the volume is published.
        try await shell("\(lab.program) \(lab.directory) up restart xfs none")
        let place = lab.stagingPath("restart")
        async let written = shell(
            "dd if=/dev/urandom of=\(place)/f bs=1M count=150 oflag=direct && sha1sum < \(place)/f"
        )
        try await lab.service().stage(lab.stageRequest("restart", fsType: "xfs"), deadline: soon)
        let sum = try await written.split(separator: "\n").last
        #expect(try await shell("echo 3 > /proc/sys/vm/drop_caches; sha1sum < \(place)/f") == "\(sum ?? "")\n")
        try await lab.run("down", "restart", "xfs", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("restart")
    }

    @Test("A mounted xfs grows with its image, though the server has the exclusive lock")
    func growXFS() async throws {
        let lab = try await NodeLab.fresh("grow-xfs", megabytes: 400)
        try await lab.service().stage(lab.stageRequest("grow-xfs", fsType: "xfs"), deadline: soon)
        _ = try await rbd("resize rbd/grow-xfs --size 800M")
        let request = NodeExpandRequest(
            volumeID: lab.handle("grow-xfs"),
            volumePath: lab.stagingPath("grow-xfs"),
            stagingPath: "",
            range: try CapacityRange(requiredBytes: 800 << 20, limitBytes: 0),
            capability: nil
        )
        for _ in 0..<3 { #expect(try await lab.service().expand(request, deadline: soon) == 800 << 20) }
        #expect(try FileSystemUsage(of: lab.stagingPath("grow-xfs")).totalBytes > 600 << 20)
        try await lab.run("down", "grow-xfs", "xfs", observer: nil)
        try await lab.remove("grow-xfs")
    }

    @Test("A mounted ext4 grows, or the missing capability is named; it grows at the next stage then")
    func growExt4() async throws {
        let lab = try await NodeLab.fresh("grow-ext4")
        try await lab.service().stage(lab.stageRequest("grow-ext4"), deadline: soon)
        _ = try await rbd("resize rbd/grow-ext4 --size 512M")
        let request = NodeExpandRequest(
            volumeID: lab.handle("grow-ext4"),
            volumePath: lab.stagingPath("grow-ext4"),
            stagingPath: "",
            range: nil,
            capability: nil
        )
        if try Capabilities.current().allowsResourceControl {
            #expect(try await lab.service().expand(request, deadline: soon) == 512 << 20)
        } else {
            await #expect { try await lab.service().expand(request, deadline: soon) } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("CAP_SYS_RESOURCE")
            }
            try await lab.run("down", "grow-ext4", "ext4", observer: nil)
            try await lab.service().stage(lab.stageRequest("grow-ext4"), deadline: soon)
            #expect(try await lab.service().expand(request, deadline: soon) == 512 << 20)
        }
        #expect(try FileSystemUsage(of: lab.stagingPath("grow-ext4")).totalBytes > 440 << 20)
        try await lab.run("down", "grow-ext4", "ext4", observer: nil)
        try await lab.remove("grow-ext4")
    }

    @Test("fstrim gives space back to the cluster", arguments: ["ext4", "xfs"])
    func trim(fsType: String) async throws {
        let image = "trim-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        let place = lab.stagingPath(image)
        try await shell("dd if=/dev/urandom of=\(place)/f bs=1M count=128 conv=fsync")
        let full = try await used(image)
        try await shell("rm \(place)/f")
        // xfs frees the blocks of a removed file in the background.
        let deadline = ContinuousClock.now + .seconds(120)
        var rest = full
        while rest > full - (100 << 20), .now < deadline {
            try await shell("sync -f \(place) && fstrim \(place)")
            rest = try await used(image)
        }
        #expect(rest <= full - (100 << 20))
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    private func used(_ image: String) async throws -> Int {
        // Allocated extents, without the object map.
        let text = try await rbd("diff rbd/\(image) | awk '{s += $2} END {print s + 0}'")
        return Int(text.split(separator: "\n").last ?? "") ?? 0
    }

    @Test("A device that holds anything is not formatted")
    func refusesContent() async throws {
        let lab = try await NodeLab.fresh("refuse")
        _ = try await rbd("bench rbd/refuse --io-type write --io-size 4K --io-total 4K --io-threads 1")
        await #expect { try await lab.service().stage(lab.stageRequest("refuse"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("holds")
        }
        try await lab.run("down", "refuse", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("refuse")
    }

    @Test("A block volume is a device in the pod, and zeroing part of it reads as zeros")
    func block() async throws {
        let lab = try await NodeLab.fresh("block")
        for _ in 0..<3 { try await lab.run("up", "block", nil, observer: nil) }
        let pod = lab.targetPath("block")
        try await shell(
            "test -b \(pod) && dd if=/dev/zero bs=64K count=16 | tr '\\0' x | dd of=\(pod) bs=64K oflag=direct iflag=fullblock"
        )
        do {
            let device = try BlockIOControl(opening: pod, writable: true)
            // Below librbd's discard granularity: a discard would not change it.
            try device.zeroOut(offset: 4096, length: 4096)
            #expect(try device.sizeBytes() == 256 << 20)
        }
        let rest = try await shell("dd if=\(pod) iflag=direct bs=4K count=4 status=none | tr -d '\\0' | wc -c")
        #expect(rest == "12288\n")
        try await lab.run("down", "block", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("block")
    }

    @Test("A read-only publish cannot be written; another capability at its path is refused")
    func readOnly() async throws {
        let lab = try await NodeLab.fresh("readonly")
        try await lab.service().stage(lab.stageRequest("readonly"), deadline: soon)
        for _ in 0..<3 {
            try await lab.service().publish(lab.publishRequest("readonly", isReadOnly: true), deadline: soon)
        }
        #expect(open("\(lab.targetPath("readonly"))/x", O_WRONLY | O_CREAT, 0o600) == -1)
        #expect(errno == EROFS)
        await #expect { try await lab.service().publish(lab.publishRequest("readonly"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .alreadyExists
        }
        try await shell("touch \(lab.stagingPath("readonly"))/x")
        try await lab.run("down", "readonly", "ext4", observer: nil)
        try await lab.remove("readonly")
    }

    @Test("A volume that another client has locked is refused with its address")
    func lockedElsewhere() async throws {
        let lab = try await NodeLab.fresh("locked")
        let other = try NodeLab(directory: lab.directory + "-other", placement: .stay)
        try KernelFile.makeDirectories(other.stagingPath("locked"))
        try await other.service().stage(other.stageRequest("locked"), deadline: soon)
        await #expect { try await lab.service().stage(lab.stageRequest("locked"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("127.0.0.1:0/")
        }
        try await other.run("down", "locked", "ext4", observer: nil)
        try await lab.service().stage(lab.stageRequest("locked"), deadline: soon)
        try await lab.run("down", "locked", "ext4", observer: nil)
        #expect(try lab.remains() + other.remains() == [])
        try await shell("rm -r --one-file-system \(other.directory)")
        try await lab.remove("locked")
    }

    @Test("A volume that is not there is not found")
    func missing() async throws {
        let lab = try await NodeLab.fresh("present")
        try KernelFile.makeDirectories(lab.stagingPath("absent"))
        await #expect { try await lab.service().stage(lab.stageRequest("absent"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .notFound
        }
        try await lab.run("down", "absent", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("present")
    }

    @Test("A volume whose server and keeper were killed is staged again at once, with its data")
    func deadServer() async throws {
        let lab = try await NodeLab.fresh("dead")
        try await lab.service().stage(lab.stageRequest("dead"), deadline: soon)
        let place = lab.stagingPath("dead")
        try await shell("echo kept > \(place)/f && sync \(place)/f")
        let status = try #require(lab.status("dead"))
        let pair = [try #require(status.server)] + (status.keeper.map { [$0] } ?? [])
        try lab.signalServers(SIGKILL)
        _ = try await lab.eventually("end of both") { pair.contains { $0.isAlive } ? nil : true }
        let request = StatsRequest(volumeID: lab.handle("dead"), volumePath: place, stagingPath: "")
        let deadline = ContinuousClock.now + .seconds(120)
        var isAbnormal = false
        // Their last thread may close the connection shortly after the processes count as dead.
        while !isAbnormal, .now < deadline {
            isAbnormal = try await lab.service().stats(request, deadline: soon).condition.isAbnormal
        }
        #expect(isAbnormal)
        let start = ContinuousClock.now
        try await lab.service().stage(lab.stageRequest("dead"), deadline: soon)
        // The dead server's watch lasts 30 s; its lock is broken before.
        #expect(.now - start < .seconds(25))
        #expect(try await shell("cat \(place)/f") == "kept\n")
        try await lab.run("down", "dead", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("dead")
    }
}
