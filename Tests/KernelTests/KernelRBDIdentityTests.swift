import ImageMapping
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import RBD
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
        let service = lab.service()
        let rbd = "rbd -c \(NodeLab.clusterDirectory ?? "")/ceph.conf"
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        let administrator = try Administrator().context
        let id = try #require(try administrator.idOfImage(named: image))
        try await shell("\(rbd) mv rbd/\(image) rbd/\(image)-broken")
        let renamed = await failure(of: "stage", service, lab, image, fsType)
        #expect(renamed?.code == .failedPrecondition, "\(renamed?.message ?? "it was done")")
        #expect(renamed?.message.contains("'rbd/\(image)-broken'") == true, "\(renamed?.message ?? "")")

        try await shell("\(rbd) cp --no-progress rbd/\(image)-broken rbd/\(image)")
        let other = try #require(try administrator.idOfImage(named: image))
        for (service, calls) in [
            (service, ["stage", "publish", "expand"]),
            (lab.service(), isAnsweredAnew ? ["stage", "publish", "expand"] : ["stage"]),
        ] {
            for call in calls {
                let error = await failure(of: call, service, lab, image, fsType)
                #expect(error?.code == .failedPrecondition, "\(call): \(error?.message ?? "it was done")")
                for word in [id, other, "'rbd/\(image)-broken'"] {
                    #expect(error?.message.contains(word) == true, "\(call): \(error?.message ?? "")")
                }
            }
        }
        try await lab.run("down", image, fsType, observer: nil)
        // The name is that of the copy now, which nobody holds.
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await lab.run("down", image, fsType, observer: nil)
        try await shell("\(rbd) rm --no-progress rbd/\(image)-broken")
        #expect(try lab.remains(image) == [])
    }

    private func failure(
        of call: String,
        _ service: NodeVolumeService,
        _ lab: NodeLab,
        _ image: String,
        _ fsType: String?
    ) async -> VolumeError? {
        do throws(VolumeError) {
            switch call {
            case "stage": try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            case "publish": try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
            default:
                _ = try await service.expand(
                    NodeExpandRequest(
                        volumeID: lab.handle(image),
                        volumePath: lab.stagingPath(image),
                        stagingPath: "",
                        range: nil,
                        capability: nil
                    ),
                    deadline: soon
                )
            }
            return nil
        } catch {
            return error
        }
    }
}
