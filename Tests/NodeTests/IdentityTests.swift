import Glibc
import ImageServing
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// A node knows what it has mapped by the image itself, not by its name.
extension NodeTests {
    @Test("An image that was set aside and the copy that has its name are told apart", arguments: ["ext4", nil])
    func replaced(fsType: String?) async throws {
        let image = "aside-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let service = lab.service()
        // Also by a service that was started anew, which knows no user.
        let (faults, other) = try await lab.setAside(
            image,
            fsType,
            by: service,
            refusedAnew: ["stage", "publish", "expand"],
            imageID: imageID,
            rbd: { _ = try await rbd($0) }
        )
        #expect(faults == [])
        let stats = try await service.stats(
            StatsRequest(volumeID: lab.handle(image), volumePath: lab.targetPath(image), stagingPath: ""),
            deadline: soon
        )
        #expect(stats.condition.isAbnormal && stats.condition.message.contains(other), "\(stats.condition.message)")

        if fsType == nil {
            // A successor is not given the copy, and does not say that another node has taken what none took.
            try #require(lab.status(image)?.server).send(SIGKILL)
            let path = "\(lab.directory)/mappings/lab~rbd~~\(image)/server.log"
            let log = try await lab.eventually("the successor has given up") { () -> String? in
                let log = try KernelFile.text(path)
                return log.contains("is another one") ? log : nil
            }
            #expect(!log.contains("was taken from this node"), "\(log)")
        }
        try await lab.run("down", image, fsType, observer: nil)
        _ = try await lab.eventually("nothing is left") { try lab.remains().isEmpty ? true : nil }
        #expect(try await rbd("status rbd/\(image)").contains("Watchers: none"))
        // The name is that of the copy now.
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        // The watch of a server that was killed stays until its time is up.
        if fsType != nil { #expect(try await rbd("status rbd/\(image)-broken").contains("Watchers: none")) }
        try await lab.run("down", image, fsType, observer: nil)
        try await removeImage("\(image)-broken")
        try await lab.remove(image)
    }

    @Test("A service's own mount that is seen at another path, too, is not another service's")
    func ownMountElsewhere() async throws {
        let lab = try await NodeLab.fresh("twice-seen", megabytes: 16)
        try await lab.run("stage", "twice-seen", nil, observer: nil)
        let elsewhere = "\(lab.directory)-elsewhere"
        try await shell("mkdir \(elsewhere) && mount --rbind --make-private \(lab.directory) \(elsewhere)")
        let id = try VolumeID(parsing: lab.handle("twice-seen"))
        #expect(OtherService.stateDirectory(having: id, besides: lab.directory) == nil)
        #expect(OtherService.stateDirectory(having: id, besides: elsewhere) == nil)
        #expect(OtherService.stateDirectory(having: id, besides: "/nowhere") == lab.directory)
        try await shell("umount -R \(elsewhere) && rmdir \(elsewhere)")
        try await lab.run("down", "twice-seen", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("twice-seen")
    }

    private func imageID(_ image: String) async throws -> String? {
        try await rbd("info rbd/\(image)").split(separator: "\n").compactMap { line in
            line.hasPrefix("\tid: ") ? String(line.dropFirst(5)) : nil
        }.first
    }
}
