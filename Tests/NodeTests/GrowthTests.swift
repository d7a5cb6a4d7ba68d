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
                && "\($0)".contains("rbd resize --allow-shrink --size 16777215M rbd/toolarge")
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

    @Test(
        "An image that grew beyond a file system that cannot grow is shrunk as the error says, and nothing is cut off"
    )
    func shrinksToBigalloc() async throws {
        let lab = try await NodeLab.fresh("bigalloc", megabytes: 110)
        let block = lab.stageRequest("bigalloc", fsType: nil)
        try await lab.service().stage(block, deadline: soon)
        let device = "\(lab.stagingPath("bigalloc"))/device"
        try await shell("mkfs.ext4 -q -F -O bigalloc \(device) 101952k")
        try await lab.run("down", "bigalloc", nil, observer: nil)
        let refusal = await #expect(throws: VolumeError.self) {
            try await lab.service().stage(lab.stageRequest("bigalloc"), deadline: soon)
        }
        let message = refusal?.message ?? ""
        let command = try #require(message.firstRange(of: "rbd resize --allow-shrink")).lowerBound
        _ = try await rbd("\(message[command...].dropFirst(4)) --no-progress")
        try await lab.service().stage(lab.stageRequest("bigalloc"), deadline: soon)
        try await lab.run("down", "bigalloc", "ext4", observer: nil)
        // e2fsck compares the file system's size with the device's.
        try await lab.service().stage(block, deadline: soon)
        try await shell("e2fsck -f -n \(device)")
        try await lab.run("down", "bigalloc", nil, observer: nil)
        try await lab.remove("bigalloc")
    }

    @Test(
        "An image that lacks the end of its file system is told as that, with both sizes; grown as the error says, it mounts",
        arguments: ["ext4", "xfs"]
    )
    func cut(fsType: String) async throws {
        let image = "cut-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 400)
        let place = lab.stagingPath(image)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await shell("echo kept > \(place)/kept && sync -f \(place)/kept")
        try await lab.run("down", image, fsType, observer: nil)
        _ = try await rbd("resize --no-progress --allow-shrink rbd/\(image) --size 390M")
        let export =
            "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf export --no-progress rbd/\(image) - | sha256sum"
        let before = try await shell(export)
        var repair = lab.stageRequest(image, fsType: nil)
        repair.context[StageRequest.repair] = "true"
        let reader = lab.stageRequest(image, fsType: fsType, mode: .singleNodeReaderOnly)
        for request in [lab.stageRequest(image, fsType: fsType), reader, repair] {
            await #expect { try await lab.service().stage(request, deadline: soon) } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains("390 MiB")
                    && "\($0)".contains("400 MiB") && !"\($0)".contains("damaged")
                    && "\($0)".contains("nacre volume expand \(lab.handle(image)) --size 400MiB")
            }
            #expect(try lab.remains() == [])
        }
        #expect(try await shell(export) == before)
        _ = try await rbd("resize --no-progress rbd/\(image) --size 400M")
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        #expect(try await shell("cat \(place)/kept") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        try await lab.remove(image)
    }
}
