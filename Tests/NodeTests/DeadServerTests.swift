import Glibc
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import Testing
import Volumes

extension NodeTests {
    @Test("An image server that is killed before it is ready is told as killed, not by a harmless line of its log")
    func killedBeforeReady() async throws {
        var lab = try await NodeLab.fresh("early", megabytes: 16)
        // Nobody answers there, so it goes on connecting.
        lab.monitors = ["127.0.0.1:1"]
        let (service, request) = (lab.service(), lab.stageRequest("early"))
        @Sendable func failure() async -> VolumeError? {
            do throws(VolumeError) {
                try await service.stage(request, deadline: soon)
                return nil
            } catch {
                return error
            }
        }
        async let outcome = failure()
        let deadline = soon
        var server: Int32?
        while server == nil, .now < deadline {
            try await Task.sleep(for: .milliseconds(20))
            let pids = try lab.remains().filter { $0.hasPrefix("server ") }.compactMap { Int32($0.dropFirst(7)) }
            server = pids.first { pid in parent(of: pid).map { pids.contains($0) } == true }
        }
        try ProcessIdentity(of: try #require(server))?.send(SIGKILL)
        let message = try #require(await outcome).message
        #expect(message.contains("was killed by signal 9"), "\(message)")
        #expect(!message.contains("flusher"), "\(message)")
        #expect(try lab.remains() == [])
        try await lab.remove("early")
    }

    private func parent(of pid: Int32) -> Int32? {
        let status = (try? KernelFile.text("/proc/\(pid)/status")) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("PPid:") }
        return line?.split(separator: "\t").last.flatMap { Int32($0) }
    }
}
