import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// Images that were grown beyond the limits of their file system: the growth is only refused, never carried out.
extension NodeTests {
    @Test(
        "No file system is made on an image that is larger than it can be; shrunk as the error says, the image is used"
    )
    func refusesMaking() async throws {
        let lab = try await NodeLab.fresh("toolarge", megabytes: 64)
        _ = try await rbd("resize --no-progress rbd/toolarge --size 20T")
        var request = lab.stageRequest("toolarge", fsType: "ext4")
        request.context["mkfsOptions"] = "-O ^64bit,^metadata_csum"
        await #expect { try await lab.service().stage(request, deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("nothing was written")
                && "\($0)".contains("rbd resize --allow-shrink --size 16777216M rbd/toolarge")
        }
        #expect(try lab.remains() == [])
        _ = try await rbd("resize --no-progress --allow-shrink rbd/toolarge --size 64M")
        try await lab.service().stage(request, deadline: soon)
        try await lab.run("down", "toolarge", "ext4", observer: nil)
        try await lab.remove("toolarge")
    }

    @Test(
        "A node refuses to grow a file system beyond measure, mounted or not, and takes it again when the image is back"
    )
    func refusesGrowth() async throws {
        let lab = try await NodeLab.fresh("beyond", megabytes: 400)
        let place = lab.stagingPath("beyond")
        try await lab.service().stage(lab.stageRequest("beyond", fsType: "xfs"), deadline: soon)
        try await shell("echo kept > \(place)/kept && sync \(place)/kept")
        let before = try FileSystemUsage(of: place).totalBytes
        // 10,000 groups of 100 MiB are its limit.
        _ = try await rbd("resize --no-progress rbd/beyond --size 2T")
        let request = NodeExpandRequest(
            volumeID: lab.handle("beyond"),
            volumePath: place,
            stagingPath: "",
            range: nil,
            capability: nil
        )
        await #expect { try await lab.service().expand(request, deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("are its limit")
        }
        await #expect {
            try await lab.service().stage(lab.stageRequest("beyond", fsType: "xfs"), deadline: soon)
        } throws: { ($0 as? VolumeError)?.code == .outOfRange }
        #expect(try FileSystemUsage(of: place).totalBytes == before)
        try await lab.run("down", "beyond", "xfs", observer: nil)
        await #expect {
            try await lab.service().stage(lab.stageRequest("beyond", fsType: "xfs"), deadline: soon)
        } throws: { ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("rbd resize --allow-shrink") }
        #expect(try lab.remains() == [])
        _ = try await rbd("resize --no-progress --allow-shrink rbd/beyond --size 400M")
        try await lab.service().stage(lab.stageRequest("beyond", fsType: "xfs"), deadline: soon)
        #expect(try await shell("cat \(place)/kept") == "kept\n")
        try await lab.run("down", "beyond", "xfs", observer: nil)
        try await lab.remove("beyond")
    }
}
