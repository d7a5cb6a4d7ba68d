import Glibc
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// The paths that a volume may use, and the mounts that may be removed.
extension NodeTests {
    @Test("An unpublish takes away what is the volume's, and nothing else")
    func unmountsOwnAlone() async throws {
        let lab = try await NodeLab.fresh("own", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("own"), deadline: soon)
        try await lab.service().publish(lab.publishRequest("own"), deadline: soon)
        let foreign = "\(lab.directory)/pods/foreign"
        let other = try await NodeLab.fresh("own-other", megabytes: 64)
        try await other.run("up", "own-other", "ext4", observer: nil)
        try await shell("mkdir \(foreign) && mount -t tmpfs none \(foreign) && echo kept > \(foreign)/kept")

        // A tmpfs, by the name of this volume, of another, of none; the staging mount; another volume's pod.
        for (id, path) in [
            (lab.handle("own"), foreign), (lab.handle("never"), foreign), ("no handle", foreign),
            (lab.handle("own"), lab.stagingPath("own")), (lab.handle("never"), lab.stagingPath("own")),
            (lab.handle("never"), lab.targetPath("own")), (lab.handle("own"), other.targetPath("own-other")),
        ] {
            let code = await code { try await lab.service().unpublish(volumeID: id, targetPath: path, deadline: soon) }
            #expect(code == .failedPrecondition, "\(id) at \(path)")
        }
        #expect(try await shell("cat \(foreign)/kept") == "kept\n")
        try await shell("mountpoint -q \(lab.stagingPath("own")) && mountpoint -q \(lab.targetPath("own"))")
        try await shell("mountpoint -q \(other.targetPath("own-other"))")

        // What somebody has bound to a path that was never published.
        let bound = "\(lab.directory)/pods/bound"
        try await shell("mkdir \(bound) && mount --bind \(lab.stagingPath("own")) \(bound)")
        let bind = await code {
            try await lab.service().unpublish(volumeID: lab.handle("own"), targetPath: bound, deadline: soon)
        }
        #expect(bind == .failedPrecondition)
        try await shell("mountpoint -q \(bound) && umount \(bound) && rmdir \(bound)")
        // A pod's path is taken back although the record was lost, and another was written by a stage since.
        let pod = "\(lab.directory)/pods/uid/volumes/kubernetes.io~csi/own"
        try await shell("mkdir -p \(pod) && mount --bind \(lab.stagingPath("own")) \(pod)")
        try await lab.service().unpublish(volumeID: lab.handle("own"), targetPath: pod, deadline: soon)
        try await shell("! mountpoint -q \(pod) && rm -r \(lab.directory)/pods/uid")

        // On top of the volume's own.
        try await shell("mount -t tmpfs none \(lab.targetPath("own"))")
        let top = await code {
            try await lab.service().unpublish(
                volumeID: lab.handle("own"),
                targetPath: lab.targetPath("own"),
                deadline: soon
            )
        }
        #expect(top == .failedPrecondition)
        try await shell("umount \(lab.targetPath("own")) && mountpoint -q \(lab.targetPath("own"))")

        // A path that never was a target stays.
        try await shell("mkdir \(lab.directory)/pods/empty && touch \(lab.directory)/pods/file")
        for name in ["empty", "file", "absent"] {
            try await lab.service().unpublish(
                volumeID: lab.handle("own"),
                targetPath: "\(lab.directory)/pods/\(name)",
                deadline: soon
            )
        }
        try await shell("test -d \(lab.directory)/pods/empty && test -f \(lab.directory)/pods/file")

        try await lab.run("down", "own", "ext4", observer: nil)
        #expect(try FileKind.of(lab.targetPath("own")) == nil)
        try await shell("umount \(foreign)")
        try await other.run("down", "own-other", "ext4", observer: nil)
        #expect(try lab.remains() + other.remains() == [])
        try await other.remove("own-other")
        try await lab.remove("own")
    }

    @Test("A volume's mount is taken away although its record is lost", arguments: ["ext4", nil])
    func unmountsUnrecorded(fsType: String?) async throws {
        let image = "unrecorded-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await lab.service().publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        try await shell("mv \(lab.directory)/volumes \(lab.directory)/away")
        let other = await code {
            try await lab.service().unpublish(
                volumeID: lab.handle("never"),
                targetPath: lab.targetPath(image),
                deadline: soon
            )
        }
        #expect(other == .failedPrecondition)
        try await lab.service().unpublish(
            volumeID: lab.handle(image),
            targetPath: lab.targetPath(image),
            deadline: soon
        )
        #expect(try FileKind.of(lab.targetPath(image)) == nil)
        try await shell("mv \(lab.directory)/away \(lab.directory)/volumes")
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A publish refuses places that are not to be given, and follows no link")
    func refusesPlaces() async throws {
        let lab = try await NodeLab.fresh("places", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("places"), deadline: soon)
        let staging = lab.stagingPath("places")
        let before = try KernelFile.text("/proc/self/mountinfo")
        try await shell(
            """
            cd \(lab.directory) && mkdir goal && ln -s goal pods/link && ln -s \(lab.directory)/volumes pods/into
            ln -s /proc/1/fd pods/fd && ln -s \(staging) pods/staged && ln -s goal pods/dir
            """
        )
        for path in [
            staging, "\(staging)/below", "\(staging)/", lab.directory, "\(lab.directory)/volumes",
            "\(lab.directory)/new",
            "\(lab.directory)/volumes/new", "\(lab.directory)/staging", "/proc/1/fd", "/proc/self/root/tmp", "/sys/x",
            "/dev/x", "/", "/etc/x", "/usr/lib/x", "/var", "/tmp", "\(lab.directory)/pods/link",
            "\(lab.directory)/pods/into/x", "\(lab.directory)/pods/fd", "\(lab.directory)/pods/staged/x",
            "\(lab.directory)/pods", "\(lab.directory)/pods/none/../x", "pods/x",
            "\(lab.directory)/pods/\u{301}../x/../..",
        ] {
            let code = await code {
                var request = lab.publishRequest("places")
                request.targetPath = path
                try await lab.service().publish(request, deadline: soon)
            }
            #expect([.invalidArgument, .failedPrecondition].contains(code), "\(path)")
        }
        #expect(try KernelFile.text("/proc/self/mountinfo") == before)
        // Links in parent directories are kubelet's responsibility.
        var request = lab.publishRequest("places")
        request.targetPath = "\(lab.directory)/pods/a/b"
        try await shell("mkdir \(lab.directory)/pods/real && ln -s real \(lab.directory)/pods/a")
        for _ in 0..<2 { try await lab.service().publish(request, deadline: soon) }
        try await shell("mountpoint -q \(lab.directory)/pods/real/b")
        for _ in 0..<2 {
            try await lab.service().unpublish(
                volumeID: lab.handle("places"),
                targetPath: request.targetPath,
                deadline: soon
            )
        }
        #expect(try FileKind.of("\(lab.directory)/pods/real/b") == nil)
        try await lab.run("down", "places", "ext4", observer: nil)
        try await lab.remove("places")
    }

    @Test("Nothing is mounted over what is there, nor within another volume, and what stays is called what it is")
    func refusesFilledPlaces() async throws {
        let lab = try await NodeLab.fresh("content", megabytes: 64)
        let other = try await NodeLab.fresh("content-other", megabytes: 64)
        let pods = "\(lab.directory)/pods"
        try await shell(
            """
            cd \(pods) && mkdir full empty && echo kept > full/file && echo kept > text && mkfifo pipe && : > none
            mkdir \(lab.directory)/staging/full && echo kept > \(lab.directory)/staging/full/file
            """
        )
        var filled = lab.stageRequest("content")
        filled.stagingPath = "\(lab.directory)/staging/full"
        #expect(await code { try await lab.service().stage(filled, deadline: soon) } == .failedPrecondition)
        try await lab.service().stage(lab.stageRequest("content"), deadline: soon)
        for name in ["full", "text", "none", "pipe"] {
            var request = lab.publishRequest("content")
            request.targetPath = "\(pods)/\(name)"
            let code = await code { try await lab.service().publish(request, deadline: soon) }
            #expect(code == .failedPrecondition, "\(name)")
        }
        try await shell("cat \(pods)/full/file \(pods)/text && ! grep ' \(pods)/' /proc/self/mountinfo")
        // What kubelet makes, it may have made before.
        var request = lab.publishRequest("content")
        request.targetPath = "\(pods)/empty"
        for _ in 0..<2 { try await lab.service().publish(request, deadline: soon) }

        // Within a volume, be it mounted or only written down.
        try await lab.service().stage(other.stageRequest("content-other"), deadline: soon)
        var within = other.publishRequest("content-other")
        within.targetPath = "\(pods)/empty/in"
        #expect(await code { try await lab.service().publish(within, deadline: soon) } == .invalidArgument)
        within = request
        within.targetPath = "\(pods)/empty/in"
        #expect(await code { try await lab.service().publish(within, deadline: soon) } == .invalidArgument)
        try await shell("! test -e \(pods)/empty/in && umount \(pods)/empty")
        #expect(await code { try await lab.service().publish(within, deadline: soon) } == .invalidArgument)

        // What somebody put there since is not called files.
        for (make, word) in [("ln -s /etc", "no empty directory"), ("mkfifo", "no empty directory")] {
            try await shell("rmdir \(pods)/empty && \(make) \(pods)/empty")
            do throws(VolumeError) {
                try await lab.service().unpublish(
                    volumeID: lab.handle("content"),
                    targetPath: request.targetPath,
                    deadline: soon
                )
                Issue.record("\(make) was taken for the target")
            } catch {
                #expect(error.message.contains(word), "\(error.message)")
            }
            try await shell("rm \(pods)/empty && mkdir \(pods)/empty")
        }
        try await lab.service().unpublish(
            volumeID: lab.handle("content"),
            targetPath: request.targetPath,
            deadline: soon
        )
        try await lab.run("down", "content", "ext4", observer: nil)
        try await lab.service().unstage(
            volumeID: lab.handle("content-other"),
            stagingPath: other.stagingPath("content-other"),
            deadline: soon
        )
        #expect(try lab.remains() == [])
        try await other.remove("content-other")
        try await lab.remove("content")
    }

    @Test("A stage refuses places that are not to be given, and what somebody has mounted there")
    func refusesStagingPlaces() async throws {
        let lab = try await NodeLab.fresh("stages", megabytes: 64)
        let other = try await NodeLab.fresh("stages-other", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("stages"), deadline: soon)
        try await lab.service().publish(lab.publishRequest("stages"), deadline: soon)
        try await makeImage("stages-second", megabytes: 64)
        try await shell(
            """
            cd \(lab.directory)/staging && mkdir tmpfs goal && mount -t tmpfs none tmpfs && ln -s goal link
            mkdir \(lab.targetPath("stages"))/below
            """
        )
        for path in [
            "\(lab.stagingPath("stages"))/lost+found", lab.stagingPath("stages"), "\(lab.targetPath("stages"))/below",
            "\(lab.directory)/staging/tmpfs", "\(lab.directory)/staging/link", "/proc/1/fd", "/", "/etc",
            "\(lab.directory)/volumes", "\(lab.directory)/staging",
        ] {
            let code = await code {
                var request = lab.stageRequest("stages-second")
                request.stagingPath = path
                try await lab.service().stage(request, deadline: soon)
            }
            #expect([.invalidArgument, .failedPrecondition].contains(code), "\(path)")
        }
        try await shell("mountpoint -q \(lab.directory)/staging/tmpfs && umount \(lab.directory)/staging/tmpfs")
        try await shell("rmdir \(lab.directory)/staging/tmpfs \(lab.directory)/staging/goal")
        // An unstage leaves a foreign mount on top of it.
        try await lab.service().unpublish(
            volumeID: lab.handle("stages"),
            targetPath: lab.targetPath("stages"),
            deadline: soon
        )
        try await shell("mount -t tmpfs none \(lab.stagingPath("stages"))")
        let code = await code { try await lab.run("down", "stages", "ext4", observer: nil) }
        #expect(code == .failedPrecondition)
        try await shell("mountpoint -q \(lab.stagingPath("stages")) && umount \(lab.stagingPath("stages"))")
        try await lab.run("down", "stages", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        _ = try await rbd("rm --no-progress rbd/stages-second")
        try await other.remove("stages-other")
        try await lab.remove("stages")
    }

    @Test("A target that becomes a link while it is published leads the mount nowhere else")
    func swappedLinks() async throws {
        let lab = try await NodeLab.fresh("swap", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("swap"), deadline: soon)
        try KernelFile.makeDirectories("\(lab.directory)/goal/d")
        let pods = "\(lab.directory)/pods"
        let swapper = try await shell(
            """
            (cd \(pods); while :; do mkdir -p p/d; mv p q; ln -s ../goal p; rm p; mv q p; done) > /dev/null 2>&1 &
            echo $!
            """
        )
        let pid = try #require(Int32(swapper.filter(\.isNumber)))
        let process = try #require(ProcessIdentity(of: pid))
        var request = lab.publishRequest("swap")
        request.targetPath = "\(pods)/p/d"
        for _ in 0..<100 {
            try? await lab.service().publish(request, deadline: soon)
            #expect(try MountTable.current().mounts(below: "\(lab.directory)/goal").isEmpty)
            try? await lab.service().unpublish(
                volumeID: lab.handle("swap"),
                targetPath: request.targetPath,
                deadline: soon
            )
        }
        try process.send(SIGKILL)
        try await shell(
            """
            cd \(pods); while grep -q ' \(pods)/' /proc/self/mountinfo; do
            umount $(awk '$5 ~ "^\(pods)/" {print $5; exit}' /proc/self/mountinfo); done
            """
        )
        await lab.service().reconcile(deadline: soon)
        try await lab.run("down", "swap", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("swap")
    }

    @Test("A volume for one pod is published at one path", arguments: ["ext4", nil])
    func onePod(fsType: String?) async throws {
        let image = "one-pod-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let mode = VolumeCapability.Mode.singleNodeSingleWriter
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType, mode: mode), deadline: soon)
        let first = lab.publishRequest(image, fsType: fsType, mode: mode)
        for _ in 0..<3 { try await lab.service().publish(first, deadline: soon) }
        for otherMode in [mode, .singleNodeMultiWriter, .singleNodeWriter] {
            var second = lab.publishRequest(image, fsType: fsType, mode: otherMode)
            second.targetPath += "-second"
            let code = await code { try await lab.service().publish(second, deadline: soon) }
            #expect(code == .failedPrecondition)
            #expect(try FileKind.of(second.targetPath) == nil)
        }
        try await lab.service().unpublish(volumeID: lab.handle(image), targetPath: first.targetPath, deadline: soon)
        var second = first
        second.targetPath += "-second"
        try await lab.service().publish(second, deadline: soon)
        try await lab.service().unpublish(volumeID: lab.handle(image), targetPath: second.targetPath, deadline: soon)
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    @Test("Two spellings of one letter are two paths")
    func spellings() async throws {
        let lab = try await NodeLab.fresh("spelling", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("spelling"), deadline: soon)
        for name in ["caf\u{E9}", "cafe\u{301}"] {
            var request = lab.publishRequest("spelling")
            request.targetPath = "\(lab.directory)/pods/\(name)"
            try await lab.service().publish(request, deadline: soon)
            try await shell("mountpoint -q '\(request.targetPath)'")
        }
        for name in ["caf\u{E9}", "cafe\u{301}"] {
            try await lab.service().unpublish(
                volumeID: lab.handle("spelling"),
                targetPath: "\(lab.directory)/pods/\(name)",
                deadline: soon
            )
            try await shell("! test -e '\(lab.directory)/pods/\(name)'")
        }
        try await lab.run("down", "spelling", "ext4", observer: nil)
        try await lab.remove("spelling")
    }

    @Test("A volume that is not here is not found, whatever path is named")
    func unknownPlaces() async throws {
        let lab = try await NodeLab.fresh("here", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("here"), deadline: soon)
        for (id, path) in [
            (lab.handle("never"), "some/path"), (lab.handle("here"), "some/path"), ("no handle", "/some/path"),
            (lab.handle("here"), "/some/.."), (lab.handle("here"), "/proc/1/fd"),
        ] {
            let stats = await code {
                _ = try await lab.service().stats(
                    StatsRequest(volumeID: id, volumePath: path, stagingPath: ""),
                    deadline: soon
                )
            }
            let expand = await code {
                _ = try await lab.service().expand(
                    NodeExpandRequest(volumeID: id, volumePath: path, stagingPath: "", range: nil, capability: nil),
                    deadline: soon
                )
            }
            #expect(stats == .notFound && expand == .notFound, "\(id) at \(path)")
        }
        try await lab.run("down", "here", "ext4", observer: nil)
        try await lab.remove("here")
    }

    /// The code of a call's error; `nil` if it succeeds.
    private func code(_ body: () async throws -> Void) async -> VolumeError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? VolumeError)?.code
        }
    }
}
