import Foundation
import Glibc
import KubernetesAPI
import TestSupport
import Testing

/// kubelet's probe, `httpGet` with its limit of time, against real processes.
@Suite("Liveness of a controller", .serialized, .enabled(if: KubeLab.isThere, KubeLab.lack))
struct LivenessTests {
    /// What kubelet would take from a probe: 200 to 399 within the time.
    private func isAlive(_ port: UInt16, _ world: World) async throws -> Bool {
        let process = try ChildProcess(
            "/usr/bin/curl",
            ["-sf", "-m", "10", "-o", "/dev/null", "http://127.0.0.1:\(port)/livez"],
            log: "\(world.directory)/probe.log"
        )
        return try await process.end() == .exited(0)
    }

    /// Whether the kernel takes a connection, as a tcpSocket probe asks.
    private func isConnected(_ port: UInt16, _ world: World) async throws -> Bool {
        let process = try ChildProcess(
            "/bin/bash",
            ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)"],
            log: "\(world.directory)/probe.log"
        )
        return try await process.end() == .exited(0)
    }

    @Test("A process that is stopped fails its probe, though the kernel takes connections for it; then it goes on")
    func stopped() async throws {
        try await inWorld { world in
            let port = try FreePort.next()
            let controller = try await world.controller("a", ["--metrics-address", "127.0.0.1:\(port)"])
            try await eventually("it leads") { try await world.holder() == "a" }
            try await eventually("it answers its probe") { try await isAlive(port, world) }
            controller.send(SIGSTOP)
            #expect(try await isConnected(port, world))
            #expect(try await !isAlive(port, world))
            controller.send(SIGCONT)
            // It may have lost its lease meanwhile; then it ends.
            try await eventually("it answers again, or ends") {
                if (try? await controller.end(within: .milliseconds(1))) != nil { return true }
                return try await isAlive(port, world)
            }
        }
    }

    @Test("A process whose work hangs fails its probe, though the threads of its sockets go on")
    func hanging() async throws {
        try await inWorld { world in
            let port = try FreePort.next()
            let controller = try await world.controller("a", ["--metrics-address", "127.0.0.1:\(port)"])
            try await eventually("it leads") { try await world.holder() == "a" }
            try await eventually("it answers its probe") { try await isAlive(port, world) }
            // Stops every thread but those that take connections and read requests.
            let script = """
                import ctypes, os, sys, time
                libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
                for task in os.listdir(f'/proc/{pid}/task'):
                    if open(f'/proc/{pid}/task/{task}/comm').read().startswith('NIO-ELT'): continue
                    if libc.ptrace(0x4206, int(task), 0, 0) or libc.ptrace(0x4207, int(task), 0, 0): sys.exit(1)
                open(sys.argv[2], 'w').close()
                time.sleep(600)
                """
            let mark = "\(world.directory)/held"
            let holder = try ChildProcess(
                "/usr/bin/python3",
                ["-c", script, "\(controller.pid)", mark],
                log: "\(world.directory)/holder.log"
            )
            try await eventually("its threads are held") { FileManager.default.fileExists(atPath: mark) }
            #expect(try await isConnected(port, world))
            #expect(try await !isAlive(port, world))
            holder.send(SIGKILL)
            _ = try await holder.end()
            controller.send(SIGKILL)
            _ = try await controller.end()
        }
    }
}
