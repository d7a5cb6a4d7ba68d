import ImageMapping
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Provisioner
import Secrets
import ServiceProcess
import TestSupport
import Testing
import Volumes

@testable import NodeAgent

/// A pod's path that leads elsewhere by now, where other pods have the same volume, and where kubelet names only the path.
extension NodeTests {
    @Test(
        "What was published as the path is unmounted, and not the pod's that the path leads to by now",
        arguments: ["ext4", nil]
    )
    func pathOfAnotherPod(fsType: String?) async throws {
        let image = "another-pod-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let (pods, handle, service) = ("\(lab.directory)/pods", lab.handle(image), lab.service())
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        let rest = "volumes/kubernetes.io~csi/\(image)/mount"
        for pod in ["a", "b"] {
            try await shell("mkdir -p \(pods)/\(pod)/volumes/kubernetes.io~csi/\(image)")
            var request = lab.publishRequest(image, fsType: fsType)
            request.targetPath = "\(pods)/\(pod)/\(rest)"
            try await service.publish(request, deadline: soon)
        }
        try await shell("cd \(pods) && mv a aside && ln -s b a")
        // Repeated it finds nothing of this pod.
        for service in [service, lab.service()] {
            try await service.unpublish(volumeID: handle, targetPath: "\(pods)/a/\(rest)", deadline: soon)
            #expect(try MountTable.current().mount(at: "\(pods)/aside/\(rest)") == nil)
            #expect(try MountTable.current().mount(at: "\(pods)/b/\(rest)") != nil)
        }
        try await service.unpublish(volumeID: handle, targetPath: "\(pods)/b/\(rest)", deadline: soon)
        #expect(try MountTable.current().mount(at: "\(pods)/b/\(rest)") == nil)
        try await service.unstage(volumeID: handle, stagingPath: lab.stagingPath(image), deadline: soon)
        try await lab.remove(image)
    }

    @Test("kubelet's FlexVolume driver unmounts a target whose directory was replaced", arguments: Move.allCases)
    func movedFlexTarget(_ move: Move) async throws {
        let image = "flex-\(move)".lowercased()
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let (directory, service) = (lab.directory, lab.service())
        let driver = FlexDriver(
            service: service,
            images: VolumeService(store: InMemoryImageStore()),
            secrets: OwnUser(user: lab.credentials),
            stagingRoot: "\(directory)/staging",
            logger: lab.quietLogger
        )
        let staging = "\(directory)/staging/\(image)/globalmount"
        try await shell("mkdir -p \(staging) \(directory)/pods/uid && ln -s pods \(directory)/way")
        var stage = lab.stageRequest(image)
        stage.stagingPath = staging
        try await service.stage(stage, deadline: soon)
        var request = lab.publishRequest(image)
        request.stagingPath = staging
        request.targetPath = "\(directory)/\(move == .linkAbove ? "way" : "pods")/uid/\(image)"
        try await service.publish(request, deadline: soon)
        try await shell(move.script.replacing("D/", with: "\(directory)/"))
        let there = "\(directory)/\(move.place)/\(image)"
        #expect(try MountTable.current().mount(at: there) != nil)
        for _ in 0..<2 {
            let answer = await driver.answer(["unmount", request.targetPath])
            #expect(String(decoding: answer.bytes, as: UTF8.self).contains("Success"))
            #expect(try MountTable.current().mount(at: there) == nil, "\(move)")
        }
        // It was the last one: nothing keeps the volume on this node.
        #expect(try MountTable.current().mount(at: staging) == nil)
        #expect(try await service.knownVolumes().isEmpty)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    /// Every volume's user.
    private struct OwnUser: NodeSecrets {
        let user: Credentials

        func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials { user }
    }

    /// For sed: a record by a service in a mount namespace that has ended, whose number this one has by now.
    private static let notedElsewhere =
        #"s/"mount" : "mnt:\[\([0-9]*\)\]:[0-9]* [0-9]*"/"mount" : "mnt:[\1]:7 7"/"#

    @Test("A start notes anew what is mounted: an earlier one may have been in another mount namespace")
    func notedAnew() async throws {
        let image = "noted-anew"
        let volume = try await PublishedVolume(image)
        let (directory, lab) = (volume.directory, volume.lab)
        try await shell("cd \(directory)/volumes && sed -i '\(Self.notedElsewhere)' *.json && grep -q ':7 7' *.json")
        await lab.service().reconcile(deadline: soon)
        try await shell("cd \(directory) && mv pods/uid pods/aside")
        let there = "\(directory)/pods/aside/\(image)"
        try await volume.unpublish(by: lab.service())
        #expect(try MountTable.current().mount(at: there) == nil)
        try await volume.end()
    }

    @Test("A moved target is not forgotten where another namespace had this one's number, or no mapper can say")
    func movedUntold() async throws {
        let image = "moved-untold"
        let volume = try await PublishedVolume(image)
        let (directory, lab) = (volume.directory, volume.lab)
        let there = "\(directory)/pods/aside/\(image)"
        try await shell("cd \(directory) && cp volumes/*.json noted && mv pods/uid pods/aside")
        var without = lab
        without.mappers = [.nbd]
        for (edit, lab) in [(Self.notedElsewhere, lab), ("", without)] {
            try await shell("cd \(directory) && sed '\(edit)' noted > volumes/$(basename volumes/*.json)")
            await lab.service().reconcile(deadline: soon)
            do throws(VolumeError) {
                try await volume.unpublish(by: lab.service())
                Issue.record("it was done")
            } catch {
                #expect(error.message.contains("umount") || error.message.contains("fuse"), "\(error.message)")
            }
            #expect(try MountTable.current().mount(at: there) != nil)
            #expect(try await lab.service().knownVolumes().first?.targets == [volume.request.targetPath])
        }
        try await volume.unpublish(by: lab.service())
        #expect(try MountTable.current().mount(at: there) == nil)
        try await volume.end()
    }
}

extension NodeTests {
    @Test("A raw block volume is not unstaged while a path that is on no record shows its device: the path is named")
    func shownDevice() async throws {
        let image = "shown-device"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let (directory, service) = (lab.directory, lab.service())
        try await service.stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        let shown = "\(directory)/pods/shown"
        try await shell("touch \(shown) && mount --bind \(lab.stagingPath(image))/device \(shown)")
        // By then the staging path shows it no more.
        for _ in 0..<2 {
            do throws(VolumeError) {
                try await service.unstage(
                    volumeID: lab.handle(image),
                    stagingPath: lab.stagingPath(image),
                    deadline: soon
                )
                Issue.record("it was done")
            } catch {
                #expect(error.code == .failedPrecondition, "\(error.message)")
                #expect(error.message.contains("umount \(shown)"), "\(error.message)")
            }
            #expect(try MountTable.current().mount(at: shown) != nil)
        }
        try await shell("umount \(shown)")
        try await service.unstage(volumeID: lab.handle(image), stagingPath: lab.stagingPath(image), deadline: soon)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }
}
