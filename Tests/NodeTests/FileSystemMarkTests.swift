import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// An image stores the file system that it was created for, and later stages use it.
extension NodeTests {
    @Test("A stage that names no file system makes the one that the image remembers, and finds it again")
    func takesWhatIsRemembered() async throws {
        let lab = try await NodeLab.fresh("remember", megabytes: 400)
        _ = try await rbd("image-meta set rbd/remember nacre.io/file-system xfs")
        for _ in 0..<2 {
            try await lab.service().stage(lab.stageRequest("remember", fsType: ""), deadline: soon)
            try await lab.service().stage(lab.stageRequest("remember", fsType: "xfs"), deadline: soon)
            let place = lab.stagingPath("remember")
            #expect(try await shell("findmnt -n -o FSTYPE --mountpoint \(place)") == "xfs\n")
            try await lab.service().publish(lab.publishRequest("remember", fsType: ""), deadline: soon)
            try await lab.run("down", "remember", "", observer: nil)
            // The content decides, whatever the image's metadata says.
            _ = try await rbd("image-meta rm rbd/remember nacre.io/file-system")
            _ = try await rbd("image-meta set rbd/remember nacre.io/file-system xfs")
        }
        _ = try await rbd("image-meta rm rbd/remember nacre.io/file-system")
        try await lab.service().stage(lab.stageRequest("remember", fsType: ""), deadline: soon)
        try await lab.run("down", "remember", "", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("remember")
    }

    @Test(
        "A volume is not staged as what it was not made for, and stays as it is",
        arguments: [("xfs", "ext4"), ("ext4", "xfs"), ("block", "ext4"), ("block", ""), ("ext4", nil), ("zfs", "")]
    )
    func refusesOther(made: String, wanted: String?) async throws {
        let image = "made-\(made)-\(wanted ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/file-system \(made)")
        await #expect {
            try await lab.service().stage(lab.stageRequest(image, fsType: wanted), deadline: soon)
        } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(made == "block" ? "raw block" : made)
                && "\($0)".contains(wanted ?? "raw block")
        }
        #expect(try await rbd("du rbd/\(image) --format json").contains("\"used_size\":0"))
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A volume that a backup is being restored into is not used", arguments: ["ext4", nil])
    func refusesHalfRestored(wanted: String?) async throws {
        let image = "restored-\(wanted ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/restoring {}")
        await #expect {
            try await lab.service().stage(lab.stageRequest(image, fsType: wanted), deadline: soon)
        } throws: {
            ($0 as? VolumeError)?.code == .aborted && "\($0)".contains("a backup is being restored into it")
        }
        #expect(try await rbd("du rbd/\(image) --format json").contains("\"used_size\":0"))
        _ = try await rbd("image-meta rm rbd/\(image) nacre.io/restoring")
        try await lab.service().stage(lab.stageRequest(image, fsType: wanted), deadline: soon)
        try await lab.run("down", image, wanted, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }
}
