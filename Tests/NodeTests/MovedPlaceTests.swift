import Glibc
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// A place that is not where it was when the volume was published: the mount is found, or it is said where it stays.
extension NodeTests {
    /// What somebody did to the directory of a target.
    enum Move: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case link = "the parent is a link to a directory without it"
        case gone = "the parent has another name"
        case replaced = "the parent is another directory"
        case linkAbove = "a link above the parent leads elsewhere by now"

        var testDescription: String { rawValue }

        /// With the directory `D` of the lab; the target is `D/pods/uid/NAME`, or `D/way/uid/NAME` by a link.
        var script: String {
            switch self {
            case .link: "mkdir D/elsewhere && mv D/pods/uid D/pods/aside && ln -s ../elsewhere D/pods/uid"
            case .gone: "mv D/pods/uid D/pods/aside"
            case .replaced: "mv D/pods/uid D/pods/aside && mkdir D/pods/uid"
            case .linkAbove: "mkdir -p D/other/uid && ln -sfn other D/way"
            }
        }

        /// Where the mount is then.
        var place: String { self == .linkAbove ? "pods/uid" : "pods/aside" }
    }

    @Test(
        "A target whose directory was replaced after the publish is unmounted where it is",
        arguments: Move.allCases,
        ["ext4", nil]
    )
    func movedTarget(_ move: Move, fsType: String?) async throws {
        let image = "moved-\(move)-\(fsType ?? "block")".lowercased()
        let volume = try await PublishedVolume(image, fsType: fsType, way: move == .linkAbove ? "way" : "pods")
        let (directory, lab, service) = (volume.directory, volume.lab, volume.service)
        let second = "\(directory)/pods/second"
        var another = volume.request
        another.targetPath = second
        try await service.publish(another, deadline: soon)
        try await shell(move.script.replacing("D/", with: "\(directory)/"))
        let there = "\(directory)/\(move.place)/\(image)"
        #expect(try MountTable.current().mount(at: there) != nil)
        // A restart forgets nothing that is mounted.
        await lab.service().reconcile(deadline: soon)
        for service in [service, lab.service()] {
            do throws(VolumeError) {
                try await volume.unpublish(by: service)
            } catch {
                Issue.record("\(move): \(error.message)")
            }
            #expect(try MountTable.current().mount(at: there) == nil, "\(move)")
        }
        // The other pod's stays, and the stage.
        #expect(try MountTable.current().mount(at: second) != nil)
        try await service.unpublish(volumeID: volume.handle, targetPath: second, deadline: soon)
        try await volume.end()
    }

    @Test("What of a moved target cannot be proven to be the publish's is left, and named: by unpublish and by unstage")
    func movedUnproven() async throws {
        let image = "moved-unproven"
        let volume = try await PublishedVolume(image)
        let directory = volume.directory
        // As an earlier release wrote it: without the mount's number.
        let there = "\(directory)/pods/aside/\(image)"
        try await shell(
            """
            cd \(directory) && sed -i '/"mount" :/d' volumes/*.json && mkdir elsewhere
            mv pods/uid pods/aside && ln -s ../elsewhere pods/uid
            """
        )
        for _ in 0..<2 {
            for undo in ["unpublish", "unstage"] {
                do throws(VolumeError) {
                    if undo == "unpublish" { try await volume.unpublish() } else { try await volume.unstage() }
                    Issue.record("\(undo) was done")
                } catch {
                    #expect(error.code == .failedPrecondition, "\(undo): \(error.message)")
                    #expect(error.message.contains("'\(there)'"), "\(undo): \(error.message)")
                    #expect(error.message.contains("mount"), "\(undo): \(error.message)")
                }
            }
            #expect(try MountTable.current().mount(at: there) != nil)
        }
        // As it was said.
        try await shell("umount \(there)")
        try await volume.unpublish()
        try await volume.end()
    }

    @Test("A target that another mount hides is not said to be unmounted", arguments: ["ext4", nil])
    func hiddenTarget(fsType: String?) async throws {
        let image = "hidden-\(fsType ?? "block")"
        let volume = try await PublishedVolume(image, fsType: fsType)
        let parent = "\(volume.directory)/pods/uid"
        try await shell("mount -t tmpfs none \(parent)")
        var refusal: VolumeError?
        do throws(VolumeError) {
            try await volume.unpublish()
        } catch {
            refusal = error
        }
        #expect(refusal?.code == .failedPrecondition, "\(refusal?.message ?? "it was done")")
        #expect(refusal?.message.contains("'\(parent)'") == true, "\(refusal?.message ?? "")")
        #expect(try MountTable.current().mounts.contains { $0.mountPoint == volume.request.targetPath })
        try await shell("umount \(parent)")
        try await volume.unpublish()
        try await volume.end()
    }

    @Test(
        "A staging path whose directory was replaced after the stage: the volume is unstaged where it is, or it is said"
    )
    func movedStage() async throws {
        let image = "moved-stage"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let service = lab.service()
        try await service.stage(lab.stageRequest(image), deadline: soon)
        try await shell(
            """
            cd \(lab.directory) && mkdir elsewhere && mv staging aside && ln -s elsewhere staging
            mkdir -p elsewhere/\(image)
            """
        )
        let there = "\(lab.directory)/aside/\(image)"
        func unstage() async -> VolumeError? {
            do throws(VolumeError) {
                try await service.unstage(
                    volumeID: lab.handle(image),
                    stagingPath: lab.stagingPath(image),
                    deadline: soon
                )
                return nil
            } catch {
                return error
            }
        }
        if let refusal = await unstage() {
            #expect(refusal.code == .failedPrecondition && refusal.message.contains("'\(there)'"), "\(refusal.message)")
            try await shell("umount \(there)")
            let again = await unstage()
            #expect(again == nil, "\(again?.message ?? "")")
        }
        #expect(try MountTable.current().mount(at: there) == nil)
        #expect(try lab.remains() == [])
        try await shell("cd \(lab.directory) && rm staging && mv aside staging")
        try await lab.remove(image)
    }
}
