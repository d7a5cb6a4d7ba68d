import Glibc
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

extension NodeTests {
    @Test("A server that waits for the next image gets it, is not missed when it was killed, and ends with its service")
    func spare() async throws {
        var lab = try await NodeLab.fresh("spare")
        lab.keepsSpare = true
        var service: NodeVolumeService? = lab.service()
        try await stage(service, lab)
        let first = try await waiting(lab)
        try await unstage(service, lab)
        try await stage(service, lab)
        #expect(lab.status("spare")?.keeper == first)
        try await shell("dd if=/dev/urandom of=\(lab.stagingPath("spare"))/device bs=1M count=4 conv=fsync")

        let second = try await waiting(lab)
        _ = try await lab.eventually("librbd in it") {
            try KernelFile.text("/proc/\(second.pid)/maps").contains("librbd") ? true : nil
        }
        try second.send(SIGKILL)
        _ = try await lab.eventually("end of the one that waits") { second.isAlive ? nil : true }
        try await unstage(service, lab)
        try await stage(service, lab)
        #expect(lab.status("spare")?.keeper != second)

        let third = try await waiting(lab)
        service = nil
        _ = try await lab.eventually("end of the one that waits") { third.isAlive ? nil : true }
        #expect(lab.status("spare")?.statistics != nil)
        try await lab.run("down", "spare", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("spare")
    }

    private func stage(_ service: NodeVolumeService?, _ lab: NodeLab) async throws {
        try await service?.stage(lab.stageRequest("spare", fsType: nil), deadline: soon)
    }

    private func unstage(_ service: NodeVolumeService?, _ lab: NodeLab) async throws {
        try await service?
            .unstage(volumeID: lab.handle("spare"), stagingPath: lab.stagingPath("spare"), deadline: soon)
    }

    /// The waiting process of the lab, which serves no image.
    private func waiting(_ lab: NodeLab) async throws -> ProcessIdentity {
        try await lab.eventually("a server that waits") {
            let busy = [lab.status("spare")?.server, lab.status("spare")?.keeper]
            for pid in try KernelFile.names(in: "/proc").compactMap({ Int32($0) }) {
                guard let process = ProcessIdentity(of: pid), !busy.contains(process),
                    let command = try? KernelFile.text("/proc/\(pid)/cmdline"), command.hasSuffix("\(lab.directory)\0")
                else { continue }
                return process
            }
            return nil
        }
    }
}
