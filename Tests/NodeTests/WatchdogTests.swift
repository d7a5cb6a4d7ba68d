import Glibc
import ImageServing
import LinuxKernel
import Logging
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing

extension NodeTests {
    /// A memory cgroup of our own below the one that we are in, so that the tests stay within their bounds.
    private func cgroup(_ name: String, limit: Int?) throws -> String {
        let table = try MountTable.current()
        let own = try Cgroups.of("self").memberships.first { $0.controllers.contains("memory") }
        let membership = try #require(own, "these tests need the memory controller of cgroup v1")
        let root = try #require(Cgroups.root(of: membership, in: table))
        let path = "\(root)\(membership.path == "/" ? "" : membership.path)/nacre-\(getpid())-\(name)"
        try KernelFile.makeDirectories(path)
        if let limit { try KernelFile.write("\(limit)", to: "\(path)/memory.limit_in_bytes") }
        return path
    }

    /// Removes a cgroup as soon as the last of its processes has wholly gone: until then it is EBUSY.
    private func removeCgroup(_ path: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while .now < deadline {
            if (try? KernelFile.removeDirectory(path)) != nil { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        try KernelFile.removeDirectory(path)
    }

    private static var hasMemoryCgroups: Bool {
        (try? Cgroups.of("self"))?.memberships.contains { $0.controllers.contains("memory") } ?? false
    }

    private func writeInCgroup(_ cgroup: String, _ file: String, megabytes: Int) async throws -> String {
        // Not waited for: a deadlocked writer answers to no signal, and so neither would its parent.
        try await shell(
            """
            (echo 0 > \(cgroup)/cgroup.procs; dd if=/dev/zero of=\(file) bs=1M count=\(megabytes) conv=fsync \
            > \(file).log 2>&1; echo done $? >> \(file).log) > /dev/null 2>&1 & echo $!
            """
        )
    }

    private func outcome(_ log: String, within limit: Duration) async throws -> String? {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if let text = try? KernelFile.text(log),
                let line = text.split(separator: "\n").last(where: { $0.hasPrefix("done") })
            {
                return String(line)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        return nil
    }

    @Test(
        "A server outside of the pod's memory limit serves a write far above it",
        .enabled(if: hasMemoryCgroups, "needs the memory controller of cgroup v1")
    )
    func noDeadlock() async throws {
        let limited = try cgroup("writer", limit: 160 << 20)
        let servers = try cgroup("servers", limit: nil)
        let lab = try await NodeLab.fresh("limit", megabytes: 1500, placement: .memoryCgroup(servers))
        try await lab.service().stage(lab.stageRequest("limit", fsType: "xfs"), deadline: soon)
        let link = "\(lab.directory)/f"
        try await shell("ln -s \(lab.stagingPath("limit"))/f \(link)")
        _ = try await writeInCgroup(limited, link, megabytes: 700)
        #expect(try await outcome("\(link).log", within: .seconds(240)) == "done 0")
        try await lab.run("down", "limit", "xfs", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("limit")
        try await removeCgroup(limited)
        try await removeCgroup(servers)
    }

    @Test(
        "A server that waits for its own writeback is aborted, and everything ends",
        .enabled(if: hasMemoryCgroups, "needs the memory controller of cgroup v1")
    )
    func deadlockIsAborted() async throws {
        let limited = try cgroup("both", limit: 160 << 20)
        let lab = try await NodeLab.fresh("stuck", megabytes: 1500, placement: .memoryCgroup(limited))
        try await lab.service().stage(lab.stageRequest("stuck", fsType: "xfs"), deadline: soon)
        let link = "\(lab.directory)/f"
        try await shell("ln -s \(lab.stagingPath("stuck"))/f \(link)")
        let watchdog = FuseWatchdog(
            lab.mapper(),
            limit: .seconds(3),
            interval: .milliseconds(200),
            logger: lab.quietLogger
        )
        let watching = Task { await watchdog.run() }
        _ = try await writeInCgroup(limited, link, megabytes: 1000)
        let result = try await outcome("\(link).log", within: .seconds(240))
        watching.cancel()
        // Failed, as it must when its connection is aborted, and ended at all: without a watchdog it never does.
        #expect(result == "done 1")
        try await lab.run("down", "stuck", "xfs", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("stuck")
        try await removeCgroup(limited)
    }
}
