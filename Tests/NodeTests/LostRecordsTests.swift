import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

/// Files of a node are caches: without them it still tells what is the volume's.
extension NodeTests {
    @Test(
        "A volume comes down whose records were deleted while it was mounted",
        arguments: ["ext4", nil],
        [false, true]
    )
    func recordsLost(fsType: String?, all: Bool) async throws {
        let image = "lost-\(fsType ?? "block")-\(all)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let service = lab.service()
        try await service.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await service.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        let files = all ? "volumes mappings host" : "volumes"
        try await shell("cd \(lab.directory) && rm -rf --one-file-system \(files) 2> /dev/null; ! [ -e volumes ]")

        // As at the start of a service: what nobody has noted is undone, unless it is in use.
        try await lab.run("reconcile", image, fsType, observer: nil)
        let refusal = await #expect(throws: VolumeError.self) {
            try await lab.service().unstage(
                volumeID: lab.handle(image),
                stagingPath: lab.stagingPath(image),
                deadline: soon
            )
        }
        #expect(refusal?.code == .failedPrecondition, "\(refusal?.message ?? "")")
        if all {
            // Nobody takes a living server for a dead one, whose device may go.
            let error = await #expect(throws: VolumeError.self) {
                try await lab.service().stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
            }
            #expect(error?.code == .failedPrecondition, "\(error?.message ?? "")")
            if fsType != nil { #expect(error?.message.contains("were removed") == true, "\(error?.message ?? "")") }
        }
        // What the pod has is still the volume's own.
        try await shell(
            "dd if=/dev/zero of=\(lab.targetPath(image))\(fsType == nil ? "" : "/f") bs=4K count=1 conv=fsync"
        )
        try await lab.run("down", image, fsType, observer: nil)
        _ = try await lab.eventually("nothing is left") { try lab.remains().isEmpty ? true : nil }
        try await lab.remove(image)
    }

    @Test(
        "Where a volume is published is found by the kernel's mounts, when the records were deleted and it is staged anew",
        arguments: ["ext4", nil]
    )
    func publishesFound(fsType: String?) async throws {
        let image = "recalled-\(fsType ?? "block")"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        let mode = VolumeCapability.Mode.singleNodeSingleWriter
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType, mode: mode), deadline: soon)
        let first = lab.publishRequest(image, fsType: fsType, mode: mode)
        try await lab.service().publish(first, deadline: soon)
        try await shell("cd \(lab.directory) && rm -rf --one-file-system volumes && ! [ -e volumes ]")
        _ = await lab.service().reconcile(deadline: soon)
        try await lab.service().stage(lab.stageRequest(image, fsType: fsType, mode: mode), deadline: soon)

        var second = first
        second.targetPath += "-second"
        let refusal = await #expect(throws: VolumeError.self) {
            try await lab.service().publish(second, deadline: soon)
        }
        #expect(
            refusal?.code == .failedPrecondition && refusal?.message.contains("'\(first.targetPath)'") == true,
            "\(refusal?.message ?? "")"
        )
        // kubelet repeats what it asked for.
        try await lab.service().publish(first, deadline: soon)
        try await lab.service().unpublish(volumeID: lab.handle(image), targetPath: first.targetPath, deadline: soon)
        try await shell("! grep -q ' \(first.targetPath) ' /proc/self/mountinfo")
        try await lab.service().publish(second, deadline: soon)
        try await lab.service().unpublish(volumeID: lab.handle(image), targetPath: second.targetPath, deadline: soon)
        try await lab.run("down", image, fsType, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }
}
