import Glibc
import LinuxKernel
import NodeTestSupport
import PlaceGate
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import nacre

/// The directory in which kubelet waits for volumes, with a tmpfs for a volume.
@Suite("The gate before mounted directories", .enabled(if: NodeLab.isAvailable, Comment(rawValue: NodeLab.lack)))
struct PlaceGateTests {
    /// What somebody found who looked.
    private enum Found: Sendable, Hashable {
        /// The device of what is there.
        case device(UInt)
        case error(CInt)
    }

    private final class Lab: Sendable {
        let directory: String
        let place: DirectoryPlace
        let staging: String
        /// Set before a volume is shown.
        let isShown = Atomic(false)

        init() async throws {
            directory = "/tmp/nacre-gate-\(UInt32.random(in: 0...UInt32.max))"
            place = DirectoryPlace(root: "\(directory)/places", gate: "\(directory)/gate", name: "pvc-1")
            staging = "\(directory)/plugins\(place.seenPath)"
            try KernelFile.makeDirectories(staging)
            try KernelFile.makeDirectories(place.root)
            try await shell("mount -t tmpfs volume \(staging)")
        }

        func gate(_ command: [String] = [NacreProcess.program, PlaceGateCommand.name]) -> GateProcess {
            GateProcess(path: place.gate, places: place.root, command: command)
        }

        /// The number of the gate's process.
        var process: Int32 {
            get throws {
                let line = try #require(KernelFile.firstLine(PlaceGateCommand.lock(place.gate)))
                return try #require(Int32(line.dropFirst("process ".count)))
            }
        }

        func show() throws {
            isShown.store(true, ordering: .sequentiallyConsistent)
            _ = try place.show(staging) { _ in }
        }

        /// Looks as kubelet does; also says whether the volume was shown by the time of the answer.
        func look() -> Task<(found: Found, isShown: Bool), Never> {
            let path = place.seenPath
            return Task.detached {
                await withCheckedContinuation { continuation in
                    startThread {
                        var status = stat()
                        let found = stat(path, &status) == 0 ? Found.device(status.st_dev) : .error(errno)
                        continuation.resume(returning: (found, self.isShown.load(ordering: .sequentiallyConsistent)))
                    }
                }
            }
        }

        /// Waits until so many wait at the gate, as the kernel counts them.
        func waitForWaiting(_ count: Int) async throws {
            let connections = try FuseConnections.mounted(fallback: "\(directory)/fusectl")
            try await eventually("\(count) wait") {
                let device = try MountTable.current().mount(at: place.gate)?.device
                return device.flatMap { connections.waiting(Int($0.minor)) } == count
            }
        }

        var volume: Found {
            get throws {
                var status = stat()
                try #require(stat(staging, &status) == 0)
                return .device(status.st_dev)
            }
        }

        func end() async throws {
            try await shell(
                "awk '{print $5}' /proc/self/mountinfo | grep '^\(directory)' | tac | xargs -rn1 umount -l; "
                    + "rm -rf --one-file-system \(directory)"
            )
        }
    }

    private func inLab(_ body: (Lab) async throws -> Void) async throws {
        let lab = try await Lab()
        do {
            try await body(lab)
        } catch {
            Issue.record("\(error)")
        }
        try await lab.end()
    }

    @Test("Whoever looks before the volume is there waits for it, and nobody else does")
    func waits() async throws {
        try await inLab { lab in
            #expect(try lab.gate().attend())
            #expect(try !lab.gate().attend())
            let looks = (0..<8).map { _ in lab.look() }
            try await lab.waitForWaiting(looks.count)
            // A list, what is free, and the link itself are told at once.
            try await shell("ls -a \(lab.place.gate) && stat -f \(lab.place.gate) && test -L \(lab.place.gate)/pvc-1")
            try lab.show()
            for look in looks {
                let answer = await look.value
                #expect(answer.found == (try lab.volume))
                #expect(answer.isShown)
            }
            #expect(await lab.look().value.found == (try lab.volume))
        }
    }

    @Test("A process that waits can be killed")
    func kill() async throws {
        try await inLab { lab in
            _ = try lab.gate().attend()
            try await shell("timeout --signal KILL 1 stat \(lab.place.seenPath) > /dev/null; test $? = 137")
            try await lab.waitForWaiting(0)
        }
    }

    @Test("A name that does not come is not there, once the patience is over")
    func patience() async throws {
        try await inLab { lab in
            let gate = try PlaceGate(to: lab.place.root, patience: .milliseconds(300))
            try KernelFile.makeDirectories(lab.place.gate)
            let isReady = Atomic(false)
            startThread { try? gate.serve(at: lab.place.gate) { isReady.store(true, ordering: .relaxed) } }
            try await eventually("it serves") { isReady.load(ordering: .relaxed) }
            #expect(await lab.look().value.found == .error(ENOENT))
            try await shell("! ls \(lab.place.gate)/.new 2> /dev/null")
            // A file is no place.
            try await shell("touch \(lab.place.root)/pvc-1 && ! stat \(lab.place.seenPath) 2> /dev/null")
            try await shell("rm \(lab.place.root)/pvc-1")
            try lab.show()
            #expect(await lab.look().value.found == (try lab.volume))
        }
    }

    @Test("A gate that is killed lets nobody wait for ever, and another one takes its place")
    func killed() async throws {
        try await inLab { lab in
            _ = try lab.gate().attend()
            let look = lab.look()
            try await lab.waitForWaiting(1)
            let first = try lab.process
            Glibc.kill(first, SIGKILL)
            #expect(await look.value.found != (try lab.volume))
            try await eventually("the lock is free, and another gate has it") { try lab.gate().attend() }
            #expect(try lab.process != first)
            #expect(try MountTable.current().mounts.filter { $0.mountPoint == lab.place.gate }.count == 1)
            let next = lab.look()
            try await lab.waitForWaiting(1)
            try lab.show()
            #expect(await next.value.found == (try lab.volume))
        }
    }

    @Test("A gate ends when it is unmounted")
    func unmounted() async throws {
        try await inLab { lab in
            _ = try lab.gate().attend()
            let process = try lab.process
            try await shell("umount \(lab.place.gate)")
            try await eventually("its process is gone") { Glibc.kill(process, 0) != 0 }
        }
    }

    @Test("Where no gate can be, a link leads to the volumes, until there is one")
    func link() async throws {
        try await inLab { lab in
            for _ in 0..<2 { #expect(throws: VolumeError.self) { try lab.gate(["/bin/false"]).attend() } }
            #expect(await lab.look().value.found == .error(ENOENT))
            try lab.show()
            #expect(await lab.look().value.found == (try lab.volume))
            #expect(try lab.gate().attend())
            #expect(await lab.look().value.found == (try lab.volume))
            #expect(try lab.place.withdraw(unless: { _ in false }) { _ in })
        }
    }

    @Test("A volume that an earlier agent mounted where the gate is goes on, and can be taken away")
    func former() async throws {
        try await inLab { lab in
            try await shell("mkdir -p \(lab.place.seenPath) && mount --bind \(lab.staging) \(lab.place.seenPath)")
            #expect(try lab.gate().attend())
            #expect(await lab.look().value.found == (try lab.volume))
            #expect(try lab.place.withdraw(unless: { _ in false }) { _ in })
            #expect(try MountTable.current().mounts(below: lab.place.root).isEmpty)
        }
    }
}
