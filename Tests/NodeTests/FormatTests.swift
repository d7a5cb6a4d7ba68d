import Glibc
import ImageMapping
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// The image says whether a file system may be made; stale records of nodes and interrupted mkfs cost no data.
extension NodeTests {
    @Test("A node that was killed while it formatted does not format what another has used since")
    func comesBackToUsed() async throws {
        let pair = try await NodePair("comeback", .exclusiveLock)
        try await crash(pair.first, "up", "comeback", .formatting)
        try await pair.first.run("reconcile", "comeback", nil, observer: nil)
        try await pair.second.service().stage(pair.second.stageRequest("comeback"), deadline: soon)
        let (mine, other) = (pair.first.stagingPath("comeback"), pair.second.stagingPath("comeback"))
        try await shell("echo row > \(other)/row && sync \(other)/row")
        try await pair.down(pair.second)
        // The record of an earlier version.
        let records = "\(pair.first.directory)/volumes"
        try KernelFile.makeDirectories(records)
        let name = ImageAddress.fileName(of: pair.first.handle("comeback"))
        let record = """
            {"version":1,"volumeID":"\(pair.first.handle("comeback"))","stagingPath":"\(mine)","isFormatting":true,\
            "isStaged":false,"targets":[],"usage":{"isBlock":false,"fileSystem":"ext4","mountFlags":[],"mode":1}}
            """
        try KernelFile.replace("\(records)/\(name).json", with: Array(record.utf8))
        try await pair.first.service().stage(pair.first.stageRequest("comeback"), deadline: soon)
        #expect(try await shell("cat \(mine)/row") == "row\n")
        try await pair.end()
    }

    /// A real mkfs that is killed by its first write beyond a limit, in KiB: ulimit counts 512 bytes.
    static let killed: [(String, Int)] = [
        ("ext4", 1), ("ext4", 4), ("ext4", 200), ("ext4", 70_000), ("xfs", 1), ("xfs", 100), ("xfs", 110_000),
        ("xfs", 310_000),
    ]

    @Test("What a mkfs left that was killed at any write is made anew by any node", arguments: killed)
    func makesAnew(fsType: String, limit: Int) async throws {
        let image = "killed-\(fsType)-\(limit)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        let ended = try await shell(
            "truncate -s 400M \(file); (ulimit -f \(limit * 2); mkfs.\(fsType) -q \(file)) > /dev/null 2>&1; echo $?"
        )
        #expect(ended != "0\n")
        _ = try await rbd(
            "rm --no-progress rbd/\(image) && rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf "
                + "import --no-progress \(file) rbd/\(image)"
        )
        if try await shell("tr -d '\\0' < \(file) | head -c 1 | wc -c") != "0\n" {
            // Without the note, its origin is unknown.
            await #expect {
                try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            } throws: { ($0 as? VolumeError)?.code == .failedPrecondition }
        }
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/request-name \(image)")
        try await note(image, "formatting \(fsType) worker-9 2026-11-29T12:00:00Z 5")
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await shell("echo x > \(lab.stagingPath(image))/f && sync -f \(lab.stagingPath(image))")
        #expect(try await rbd("image-meta get rbd/\(image) nacre.io/format") == "formatted \(fsType)\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    @Test("What 0.1.0 was killed in, of which no note tells, is made anew by any node", arguments: killed)
    func makesAnewByBytes(fsType: String, limit: Int) async throws {
        let image = "old-\(fsType)-\(limit)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        let options = fsType == "ext4" ? "-m0 -Enodiscard,lazy_itable_init=1,lazy_journal_init=1" : "-K"
        let ended = try await shell(
            "truncate -s 400M \(file); (ulimit -f \(limit * 2); mkfs.\(fsType) -q \(options) \(file)) > /dev/null 2>&1; "
                + "echo $?"
        )
        #expect(ended != "0\n")
        try await replace(image, by: file, in: lab)
        try leaveOldRecord(image, fsType, in: lab)
        try await lab.run("reconcile", image, nil, observer: nil)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await shell("echo x > \(lab.stagingPath(image))/f && sync -f \(lab.stagingPath(image))")
        #expect(try await rbd("image-meta get rbd/\(image) nacre.io/format") == "formatted \(fsType)\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }

    /// Contents that are not the remains of a mkfs, although a file of 0.1.0 says that its node was killed in one.
    static let precious: [(String, String)] = [
        ("pages", "dd if=/dev/urandom of=FILE bs=8k seek=2 count=40 conv=notrunc"),
        ("header", "printf 'a database of its own' | dd of=FILE bs=4k seek=1 conv=notrunc"),
        (
            "front",
            "mkfs.ext4 -q FILE && debugfs -w -R 'write /etc/hostname f' FILE && dd if=/dev/zero of=FILE bs=4k count=1 conv=notrunc"
        ),
        ("wiped", "mkfs.ext4 -q FILE && debugfs -w -R 'write /etc/hostname f' FILE && wipefs -q -a FILE"),
        ("log", "mkfs.xfs -q FILE && dd if=/dev/zero of=FILE bs=4k count=1 conv=notrunc"),
    ]

    @Test("The word of a file of 0.1.0's costs nothing that may be somebody's", arguments: precious)
    func keepsWithoutNote(name: String, command: String) async throws {
        let image = "precious-\(name)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        try await shell("truncate -s 400M \(file); (\(command.replacing("FILE", with: file))) > /dev/null 2>&1")
        try await replace(image, by: file, in: lab)
        for fsType in ["ext4", "xfs"] {
            try leaveOldRecord(image, fsType, in: lab)
            await #expect {
                try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition
                    && "\($0)".contains("rbd resize --size 400M rbd/\(image)")
            }
        }
        try await lab.run("down", image, "ext4", observer: nil)
        let export = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf export --no-progress rbd/\(image) -"
        #expect(try await shell("\(export) | cmp - \(file) && echo same") == "same\n")
        // The commands that the error gives.
        _ = try await rbd("resize --no-progress --allow-shrink --size 0 rbd/\(image)")
        _ = try await rbd("resize --no-progress --size 400M rbd/\(image)")
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    /// Real uses of an xfs: one by a mount, one that leaves the log as mkfs.xfs makes it.
    static let uses: [(String, String)] = [
        (
            "mounted",
            "mkfs.xfs -q FILE; mkdir FILE.d; mount -o loop FILE FILE.d; echo row > FILE.d/row; umount FILE.d; rmdir FILE.d"
        ),
        (
            "filled",
            "printf '/\n0 0\nd--755 0 0\nrow ---644 0 0 /etc/hostname\n$\n' > FILE.p; mkfs.xfs -q -p FILE.p FILE"
        ),
    ]

    @Test("A used xfs whose first super block was copied from the second group is refused", arguments: uses)
    func copiedSuperBlock(name: String, use: String) async throws {
        let image = "copied-\(name)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        try await shell(
            """
            set -e; truncate -s 400M \(file); \(use.replacing("FILE", with: file))
            blocks=$(xfs_db -r -c 'sb 0' -c 'p agblocks' \(file) | tr -dc 0-9)
            dd if=\(file) of=\(file) bs=512 skip=$((blocks * 8)) count=1 conv=notrunc 2> /dev/null
            """
        )
        // The copy says that mkfs did not end, and its sum is right.
        #expect(try await shell("xfs_db -r -c 'sb 0' -c 'p inprogress' \(file)") == "inprogress = 1\n")
        try await replace(image, by: file, in: lab)
        try leaveOldRecord(image, "xfs", in: lab)
        await #expect(throws: VolumeError.self) {
            try await lab.service().stage(lab.stageRequest(image, fsType: "xfs"), deadline: soon)
        }
        try await lab.run("down", image, "xfs", observer: nil)
        let export = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf export --no-progress rbd/\(image) -"
        #expect(try await shell("\(export) | cmp - \(file) && echo same") == "same\n")
        try await lab.remove(image)
    }

    @Test("A volume of 0.1.0's is noted as formatted once it is staged, and never formatted again")
    func notesOldVolumes() async throws {
        let image = "old-whole"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        try await shell("truncate -s 400M \(file); mkfs.ext4 -q \(file)")
        try await replace(image, by: file, in: lab)
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        #expect(try await rbd("image-meta get rbd/\(image) nacre.io/format") == "formatted ext4\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    /// Makes an image as Nacre 0.1.0 made it, with the content of a file.
    private func replace(_ image: String, by file: String, in lab: NodeLab) async throws {
        _ = try await rbd(
            "rm --no-progress rbd/\(image) && rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf "
                + "import --no-progress \(file) rbd/\(image)"
        )
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/request-name \(image)")
    }

    private func leaveOldRecord(_ image: String, _ fsType: String, in lab: NodeLab) throws {
        let records = "\(lab.directory)/volumes"
        try KernelFile.makeDirectories(records)
        let record = """
            {"version":1,"volumeID":"\(lab.handle(image))","stagingPath":"\(lab.stagingPath(image))","isFormatting":true,\
            "isStaged":false,"targets":[],"usage":{"isBlock":false,"fileSystem":"\(fsType)","mountFlags":[],"mode":1}}
            """
        try KernelFile.replace(
            "\(records)/\(ImageAddress.fileName(of: lab.handle(image))).json",
            with: Array(record.utf8)
        )
    }

    @Test("A note that a format began never costs a file system that was mounted", arguments: ["ext4", "xfs"])
    func keepsUsed(fsType: String) async throws {
        let image = "keep-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let place = lab.stagingPath(image)
        for round in 0..<2 {
            try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            // In the first round only mounted: the smallest use that counts.
            if round == 1 { try await shell("echo row > \(place)/row && sync \(place)/row") }
            try await lab.run("down", image, fsType, observer: nil)
            try await note(image, "formatting \(fsType) worker-9 2026-11-29T12:00:00Z 5")
            try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            if round == 1 { #expect(try await shell("cat \(place)/row") == "row\n") }
            #expect(try await rbd("image-meta get rbd/\(image) nacre.io/format") == "formatted \(fsType)\n")
            try await lab.run("down", image, fsType, observer: nil)
        }
        try await lab.remove(image)
    }

    @Test("A note that a format began never costs an xfs that mkfs.xfs itself filled")
    func keepsFilled() async throws {
        let image = "keep-filled"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let file = "\(lab.directory)/partial"
        try await shell(
            """
            printf '/\\n0 0\\nd--755 0 0\\nhost ---644 0 0 /etc/hostname\\n$\\n' > \(file).proto
            truncate -s 400M \(file) && mkfs.xfs -q -p \(file).proto \(file)
            """
        )
        try await replace(image, by: file, in: lab)
        try await note(image, "formatting xfs worker-9 2026-11-29T12:00:00Z 5")
        try await lab.service().stage(lab.stageRequest(image, fsType: "xfs"), deadline: soon)
        try await shell("cmp /etc/hostname \(lab.stagingPath(image))/host")
        try await lab.run("down", image, "xfs", observer: nil)
        try await lab.remove(image)
    }

    @Test("A file system that was made and never mounted is made anew, data that has no name is not")
    func provesUnused() async throws {
        let lab = try await NodeLab.fresh("unused", megabytes: 400)
        try await note("unused", "formatting ext4 worker-9 2026-11-29T12:00:00Z 5")
        _ = try await rbd("bench rbd/unused --io-type write --io-size 4K --io-total 4K --io-threads 1")
        await #expect { try await lab.service().stage(lab.stageRequest("unused"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("holds")
        }
        try await lab.run("down", "unused", "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("unused")
    }

    @Test("An image that was formatted and is all zeros by now is not formatted again")
    func refusesLost() async throws {
        let lab = try await NodeLab.fresh("lost", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("lost"), deadline: soon)
        try await lab.run("down", "lost", "ext4", observer: nil)
        let id = try await rbd("info rbd/lost --format json | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/'")
        let data = "rbd_data.\(id.split(separator: "\n").last ?? "")."
        let rados = "rados -c \(NodeLab.clusterDirectory ?? "")/ceph.conf -p rbd"
        try await shell("for o in $(\(rados) ls | grep '^\(data)'); do \(rados) rm $o; done")
        await #expect { try await lab.service().stage(lab.stageRequest("lost"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("zeros")
        }
        // What the error says; the object map still has what was removed behind its back.
        _ = try await rbd("resize --no-progress --allow-shrink --size 0 rbd/lost")
        _ = try await rbd("resize --no-progress --size 64M rbd/lost")
        _ = try await rbd("image-meta remove rbd/lost nacre.io/format")
        try await lab.service().stage(lab.stageRequest("lost"), deadline: soon)
        try await lab.run("down", "lost", "ext4", observer: nil)
        try await lab.remove("lost")
    }

    @Test("A mkfs that fails leaves a volume that any other node takes", arguments: ["ext4", "xfs"])
    func healsElsewhere(fsType: String) async throws {
        let pair = try await NodePair("heal-\(fsType)", .exclusiveLock)
        let tool = fsType == "ext4" ? "mke2fs" : "mkfs.xfs"
        let wrapper = "\(pair.first.directory)/wrapper"
        // It does all of its work, and then fails.
        try await shell(
            """
            mkdir \(wrapper).real && cp /usr/sbin/\(tool) \(wrapper).real/mkfs.\(fsType)
            printf '#!/bin/sh\\n\(wrapper).real/mkfs.\(fsType) "$@"\\necho it went wrong >&2\\nexit 9\\n' > \(wrapper)
            chmod +x \(wrapper) && mount --bind \(wrapper) /usr/sbin/\(tool)
            """
        )
        await #expect {
            try await pair.first.service().stage(
                pair.first.stageRequest(pair.image, fsType: fsType),
                deadline: soon
            )
        } throws: { "\($0)".contains("it went wrong") }
        try await shell("umount /usr/sbin/\(tool)")
        let lab = pair.second
        try await lab.service().stage(lab.stageRequest(pair.image, fsType: fsType), deadline: soon)
        try await shell("echo x > \(lab.stagingPath(pair.image))/f")
        try await pair.end(fsType: fsType)
    }

    @Test("What is written on an image is changed from what was read, or not at all", arguments: [MapperKind.fuse])
    func changesNotes(kind: MapperKind) async throws {
        var lab = try await NodeLab.fresh("notes")
        lab.mappers = [kind]
        let address = ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: "notes")
        let request = MapRequest(
            image: address,
            monitors: lab.monitors,
            credentials: lab.credentials,
            sharing: .oneNode
        )
        let mappers = lab.imageMappers()
        _ = try mappers.map(request)
        try mappers.apply(MetadataChange("nacre.io/format", from: nil, to: "one é"), request)
        #expect(try mappers.metadata(request) == ["nacre.io/format": "one é", "nacre.io/request-name": "notes"])
        for present in [nil, "one", "two"] as [String?] {
            #expect(throws: MappingError.self) {
                try mappers.apply(MetadataChange("nacre.io/format", from: present, to: "three"), request)
            }
        }
        try mappers.apply(MetadataChange("nacre.io/format", from: "one é", to: "two"), request)
        #expect(try await rbd("image-meta get rbd/notes nacre.io/format") == "two\n")
        try mappers.unmap(address)
        try await lab.remove("notes")
    }

    private func note(_ image: String, _ text: String) async throws {
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/format '\(text)'")
    }
}
