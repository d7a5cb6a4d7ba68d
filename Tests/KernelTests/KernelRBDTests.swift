import Glibc
import ImageMapping
import KernelMapping
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RBD
import Secrets
import Testing
import Volumes

extension KernelTests {
    @Test(
        "krbd: a volume is staged, grows under checked writes, is trimmed and taken away",
        arguments: ["ext4", "xfs"]
    )
    func life(fsType: String) async throws {
        let image = "life-\(fsType)"
        let lab = try NodeLab.kernel(image, megabytes: 384)
        for _ in 0..<2 { try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon) }
        for _ in 0..<2 { try await lab.service().publish(lab.publishRequest(image, fsType: fsType), deadline: soon) }
        let pod = lab.targetPath(image)
        let before = try await usage(lab, image, pod)
        #expect(before.condition.message.contains("krbd at /dev/rbd"))
        async let checked = shell(
            """
            fio --name=v --directory=\(pod) --size=12M --rw=randwrite --bs=4k --direct=1 --iodepth=8 --ioengine=libaio \
            --verify=crc32c --do_verify=1 --verify_fatal=1 --output=/tmp/\(image).fio
            """
        )
        try await Task.sleep(for: .seconds(1))
        try Administrator().grow(image, megabytes: 768)
        let size = try await lab.service().expand(
            NodeExpandRequest(
                volumeID: lab.handle(image),
                volumePath: pod,
                stagingPath: "",
                range: try CapacityRange(requiredBytes: 768 << 20, limitBytes: 0),
                capability: nil
            ),
            deadline: soon
        )
        #expect(size == 768 << 20)
        _ = try await checked
        #expect(try #require(try await usage(lab, image, pod).bytes).total > 600 << 20)
        #expect(try await shell("rm \(pod)/v.*; fstrim -v \(pod)").contains("trimmed"))
        await #expect { try await lab.unstage(image) } throws: {
            ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(pod)
        }
        try await shell("echo kept > \(pod)/f")
        for _ in 0..<2 { try await lab.run("down", image, fsType, observer: nil) }
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        #expect(try await shell("cat \(lab.stagingPath(image))/f") == "kept\n")
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains(image) == [])
    }

    private func usage(_ lab: NodeLab, _ image: String, _ path: String) async throws -> VolumeStats {
        try await lab.service().stats(
            StatsRequest(volumeID: lab.handle(image), volumePath: path, stagingPath: ""),
            deadline: soon
        )
    }

    @Test("krbd: a block volume is the image itself, and grows and discards")
    func block() async throws {
        let lab = try NodeLab.kernel("block", megabytes: 128)
        try await lab.service().stage(lab.stageRequest("block", fsType: nil), deadline: soon)
        try await lab.service().publish(lab.publishRequest("block", fsType: nil), deadline: soon)
        let pod = lab.targetPath("block")
        try await shell("tr '\\0' x < /dev/zero | dd of=\(pod) bs=4M count=8 iflag=fullblock oflag=direct")
        do {
            let device = try BlockIOControl(opening: pod, writable: true)
            try device.discard(offset: 4 << 20, length: 4 << 20)
            #expect(try device.sizeBytes() == 128 << 20)
        }
        #expect(
            try await shell("dd if=\(pod) iflag=direct bs=4M count=8 status=none | tr -d '\\0' | wc -c") == "29360128\n"
        )
        try Administrator().grow("block", megabytes: 256)
        let size = try await lab.service().expand(
            NodeExpandRequest(
                volumeID: lab.handle("block"),
                volumePath: pod,
                stagingPath: "",
                range: try CapacityRange(requiredBytes: 256 << 20, limitBytes: 0),
                capability: nil
            ),
            deadline: soon
        )
        #expect(size == 256 << 20)
        try await lab.run("down", "block", nil, observer: nil)
        #expect(try lab.remains("block") == [])
    }

    @Test("krbd: a volume for readers refuses writes, also at the device")
    func readers() async throws {
        let lab = try NodeLab.kernel("readers")
        try await lab.run("up", "readers", "ext4", observer: nil)
        try await shell("echo hello > \(lab.stagingPath("readers"))/f")
        try await lab.run("down", "readers", "ext4", observer: nil)
        let request = lab.stageRequest("readers", mode: .multiNodeReaderOnly)
        try await lab.service().stage(request, deadline: soon)
        let device = try #require(try lab.kernelMapper().device(of: lab.address("readers")))
        #expect(device.isReadOnly)
        #expect(try await shell("cat \(lab.stagingPath("readers"))/f") == "hello\n")
        #expect(open("\(lab.stagingPath("readers"))/g", O_WRONLY | O_CREAT, 0o600) == -1)
        #expect(errno == EROFS)
        await #expect { try await lab.service().stage(lab.stageRequest("readers"), deadline: soon) } throws: {
            ($0 as? VolumeError)?.code == .alreadyExists
        }
        try await lab.unstage("readers")
        #expect(try lab.remains("readers") == [])
    }

    @Test("krbd: a device whose record was lost is found in sysfs and taken away by unstage; another cluster's is not")
    func lostRecord() async throws {
        let lab = try NodeLab.kernel("lost")
        try await lab.service().stage(lab.stageRequest("lost"), deadline: soon)
        // Without the volume's record as well: sysfs says whose device is mounted at the staging path.
        try await shell("rm -r \(lab.directory)/mappings \(lab.directory)/volumes")
        try lab.imageMappers().unmap(lab.address("lost"), monitors: ["10.99.0.1:3300"])
        #expect(try lab.kernelMapper().devices().count == 1)
        try await lab.unstage("lost")
        #expect(try lab.kernelMapper().devices().isEmpty)
        try await lab.service().stage(lab.stageRequest("lost"), deadline: soon)
        try await lab.unstage("lost")
        #expect(try lab.remains("lost") == [])
    }

    @Test("krbd: the key is nowhere to be seen, and the client reads and is told where to")
    func keyIsHidden() async throws {
        let lab = try NodeLab.kernel("hidden", megabytes: 16)
        let mapper = lab.kernelMapper(crushLocation: "host:here|rack:r1")
        let request = lab.mapRequest("hidden", mapOptions: "queue_depth=32;nbd:try-netlink")
        let device = try mapper.map(request) { _, _ in }
        let info = try await shell("cat /sys/bus/rbd/devices/*/config_info")
        for word in [
            "key=nacre.", "queue_depth=32", "ms_mode=prefer-crc", "noshare", "crush_location=host:here|rack:r1",
        ] {
            #expect(info.contains(word), "\(info)")
        }
        #expect(!info.contains("secret"))
        let key = lab.credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        #expect(key.count > 20 && !info.contains(key))
        #expect(try !KernelFile.text("/proc/keys").contains("nacre."))
        #expect(device.sizeBytes == 16 << 20)
        try await shell("dd if=\(device.path) of=/dev/null bs=1M count=16 iflag=direct")
        try lab.unmap("hidden")
        #expect(try lab.remains("hidden") == [])
    }

    @Test("krbd: an image without the exclusive-lock feature is mapped, and one in a namespace")
    func plainImages() async throws {
        let lab = try NodeLab.kernel("plain", megabytes: 16, features: .layering)
        #expect(try lab.map(lab.mapRequest("plain")).sizeBytes == 16 << 20)
        let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
        try await shell("rbd -c \(conf) namespace create rbd/team && rbd -c \(conf) create rbd/team/plain --size 32M")
        let other = ImageAddress(clusterID: "lab", pool: "rbd", namespace: "team", name: "plain")
        let request = MapRequest(
            image: other,
            monitors: lab.monitors,
            credentials: lab.credentials,
            sharing: .oneNode
        )
        #expect(try lab.map(request).sizeBytes == 32 << 20)
        #expect(try lab.kernelMapper().devices().count == 2)
        try lab.kernelMapper().unmap(other) { _, _ in }
        try lab.unmap("plain")
        try await shell("rbd -c \(conf) rm --no-progress rbd/team/plain && rbd -c \(conf) namespace rm rbd/team")
        #expect(try lab.remains("plain") == [])
    }
}

extension NodeLab {
    func unstage(_ image: String) async throws {
        try await service().unstage(volumeID: handle(image), stagingPath: stagingPath(image), deadline: soon)
    }
}
