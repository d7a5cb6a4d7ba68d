import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// A file system is made only on an image that is Nacre's and empty.
extension NodeTests {
    /// What tells which objects exist: the object map, or each object.
    static let features = ["layering", "layering,exclusive-lock,object-map,fast-diff"]

    /// Replaces the image by one that another program made of a file.
    private func importImage(_ image: String, _ file: String, _ features: String) async throws {
        _ = try await rbd("rm --no-progress rbd/\(image)")
        _ = try await rbd("import --no-progress --image-feature \(features) \(file) rbd/\(image)")
    }

    private func expectRefused(_ lab: NodeLab, _ image: String, _ words: String...) async throws {
        do throws(VolumeError) {
            try await lab.service().stage(lab.stageRequest(image, fsType: ""), deadline: soon)
            Issue.record("\(image) was staged")
        } catch {
            #expect(error.code == .failedPrecondition, "\(error)")
            for word in words { #expect(error.message.contains(word), "\(error)") }
        }
        #expect(try lab.remains() == [])
    }

    @Test("Data between two ends of zeros is never formatted over, whoever made the image", arguments: features)
    func keepsTheMiddle(features: String) async throws {
        let image = "middle-\(features.utf8.count)"
        let lab = try await NodeLab.fresh(image, megabytes: 100)
        let file = "\(lab.directory)/disk"
        try await shell(
            "truncate -s 100M \(file) && dd if=/dev/urandom of=\(file) bs=1M seek=40 count=20 conv=notrunc status=none"
        )
        try await importImage(image, file, features)
        try await expectRefused(lab, image, "another program", "nacre.io/adopted", "mkfs")
        #expect(try await rbd("image-meta ls rbd/\(image)").contains("nacre") == false)
        for mark in ["nacre.io/adopted", "nacre.io/request-name"] {
            _ = try await rbd("image-meta set rbd/\(image) \(mark) x")
            try await expectRefused(lab, image, "nacre.io/adopted rbd/\(image)")
            _ = try await rbd("image-meta remove rbd/\(image) \(mark)")
        }
        for (mark, value) in [("nacre.io/adopted", "rbd/\(image)"), ("nacre.io/request-name", image)] {
            _ = try await rbd("image-meta set rbd/\(image) \(mark) \(value)")
            try await expectRefused(lab, image, "between", "rbd resize --size 100M rbd/\(image)")
        }
        let export = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf export --no-progress rbd/\(image) -"
        #expect(try await shell("\(export) | cmp - \(file) && echo same") == "same\n")
        // The commands that the error gives.
        _ = try await rbd("resize --no-progress --allow-shrink --size 0 rbd/\(image)")
        _ = try await rbd("resize --no-progress --size 100M rbd/\(image)")
        try await lab.service().stage(lab.stageRequest(image, fsType: ""), deadline: soon)
        try await lab.run("down", image, "", observer: nil)
        try await lab.remove(image)
    }

    @Test("Another program's blank image is formatted once it is adopted, and its file system is mounted without that")
    func adopts() async throws {
        let image = "foreign"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let file = "\(lab.directory)/disk"
        try await shell("truncate -s 64M \(file)")
        try await importImage(image, file, "layering")
        try await expectRefused(lab, image, "another program", "nacre.io/adopted", "mkfs")
        #expect(try await rbd("image-meta ls rbd/\(image)").contains("nacre") == false)
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/adopted rbd/\(image)")
        try await lab.service().stage(lab.stageRequest(image, fsType: ""), deadline: soon)
        #expect(try await rbd("image-meta get rbd/\(image) nacre.io/format") == "formatted ext4\n")
        try await lab.run("down", image, "", observer: nil)

        try await shell("mkfs.ext4 -q \(file)")
        try await importImage(image, file, "layering")
        try await lab.service().stage(lab.stageRequest(image, fsType: ""), deadline: soon)
        try await shell("echo x > \(lab.stagingPath(image))/f")
        #expect(try await rbd("image-meta ls rbd/\(image)").contains("nacre") == false)
        try await lab.run("down", image, "", observer: nil)
        try await lab.remove(image)
    }

    @Test("A wiped ext4 is got back by the first way that the error names, and begun anew by the last")
    func rescues() async throws {
        let image = "wiped"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let (place, device) = (lab.stagingPath(image), "\(lab.stagingPath(image))/device")
        try await lab.run("stage", image, "ext4", observer: nil)
        try await shell("cd \(place) && for i in $(seq 40); do mkdir d$i && echo precious > d$i/row; done")
        try await lab.run("down", image, "ext4", observer: nil)
        func harm(_ command: String) async throws {
            try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
            try await shell(command)
            try await lab.run("down", image, nil, observer: nil)
        }
        let wipe = "dd if=/dev/zero of=\(device) bs=1M count=4 conv=notrunc,fsync status=none"
        try await harm(wipe)
        try await expectRefused(lab, image, "formatted ext4", "map --repair", "e2fsck -f", "rbd resize --size 400M")
        try await harm("e2fsck -fy \(device); test $? -le 2")
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("grep -rlx precious \(place) | head -1") != "")
        try await lab.run("down", image, "ext4", observer: nil)

        try await harm(wipe)
        _ = try await rbd("resize --no-progress --allow-shrink --size 0 rbd/\(image)")
        _ = try await rbd("resize --no-progress --size 400M rbd/\(image)")
        _ = try await rbd("image-meta remove rbd/\(image) nacre.io/format")
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("ls \(place)") == "lost+found\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    @Test(
        "An ext2 or ext3 is made an ext4 by the way that the error names first, and keeps its files",
        arguments: ["ext2", "ext3"]
    )
    func becomesExt4(format: String) async throws {
        let image = "was-\(format)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let (file, files) = ("\(lab.directory)/disk", "\(lab.directory)/files")
        try await shell(
            "mkdir \(files) && echo row > \(files)/row && truncate -s 64M \(file) && mke2fs -q -t \(format) -d \(files) \(file)"
        )
        try await importImage(image, file, "layering,exclusive-lock")
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/request-name x")
        let refusal = await #expect(throws: VolumeError.self) {
            try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        }
        let message = refusal?.message ?? ""
        let keep = try #require(message.firstRange(of: "to keep all")),
            lose = try #require(message.firstRange(of: "to lose all"))
        #expect(keep.lowerBound < lose.lowerBound && message.contains("holds \(format)"), "\(message)")
        let options = try #require(message.firstRange(of: "tune2fs ")).upperBound
        var request = lab.stageRequest(image, fsType: nil)
        request.context[StageRequest.repair] = "true"
        try await lab.service().stage(request, deadline: soon)
        let end = try #require(message[options...].firstRange(of: " on the device")).lowerBound
        try await shell("tune2fs \(message[options..<end]) \(lab.stagingPath(image))/device")
        try await lab.run("down", image, nil, observer: nil)
        try await lab.service().stage(lab.stageRequest(image), deadline: soon)
        #expect(try await shell("cat \(lab.stagingPath(image))/row") == "row\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }
}
