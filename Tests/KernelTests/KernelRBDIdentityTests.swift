import ImageMapping
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import RBD
import Secrets
import Testing
import Volumes

@testable import KernelMapping

extension KernelTests {
    @Test("krbd: an image that was set aside and the copy that has its name are told apart", arguments: ["ext4", nil])
    func krbdIdentity(fsType: String?) async throws {
        let image = "krbd-aside-\(fsType ?? "block")"
        try await setAside(NodeLab.kernel(image, megabytes: 64), image, fsType, isAnsweredAnew: false)
    }

    @Test("krbd: a device that was there before stays when another image has got its name, and is not taken for it")
    func krbdKeptDevice() async throws {
        let image = "krbd-kept"
        let lab = try NodeLab.kernel(image, megabytes: 32)
        let rbd = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf"
        let device = try lab.map(lab.mapRequest(image))
        try await shell("\(rbd) mv rbd/\(image) rbd/\(image)-broken && \(rbd) create rbd/\(image) --size 32M")
        #expect { try lab.map(lab.mapRequest(image)) } throws: {
            ($0 as? MappingError)?.kind == .replaced && "\($0)".contains("is another one")
        }
        #expect(try lab.kernelMapper().device(of: lab.address(image)) == device)
        try lab.unmap(image)
        try await shell("\(rbd) rm --no-progress rbd/\(image)-broken && \(rbd) rm --no-progress rbd/\(image)")
    }

    @Test(
        "krbd: a device of a volume's name may be that volume, and surely is it by its fsid alone; an own one hides none"
    )
    func krbdNamesake() throws {
        let image = "krbd-namesake"
        let lab = try NodeLab.kernel(image, megabytes: 32)
        let own = try lab.map(lab.mapRequest(image))
        // Mapped by hand, as of another cluster: a handle says which cluster it is, and the kernel only an fsid.
        let key = lab.credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        let options = "name=\(lab.credentials.userID),secret=\(key),ms_mode=prefer-crc,noshare,ro"
        let line = "\((lab.monitors.first ?? "").dropFirst(3)) \(options) rbd \(image) -"
        try KernelFile.write(line, to: "/sys/bus/rbd/add_single_major")
        let other = try #require(try KernelRBDBus().devices().first { $0.path != own.path })
        func id(_ cluster: String) throws -> VolumeID {
            try VolumeID(clusterID: cluster, pool: "rbd", namespace: "", image: image)
        }
        let found = PresentVolume.all(besides: lab.directory)
        #expect(found.count == 1 && found.first?.stateDirectory == nil, "\(found)")
        for volume in found {
            #expect(try volume.id == id(other.fsid) && !other.fsid.isEmpty)
            #expect(try volume.isOf(id("lab")) && !volume.isSurely(id("lab")))
            #expect(try volume.isOf(id(other.fsid)) && volume.isSurely(id(other.fsid)))
            #expect(volume.name(within: 1) == .untold)
        }
        #expect(PresentVolume.all(besides: "\(lab.directory)-other").count == 2)
        try KernelFile.write("\(other.number)", to: "/sys/bus/rbd/remove_single_major")
        try lab.unmap(image)
        #expect(PresentVolume.all(besides: "\(lab.directory)-other").isEmpty)
        #expect(try lab.remains(image) == [])
    }

    @Test(
        "krbd: while the cluster is away a repeated stage and publish are done, and another pod waits",
        arguments: ["ext4", nil]
    )
    func krbdRepeatedInOutage(fsType: String?) async throws {
        let image = "krbd-repeated-\(fsType ?? "block")"
        let lab = try NodeLab.kernel(image, megabytes: 64)
        let service = lab.service()
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        var another = lab.publishRequest(image, fsType: fsType)
        another.targetPath += "-another"
        try await shell("ip route add blackhole 10.77.0.1")
        var failures: [VolumeError] = []
        for service in [service, lab.service()] {
            do throws(VolumeError) {
                try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
                try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
            } catch {
                failures.append(error)
            }
        }
        var refusal: VolumeError?
        do throws(VolumeError) {
            try await service.publish(another, deadline: soon)
        } catch {
            refusal = error
        }
        try await shell("ip route del blackhole 10.77.0.1")
        #expect(failures.isEmpty, "\(failures)")
        #expect(refusal?.code == .unavailable, "\(refusal?.message ?? "it was done")")
        try await lab.run("down", image, fsType, observer: nil)
        var remains = try lab.remains(image)
        for _ in 0..<600 where !remains.isEmpty {
            try await Task.sleep(for: .milliseconds(100))
            remains = try lab.remains(image)
        }
        #expect(remains.isEmpty, "\(remains)")
    }

    /// Sets the image of a staged volume aside and copies it to its name: no call on the node takes one for the other.
    ///
    /// - Parameters:
    ///   - lab: The node, with the image.
    ///   - image: Its name.
    ///   - fsType: The volume's; nothing for a block volume.
    ///   - isAnsweredAnew: Whether a service that was started anew, which knows no user, can ask all the same: the server.
    /// - Throws: What setting up throws.
    func setAside(_ lab: NodeLab, _ image: String, _ fsType: String?, isAnsweredAnew: Bool) async throws {
        let rbd = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf"
        let administrator = try Administrator().context
        let (faults, _) = try await lab.setAside(
            image,
            fsType,
            by: lab.service(),
            refusedAnew: isAnsweredAnew ? ["stage", "publish", "expand"] : ["stage"],
            imageID: { try administrator.idOfImage(named: $0) },
            rbd: { try await shell("\(rbd) \($0)") }
        )
        #expect(faults == [])
        try await lab.run("down", image, fsType, observer: nil)
        // The name is that of the copy now, which nobody holds.
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await lab.run("down", image, fsType, observer: nil)
        try await shell("\(rbd) rm --no-progress rbd/\(image)-broken")
        #expect(try lab.remains(image) == [])
    }
}
