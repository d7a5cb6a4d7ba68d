import Foundation
import Glibc
import LinuxKernel
import NodeMapping
import NodeTestSupport
import SystemPackage
import Testing
import Volumes

@testable import NodeVolumes

/// File systems that are damaged, options that would do harm, mounts that somebody uses.
extension NodeTests {
    @Test(
        "A damaged file system is not mounted and not touched; the error says what to do, and nothing stays mapped",
        arguments: [
            ("ext4", "debugfs -w -R 'clri <2>'", "e2fsck"),
            ("xfs", "dd if=/dev/zero bs=512 seek=1 count=3 conv=notrunc,fsync status=none of", "xfs_repair"),
            // The root directory is none: the kernel answers with ENOENT.
            ("xfs", "xfs_db -x -c 'inode 128' -c 'write -d core.mode 0'", "xfs_repair"),
        ]
    )
    func damaged(fsType: String, harm: String, tool: String) async throws {
        let image = "damaged-\(fsType)-\(harm.utf8.count)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.run("stage", image, fsType, observer: nil)
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        let device = "\(lab.stagingPath(image))/device"
        try await shell(harm.hasSuffix("of") ? "\(harm)=\(device)" : "\(harm) \(device)")
        try await lab.run("down", image, nil, observer: nil)
        for _ in 0..<2 {
            await #expect {
                try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(tool)
                    && "\($0)".contains("damaged") && "\($0)".contains("nothing was changed")
            }
            #expect(try lab.remains() == [])
        }
        try await lab.remove(image)
    }

    @Test(
        "A file system of Nacre's that has lost its mark is to be repaired, not to be wiped first, and is repaired so",
        arguments: [("ext4", 1080, "e2fsck -f", "e2fsck -f -y"), ("xfs", 0, "xfs_repair", "xfs_repair")]
    )
    func lostMark(fsType: String, offset: Int, advised: String, tool: String) async throws {
        let image = "lost-mark-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        try await lab.run("stage", image, fsType, observer: nil)
        try await shell("echo kept > \(lab.stagingPath(image))/kept")
        try await lab.run("down", image, fsType, observer: nil)
        let device = "\(lab.stagingPath(image))/device"
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        try await shell("printf xx | dd bs=1 seek=\(offset) conv=notrunc,fsync status=none of=\(device)")
        try await lab.run("down", image, nil, observer: nil)
        await #expect {
            try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        } throws: { error in
            let words = "\(error)"
            guard let repair = words.firstRange(of: "map --repair"), let wipe = words.firstRange(of: "rbd resize")
            else {
                return false
            }
            return words.contains("damaged") && words.contains(advised) && words.contains("restore a backup")
                && repair.lowerBound < wipe.lowerBound
        }
        #expect(try lab.remains() == [])
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        // e2fsck ends with 1 when it has repaired.
        try await shell("\(tool) \(device) || [ $? = 1 ]")
        try await lab.run("down", image, nil, observer: nil)
        try await lab.run("stage", image, fsType, observer: nil)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    @Test(
        "What e2fsck changed before it gave up is told",
        arguments: [
            (
                "orphan", "debugfs -w -R 'set_super_value last_orphan 12' X; debugfs -w -R 'sif <12> links_count 0' X",
                "orphaned inode 12"
            ),
            ("journal", "debugfs -w -R 'feature needs_recovery' X", "replayed its journal"),
        ]
    )
    func changedBefore(name: String, harm: String, words: String) async throws {
        let image = "changed-\(name)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.run("stage", image, "ext4", observer: nil)
        try await shell("echo kept > \(lab.stagingPath(image))/kept")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        let device = "\(lab.stagingPath(image))/device"
        let commands = harm.replacing("X", with: device)
        try await shell("\(commands); debugfs -w -R 'ssv state 0' \(device); debugfs -w -R 'clri <2>' \(device)")
        try await lab.run("down", image, nil, observer: nil)
        await #expect {
            try await lab.service().stage(lab.stageRequest(image, fsType: "ext4"), deadline: soon)
        } throws: {
            "\($0)".contains(words) && !"\($0)".contains("nothing was changed") && "\($0)".contains("Root inode")
        }
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test(
        "A feature that this kernel lacks is told as what mkfsOptions made, not as a mount option",
        .enabled(if: system("zcat /proc/config.gz 2>/dev/null | grep -q 'XFS_SUPPORT_V4 is not set'") == 0)
    )
    func lackedByKernel() async throws {
        let lab = try await NodeLab.fresh("lacked", megabytes: 400)
        var request = lab.stageRequest("lacked", fsType: "xfs")
        request.context["mkfsOptions"] = "-m crc=0"
        for _ in 0..<2 {
            await #expect { try await lab.service().stage(request, deadline: soon) } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("mkfsOptions '-m crc=0'")
                    && "\($0)".contains("its xfs is sound") && !"\($0)".contains("mount options")
            }
        }
        #expect(try lab.remains() == [])
        try await lab.remove("lacked")
    }

    @Test("What e2fsck repairs by itself is repaired before the mount")
    func repaired() async throws {
        let lab = try await NodeLab.fresh("repaired", megabytes: 64)
        try await lab.run("stage", "repaired", "ext4", observer: nil)
        try await shell("echo kept > \(lab.stagingPath("repaired"))/kept")
        try await lab.run("down", "repaired", "ext4", observer: nil)
        try await lab.service().stage(lab.stageRequest("repaired", fsType: nil), deadline: soon)
        // Wrong free counts and the mark of an error.
        let device = "\(lab.stagingPath("repaired"))/device"
        try await shell("debugfs -w -R 'ssv free_blocks_count 7' \(device) && debugfs -w -R 'ssv state 2' \(device)")
        try await lab.run("down", "repaired", nil, observer: nil)
        try await lab.run("stage", "repaired", "ext4", observer: nil)
        #expect(try await shell("cat \(lab.stagingPath("repaired"))/kept") == "kept\n")
        try await lab.run("down", "repaired", "ext4", observer: nil)
        try await lab.remove("repaired")
    }

    @Test(
        "Options that name other devices or files, or make no file system, are refused before anything is written",
        arguments: [
            (["loop"], ""), (["noatime,bind"], ""), (["errors=panic"], ""), (["journal_dev=0x801"], ""),
            ([], "-n"), ([], "-J device=/dev/sda"), ([], "-d etc"), ([], "-m 1 -S"), ([], "/dev/sda"),
        ]
    )
    func refusedOptions(flags: [String], mkfsOptions: String) async throws {
        // What mkfs is told counts where there is a file system to be made, and nowhere else.
        let lab = try await NodeLab.fresh("options", megabytes: 64)
        var request = lab.stageRequest("options", flags: flags)
        request.context["mkfsOptions"] = mkfsOptions
        await #expect { try await lab.service().stage(request, deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .invalidArgument && "\($0)".lowercased().contains("option")
        }
        #expect(try lab.remains() == [])
        try await lab.remove("options")
    }

    @Test(
        "A mount option that the kernel does not take is told as such, not as an invalid argument",
        arguments: [("ext4", "commit=soon"), ("xfs", "logbsize=17")]
    )
    func refusedByKernel(fsType: String, option: String) async throws {
        let image = "option-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        await #expect {
            try await lab.service().stage(lab.stageRequest(image, fsType: fsType, flags: [option]), deadline: soon)
        } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition
                && "\($0)".contains("one of the mount options '\(option)'")
                && "\($0)".contains("its \(fsType) is sound") && "\($0)".contains("EINVAL")
        }
        // Without the option all is well.
        try await lab.run("stage", image, fsType, observer: nil)
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test(
        "Changes in a log that no mount has written to their places are no damage, and nobody is told to throw them away first",
        arguments: [("ext4", "commit=soon"), ("xfs", "logbsize=17")]
    )
    func unreplayedLog(fsType: String, option: String) async throws {
        let image = "unreplayed-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let place = lab.stagingPath(image)
        try await lab.run("stage", image, fsType, observer: nil)
        // What is in the log only: the file system is as after a power cut.
        try await shell(
            "mkdir \(place)/d && echo kept > \(place)/d/kept && sync -f \(place)/d/kept && mv \(place)/d/kept \(place)/kept "
                + "&& rmdir \(place)/d && xfs_io -x -c 'shutdown -f' \(place)"
        )
        try await lab.run("down", image, fsType, observer: nil)
        // e2fsck -p comes before a mount for writing, and replays the journal.
        let mode = fsType == "xfs" ? VolumeCapability.Mode.singleNodeWriter : .singleNodeReaderOnly
        let refusal = await #expect(throws: VolumeError.self) {
            try await lab.service().stage(
                lab.stageRequest(image, fsType: fsType, mode: mode, flags: [option]),
                deadline: soon
            )
        }
        let message = refusal?.message ?? ""
        #expect(refusal?.code == .failedPrecondition && message.contains("'\(option)'"), "\(message)")
        #expect(!message.contains("is damaged (") && message.contains("its log has changes"), "\(message)")
        if let last = message.firstRange(of: "xfs_repair -L") {
            let replay = try #require(message.firstRange(of: "a mount for writing replays them"), "\(message)")
            #expect(replay.lowerBound < last.lowerBound)
        }
        #expect(try lab.remains() == [])
        try await lab.run("stage", image, fsType, observer: nil)
        #expect(try await shell("cat \(place)/kept") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    @Test(
        "A size that neither a checksum nor a second super block proves is no reason to keep a repair out; a proven one is"
    )
    func unprovenSize() async throws {
        let lab = try await NodeLab.fresh("unproven", megabytes: 64)
        let place = lab.stagingPath("unproven")
        var request = lab.stageRequest("unproven")
        request.context["mkfsOptions"] = "-O ^metadata_csum"
        try await lab.service().stage(request, deadline: soon)
        try await shell("echo kept > \(place)/kept")
        try await lab.run("down", "unproven", "ext4", observer: nil)
        var repair = lab.stageRequest("unproven", fsType: nil)
        repair.context[StageRequest.repair] = "true"
        let device = "\(place)/device"

        // It is cut: all super blocks say so.
        _ = try await rbd("resize --no-progress --allow-shrink rbd/unproven --size 48M")
        await #expect { try await lab.service().stage(repair, deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("64 MiB")
        }
        _ = try await rbd("resize --no-progress rbd/unproven --size 64M")

        // Its first super block is damaged: four times as many blocks.
        try await lab.service().stage(repair, deadline: soon)
        try await shell("printf '\\000\\000\\004\\000' | dd of=\(device) bs=1 seek=1028 conv=notrunc,fsync status=none")
        try await lab.run("down", "unproven", nil, observer: nil)
        await #expect { try await lab.service().stage(lab.stageRequest("unproven"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("its super block is damaged")
                && "\($0)".contains("nacre volume map --repair") && "\($0)".contains("e2fsck -b")
                && !"\($0)".contains("volume expand") && !"\($0)".contains("rbd resize")
        }
        #expect(try lab.remains() == [])
        try await lab.service().stage(repair, deadline: soon)
        // What is bound there to be repaired is no raw volume, when it was made for a file system.
        _ = try await rbd("image-meta set rbd/unproven \(ImageMetadataKey.fileSystem) ext4")
        await #expect {
            try await lab.service().stage(lab.stageRequest("unproven", fsType: nil), deadline: soon)
        } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("it was made for the file system")
        }
        try await shell("e2fsck -y -b 8193 -B 1024 \(device) || [ $? = 1 ]")
        try await lab.run("down", "unproven", nil, observer: nil)
        try await lab.service().stage(lab.stageRequest("unproven"), deadline: soon)
        #expect(try await shell("cat \(place)/kept") == "kept\n")
        try await lab.run("down", "unproven", "ext4", observer: nil)
        try await lab.remove("unproven")
    }

    @Test("What the kernel lacks and what a check cannot read make no file system damaged")
    func noDamage() async throws {
        let place = "/tmp/nacre-no-damage-\(getpid())"
        let zeros = "\(place)/zeros"
        let device = try await shell("mkdir \(place) && truncate -s 1M \(zeros) && losetup -f --show \(zeros)")
            .trimmingCharacters(in: .whitespacesAndNewlines)
        func failure(_ fileSystem: String) throws -> MountFailure {
            try #require(
                MountFailure.of { () throws(KernelError) in
                    try MountPlace(place).mount(device, fileSystem: fileSystem, options: MountOptions([]))
                }
            )
        }
        #expect(try !failure("nosuchfs").mayBeDamage)
        #expect(try failure("ext4").mayBeDamage)
        try await shell("losetup -d \(device)")
        // A file without bytes cannot be read, and the zeros can.
        let unread = try await shell(": > \(place)/none; timeout 60 xfs_repair -n -f \(place)/none || true")
        #expect(ToolOutput.hasGivenUp(unread), "\(unread)")
        let damaged = try await shell("timeout 60 xfs_repair -n -f \(zeros) || true")
        #expect(!ToolOutput.hasGivenUp(damaged), "\(damaged)")
        try await shell("rm -r \(place)")
    }

    @Test("A mkfs that fails names the class's options and its reason")
    func failedMkfs() async throws {
        let lab = try await NodeLab.fresh("mkfs-fails", megabytes: 400)
        var request = lab.stageRequest("mkfs-fails", fsType: "xfs")
        request.context["mkfsOptions"] = "-d agsize=32m"
        await #expect { try await lab.service().stage(request, deadline: soon) } throws: {
            "\($0)".contains("mkfsOptions '-d agsize=32m'") && "\($0)".contains("400 MiB")
                && "\($0)".contains("Log size must be at least") && !"\($0)".contains("Usage")
        }
        #expect(try lab.remains() == [])
        try await lab.remove("mkfs-fails")
    }

    @Test("An unmount that somebody hinders names who it is")
    func namesUsers() async throws {
        let lab = try await NodeLab.fresh("busy", megabytes: 64)
        try await lab.run("stage", "busy", "ext4", observer: nil)
        let place = lab.stagingPath("busy")
        // Until it is `sleep`, the process has the shell's name.
        let started = try await shell(
            """
            mkdir \(place)/here; cd \(place)/here; sleep 600 > /dev/null 2>&1 & echo $!
            until grep -qx sleep /proc/$!/comm; do sleep 0.02; done
            """
        )
        let pid = try #require(started.split(separator: "\n").compactMap { Int32($0) }.last)
        let user = try #require(ProcessIdentity(of: pid))
        defer { try? user.send(SIGKILL) }
        await #expect { try await lab.run("down", "busy", "ext4", observer: nil) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("process \(pid) (sleep)")
                && "\($0)".contains("\(place)/here")
        }
        try user.send(SIGKILL)
        let deadline = ContinuousClock.now + .seconds(180)
        while user.isAlive, .now < deadline { try await Task.sleep(for: .milliseconds(20)) }
        try await lab.run("down", "busy", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("busy")
    }

    @Test("A file system that has become read-only is reported")
    func reportsReadOnly() async throws {
        let lab = try await NodeLab.fresh("turned", megabytes: 64)
        try await lab.run("stage", "turned", "ext4", observer: nil)
        let place = lab.stagingPath("turned")
        let request = StatsRequest(volumeID: lab.handle("turned"), volumePath: place, stagingPath: "")
        #expect(try await !lab.service().stats(request, deadline: soon).condition.isAbnormal)
        try await shell("mount -o remount,ro \(place)")
        let condition = try await lab.service().stats(request, deadline: soon).condition
        #expect(condition.isAbnormal && condition.message.contains("read-only"), "\(condition.message)")
        try await lab.run("down", "turned", "ext4", observer: nil)
        try await lab.remove("turned")
    }
}
