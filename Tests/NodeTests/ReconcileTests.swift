import Glibc
import ImageMapping
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// A service is killed at a step, and the next one starts. It completes or undoes the interrupted call without another
/// call.
extension NodeTests {
    /// The resources of a volume on this node and in the cluster.
    struct Census: Equatable, CustomStringConvertible {
        var mounts = 0
        var loops = 0
        var servers = 0
        var mappings = 0
        var records = 0
        var watches = 0

        static let nothing = Census()
        /// The file system of the image's file, and the staging path; the server, and its keeper.
        static let staged = Census(mounts: 2, loops: 1, servers: 2, mappings: 1, records: 1, watches: 1)
        static let published = Census(mounts: 3, loops: 1, servers: 2, mappings: 1, records: 1, watches: 1)

        var description: String {
            "\(mounts) mounts, \(loops) loops, \(servers) servers, \(mappings) mappings, \(records) records, "
                + "\(watches) watches"
        }

        static func of(_ lab: NodeLab, _ image: String) async throws -> Census {
            var census = Census()
            for remain in try lab.remains() {
                switch remain.split(separator: " ").first {
                case "mount": census.mounts += 1
                case "loop": census.loops += 1
                case "server": census.servers += 1
                case "mapping": census.mappings += 1
                case "record": census.records += 1
                default: Issue.record("\(remain)")
                }
            }
            census.watches = try await rbd("status rbd/\(image)").split(separator: "\n").count {
                $0.contains("watcher=")
            }
            return census
        }
    }

    private static let beforeMount: [NodeStep] = [
        .recordingVolume, .recordingMapping, .clearingRemains, .startingServer, .waitingForServer, .attachingLoop,
        .probingDevice, .recordingFormat, .formatting, .recordingFormatted, .checkingFileSystem, .mounting,
    ]
    private static let onceMounted: [NodeStep] = [.recordingStaged, .recordingTarget, .binding]

    @Test("A stage that was killed before its mount is undone when the service starts", arguments: beforeMount)
    func undoes(step: NodeStep) async throws {
        let image = "undo-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await crash(lab, "up", image, step)
        try await lab.run("reconcile", image, nil, observer: nil)
        // Also after a mkfs has begun: the image has the format note.
        try await expect(.nothing, lab, image)
        try await lab.run("up", image, "ext4", observer: nil)
        try await expect(.published, lab, image)
        try await lab.run("down", image, "ext4", observer: nil)
        try await expect(.nothing, lab, image)
        try await lab.remove(image)
    }

    @Test("A stage that was killed after its mount is finished when the service starts", arguments: onceMounted)
    func finishes(step: NodeStep) async throws {
        let image = "finish-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await crash(lab, "up", image, step)
        for _ in 0..<2 {
            try await lab.run("reconcile", image, nil, observer: nil)
            try await expect(.staged, lab, image)
        }
        try await lab.service().publish(lab.publishRequest(image), deadline: soon)
        try await lab.run("reconcile", image, nil, observer: nil)
        try await expect(.published, lab, image)
        try await lab.run("down", image, "ext4", observer: nil)
        try await expect(.nothing, lab, image)
        try await lab.remove(image)
    }

    @Test(
        "An unpublish or unstage that was killed leaves what is mounted, and nothing else",
        arguments: [
            (NodeStep.unmountingTarget, Census.published), (.removingTarget, .staged), (.forgettingTarget, .staged),
            (.unmountingStage, .staged), (.detachingLoop, .nothing), (.unmountingFile, .nothing),
            (.endingServer, .nothing), (.removingMapping, .nothing), (.forgettingVolume, .nothing),
        ]
    )
    func comesDown(step: NodeStep, expected: Census) async throws {
        let image = "halfway-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.run("up", image, "ext4", observer: nil)
        try await crash(lab, "down", image, step)
        try await lab.run("reconcile", image, nil, observer: nil)
        try await expect(expected, lab, image)
        try await lab.run("down", image, "ext4", observer: nil)
        try await expect(.nothing, lab, image)
        try await lab.remove(image)
    }

    @Test(
        "An expansion that was killed is done when it is repeated",
        arguments: [
            NodeStep.growingDevice, .growingFileSystem,
        ]
    )
    func growsAgain(step: NodeStep) async throws {
        let image = "regrow-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.run("up", image, "xfs", observer: nil)
        _ = try await rbd("resize rbd/\(image) --size 800M")
        try await crash(lab, "grow", image, step, fsType: "xfs")
        try await lab.run("reconcile", image, nil, observer: nil)
        try await expect(.published, lab, image)
        try await lab.run("grow", image, "xfs", observer: nil)
        #expect(try FileSystemUsage(of: lab.stagingPath(image)).totalBytes > 600 << 20)
        try await expect(.published, lab, image)
        try await lab.run("down", image, "xfs", observer: nil)
        try await expect(.nothing, lab, image)
        try await lab.remove(image)
    }

    @Test(
        "A growth before the mount that was killed is done at the next stage",
        arguments: [
            ("ext4", NodeStep.growingOffline), ("ext4", .checkingFileSystem), ("xfs", .growingFileSystem),
        ]
    )
    func growsAtStage(fsType: String, step: NodeStep) async throws {
        let image = "offline-\(fsType)-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.run("stage", image, fsType, observer: nil)
        try await shell("echo kept > \(lab.stagingPath(image))/kept")
        try await lab.run("down", image, fsType, observer: nil)
        _ = try await rbd("resize rbd/\(image) --size 800M")
        try await crash(lab, "stage", image, step, fsType: fsType)
        try await lab.run("reconcile", image, nil, observer: nil)
        try await expect(fsType == "xfs" ? .staged : .nothing, lab, image)
        try await lab.run("stage", image, fsType, observer: nil)
        #expect(try FileSystemUsage(of: lab.stagingPath(image)).totalBytes > 600 << 20)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await expect(.nothing, lab, image)
        try await lab.remove(image)
    }

    @Test("A service that is killed while e2fsck runs leaves no file of that one")
    func killedBesideCheck() async throws {
        let lab = try await NodeLab.fresh("beside", megabytes: 64)
        try await lab.run("stage", "beside", "ext4", observer: nil)
        try await lab.run("down", "beside", "ext4", observer: nil)
        // No step lasts as long as e2fsck: it kills its parent itself, when that is this lab's.
        let (program, wrapper) = ("/tmp/nacre-e2fsck-\(getpid())", "/tmp/nacre-e2fsck-\(getpid()).sh")
        try await shell(
            """
            cp /usr/sbin/e2fsck \(program)
            printf '#!/bin/sh\n! grep -qaF %s /proc/$PPID/cmdline || kill -9 $PPID\nexec %s "$@"\n' \
                \(lab.directory) \(program) > \(wrapper)
            chmod 755 \(wrapper)
            mount --bind \(wrapper) /usr/sbin/e2fsck
            """
        )
        do { try await crash(lab, "stage", "beside", .unmappingInKernel) } catch { Issue.record(error) }
        try await shell("umount /usr/sbin/e2fsck; rm \(program) \(wrapper)")
        let names = try KernelFile.names(in: "\(lab.directory)/volumes")
        #expect(names.count == 1 && names.allSatisfy { $0.hasSuffix(".json") }, "\(names)")
        try await lab.run("stage", "beside", "ext4", observer: nil)
        try await lab.run("down", "beside", "ext4", observer: nil)
        #expect(try KernelFile.names(in: "\(lab.directory)/volumes") == [])
        try await expect(.nothing, lab, "beside")
        try await lab.remove("beside")
    }

    @Test("What is in use is left alone, and its holder is named")
    func leavesWhatIsUsed() async throws {
        let lab = try await NodeLab.fresh("used", megabytes: 64)
        try await lab.run("stage", "used", "ext4", observer: nil)
        let place = lab.stagingPath("used")
        // Still mounted in another mount namespace, where this process cannot unmount it.
        let holder = try await shell(
            """
            unshare --mount --propagation private sh -c 'cd \(place); exec sleep 600' > /dev/null 2>&1 & echo $!
            until grep -qx sleep /proc/$!/comm; do sleep 0.02; done
            """
        )
        let pid = try #require(Int32(holder.trimmingPrefix { $0.isWhitespace }.split(separator: "\n")[0]))
        let user = try #require(ProcessIdentity(of: pid))
        defer { try? user.send(SIGKILL) }
        try await shell("umount \(place)")
        let outcomes = await lab.service().reconcile(deadline: soon)
        guard case .left(let reason) = outcomes[lab.handle("used")] else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(reason.contains(place) && reason.contains("sleep"), "\(reason)")
        #expect(try lab.mapper().inspect().first?.loopDevices.count == 1)
        try user.send(SIGKILL)
        let deadline = ContinuousClock.now + .seconds(180)
        while try lab.remains() != [], .now < deadline {
            await lab.service().reconcile(deadline: soon)
            try await Task.sleep(for: .milliseconds(100))
        }
        try await expect(.nothing, lab, "used")
        try await lab.remove("used")
    }

    @Test("After a boot nothing of a volume is left but its records, and those go")
    func afterBoot() async throws {
        let lab = try await NodeLab.fresh("boot-records", megabytes: 64)
        try await lab.run("up", "boot-records", "ext4", observer: nil)
        // Everything that a reboot removes: processes, mounts, loop devices.
        let mapping = try #require(try lab.mapper().inspect().first)
        try await shell("umount \(lab.targetPath("boot-records")) \(lab.stagingPath("boot-records"))")
        for loop in mapping.loopDevices { try loop.detach() }
        try lab.signalServers(SIGKILL)
        for mount in try MountTable.current().mounts where mount.mountPoint.hasPrefix("\(lab.directory)/mappings") {
            try Mounting.detach(mount.mountPoint)
        }
        try await lab.run("reconcile", "boot-records", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.run("stage", "boot-records", "ext4", observer: nil)
        try await expect(.staged, lab, "boot-records")
        try await lab.run("down", "boot-records", "ext4", observer: nil)
        try await lab.remove("boot-records")
    }

    /// A dead client's watch and an ending process need time to disappear.
    private func expect(
        _ expected: Census,
        _ lab: NodeLab,
        _ image: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        var census = try await Census.of(lab, image)
        while census != expected, .now < deadline {
            try await Task.sleep(for: .milliseconds(100))
            census = try await Census.of(lab, image)
        }
        let remains = try lab.remains()
        #expect(census == expected, "\(remains)", sourceLocation: sourceLocation)
    }
}
