import Glibc
import LinuxKernel
import NodeTestSupport
import PlaceGate
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import NodeAgent

/// The directory in which kubelet waits for volumes, with a tmpfs for a volume.
@Suite("The gate before mounted directories", .enabled(if: NodeLab.isAvailable, Comment(rawValue: NodeLab.lack)))
struct PlaceGateTests {
    @Test("Whoever looks before the volume is there waits for it, and nobody else does")
    func waits() async throws {
        try await PlaceLab.run { lab in
            #expect(try lab.gate().attend())
            #expect(try !lab.gate().attend())
            let looks = (0..<8).map { _ in lab.look() }
            try await lab.waitForWaiting(looks.count)
            // A list, what is free, and the link itself are told at once.
            try await shell("ls -a \(lab.place.gate) && stat -f \(lab.place.gate) && test -L \(lab.place.gate)/pvc-1")
            _ = try lab.show()
            for look in looks { #expect(await look.value == (try lab.volume)) }
            #expect(await lab.look().value == (try lab.volume))
        }
    }

    @Test("A process that waits can be killed")
    func kill() async throws {
        try await PlaceLab.run { lab in
            _ = try lab.gate().attend()
            try await shell("timeout --signal KILL 1 stat \(lab.place.seenPath) > /dev/null; test $? = 137")
            try await lab.waitForWaiting(0)
        }
    }

    @Test("A name that does not come is not there, once the patience is over")
    func patience() async throws {
        try await PlaceLab.run { lab in
            let gate = try PlaceGate(to: lab.place.root, patience: .milliseconds(300))
            try KernelFile.makeDirectories(lab.place.gate)
            let isReady = Atomic(false)
            startThread { try? gate.serve(at: lab.place.gate) { isReady.store(true, ordering: .relaxed) } }
            try await eventually("it serves") { isReady.load(ordering: .relaxed) }
            #expect(await lab.look().value == .error(ENOENT))
            try await shell("! ls \(lab.place.gate)/.new 2> /dev/null")
            // A file is no place.
            try await shell("touch \(lab.place.root)/pvc-1 && ! stat \(lab.place.seenPath) 2> /dev/null")
            try await shell("rm \(lab.place.root)/pvc-1")
            _ = try lab.show()
            #expect(await lab.look().value == (try lab.volume))
        }
    }

    @Test("A gate that is killed lets nobody wait for ever, and another one takes its place")
    func killed() async throws {
        try await PlaceLab.run { lab in
            _ = try lab.gate().attend()
            let look = lab.look()
            try await lab.waitForWaiting(1)
            let first = try lab.process
            Glibc.kill(first, SIGKILL)
            #expect(await look.value != (try lab.volume))
            #expect(try lab.gate().attend())
            #expect(try lab.process != first)
            #expect(try MountTable.current().mounts.filter { $0.mountPoint == lab.place.gate }.count == 1)
            try await lab.serves()
        }
    }

    @Test("A gate ends when it is unmounted")
    func unmounted() async throws {
        try await PlaceLab.run { lab in
            _ = try lab.gate().attend()
            let process = try lab.process
            try await shell("umount \(lab.place.gate)")
            try await eventually("its process is gone") { Glibc.kill(process, 0) != 0 }
        }
    }

    @Test("A gate that is unmounted while somebody waits makes room for another one at once")
    func unmountedWithWaiters() async throws {
        try await PlaceLab.run { lab in
            _ = try lab.gate().attend()
            let look = lab.look()
            try await lab.waitForWaiting(1)
            let process = try #require(ProcessIdentity(of: try lab.process))
            try await shell("! umount \(lab.place.gate) 2> /dev/null && umount --lazy \(lab.place.gate)")
            #expect(process.isAlive)
            #expect(try lab.gate().attend())
            try await eventually("its process is gone") { !process.isAlive }
            #expect(await look.value != (try lab.volume))
            try await lab.serves()
        }
    }

    @Test("A gate that is stopped is replaced by another one, and who waits at it is told")
    func stopped() async throws {
        try await PlaceLab.run { lab in
            _ = try lab.gate().attend()
            let look = lab.look()
            try await lab.waitForWaiting(1)
            let process = try #require(ProcessIdentity(of: try lab.process))
            Glibc.kill(process.pid, SIGSTOP)
            try await eventually("it is stopped") { process.status?.state == "T" }
            var gate = lab.gate()
            gate.answerLimit = .seconds(1)
            #expect(try gate.attend())
            try await eventually("its process is gone") { !process.isAlive }
            #expect(await look.value != (try lab.volume))
            #expect(try MountTable.current().mounts.filter { $0.mountPoint == lab.place.gate }.count == 1)
            try await lab.serves()
        }
    }

    /// Commands of a process that never serves.
    private static let failing = [
        ["/bin/false"],
        // Its exec fails, so there is no process at all.
        ["/there/is/no/such/program"],
        ["/bin/sh", "-c", "echo not today; exec sleep infinity"],
        ["/bin/sh", "-c", "exec yes"],
    ]

    @Test("Where no gate can be, a link leads to the volumes, until there is one", arguments: failing)
    func link(command: [String]) async throws {
        try await PlaceLab.run { lab in
            var gate = lab.gate(command)
            gate.startLimit = .seconds(1)
            #expect(throws: VolumeError.self) { try gate.attend() }
            let link = try lab.link
            #expect(throws: VolumeError.self) { try gate.attend() }
            // It was there all the time.
            #expect(try lab.link == link)
            #expect(await lab.look().value == .error(ENOENT))
            _ = try lab.show()
            #expect(await lab.look().value == (try lab.volume))
            #expect(try lab.gate().attend())
            #expect(await lab.look().value == (try lab.volume))
            #expect(try lab.withdraw())
        }
    }

    @Test("A gate that was given up does not come later")
    func late() async throws {
        try await PlaceLab.run { lab in
            let (number, go) = ("\(lab.directory)/number", "\(lab.directory)/go")
            try await shell("mkfifo \(go)")
            let program = "exec \(NacreProcess.program) \(PlaceGate.word) \"$0\" \"$1\""
            var gate = lab.gate(["/bin/sh", "-c", "echo $$ > \(number); read word < \(go); \(program)"])
            gate.startLimit = .seconds(10)
            #expect(throws: VolumeError.self) { try gate.attend() }
            _ = try lab.link
            let pid = try #require(KernelFile.firstLine(number).flatMap { Int32($0) })
            try await eventually("its process is gone") { ProcessIdentity(of: pid) == nil }
            #expect(try MountTable.current().mount(at: lab.place.root) == nil)
        }
    }

    @Test("A gate whose agent is gone takes the place of the link, and is not mounted over the volumes")
    func overLink() async throws {
        try await PlaceLab.run { lab in
            try await shell("ln -s \(lab.place.root) \(lab.place.gate)")
            let words = "\(NacreProcess.program) \(PlaceGate.word) \(lab.place.gate) \(lab.place.root)"
            try await shell("setsid \(words) < /dev/null > \(lab.directory)/said 2>&1 &")
            try await eventually("it serves") {
                KernelFile.firstLine("\(lab.directory)/said") == PlaceGate.ready
            }
            #expect(try MountTable.current().mount(at: lab.place.root) == nil)
            #expect(try !lab.gate().attend())
            try await lab.serves()
        }
    }

    @Test("What somebody has put where the gate is to be is hidden by it")
    func stray() async throws {
        try await PlaceLab.run { lab in
            try KernelFile.makeDirectories(lab.place.seenPath)
            #expect(try lab.gate().attend())
            try await lab.serves()
        }
    }

    @Test("What else a starting gate prints does not matter")
    func talkative() async throws {
        try await PlaceLab.run { lab in
            let program = "exec \(NacreProcess.program) \(PlaceGate.word) \"$0\" \"$1\""
            #expect(try lab.gate(["/bin/sh", "-c", "echo a library warns >&2; \(program)"]).attend())
            try await lab.serves()
        }
    }
}

/// What somebody found who looked.
private enum Found: Sendable, Hashable {
    /// The device of what is there.
    case device(UInt)
    case error(CInt)
}

extension PlaceLab {
    /// The number of the gate's process.
    fileprivate var process: Int32 {
        get throws {
            let line = try #require(KernelFile.firstLine(PlaceGate.lock(place.gate)))
            return try #require(Int32(line.dropFirst(PlaceGate.owner.count)))
        }
    }

    /// The number of the link that is there in place of a gate.
    fileprivate var link: UInt {
        get throws {
            var status = stat()
            try #require(lstat(place.gate, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            return status.st_ino
        }
    }

    /// Looks as kubelet does.
    fileprivate func look() -> Task<Found, Never> {
        let path = place.seenPath
        return onThread {
            var status = stat()
            return stat(path, &status) == 0 ? .device(status.st_dev) : .error(errno)
        }
    }

    /// Waits until so many wait at the gate, as the kernel counts them.
    ///
    /// It counts its own first question to a gate, too, which says that it serves before it has answered that. What is told
    /// at once is told after it.
    fileprivate func waitForWaiting(_ count: Int) async throws {
        let gate = place.gate
        _ = await onThread { () -> CInt in
            var status = statvfs()
            return statvfs(gate, &status)
        }.value
        let connections = try FuseConnections.mounted(fallback: "\(directory)/fusectl")
        try await eventually("\(count) wait") {
            let device = try MountTable.current().mount(at: place.gate)?.device
            return device.flatMap { connections.waiting(Int($0.minor)) } == count
        }
    }

    /// Waits at the gate for the volume, which is shown then.
    fileprivate func serves() async throws {
        let look = look()
        try await waitForWaiting(1)
        _ = try show()
        #expect(await look.value == (try volume))
    }

    fileprivate var volume: Found {
        get throws {
            var status = stat()
            try #require(stat(staging, &status) == 0)
            return .device(status.st_dev)
        }
    }
}
