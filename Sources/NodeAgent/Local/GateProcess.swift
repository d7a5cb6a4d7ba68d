import ExactText
import Glibc
import LinuxKernel
import PlaceGate
import Synchronization
import SystemPackage
import Volumes

/// The process of the directory in which kubelet waits for volumes (`PlaceGate`).
///
/// It outlives the agent: a pod that comes while the agent is restarted waits as well, and costs kubelet no back-off. It ends
/// when its directory is unmounted. Where it cannot run, a symbolic link takes its place: then kubelet tries again by itself.
///
/// Who has the lock of the path may change what is there: a gate has it from before its mount until its end, the agent while it
/// removes a gate and puts the link there. One that was given up is killed; one that its agent could not kill comes late, and
/// takes the place of the link or finds another gate there.
struct GateProcess: Sendable {
    /// Where kubelet looks: `/run/nacre/node-agent`.
    let path: String
    /// Where the volumes are mounted: `/run/nacre/node-volumes`.
    let places: String
    /// The program, and its first words.
    var command = ["/proc/self/exe", PlaceGate.word]
    /// How long a new one may take until it serves.
    var startLimit = Duration.seconds(30)
    /// How long one may take to answer that it is there.
    var answerLimit = Duration.seconds(10)

    /// A process that is killed is gone so soon.
    private static let killLimit = Duration.seconds(10)

    /// Leaves one there that answers.
    ///
    /// Blocks: for `answerLimit` at most where one answers. Where it must be replaced, for `startLimit` and twice
    /// `answerLimit` and `killLimit`.
    ///
    /// - Returns: Whether there was none.
    /// - Throws: `VolumeError` if it cannot be started; then the link is there, unless the error says why it is not.
    func attend() throws(VolumeError) -> Bool {
        var failures: [String] = []
        do throws(KernelError) {
            try KernelFile.makeDirectories(places)
            guard try !isServed() else { return false }
            // A new gate takes the place of the link when it can be mounted: whatever fails before, the link is there.
            do throws(KernelError) {
                try putLink()
            } catch  where error.errno == .directoryNotEmpty {
                // The gate hides it.
            }
            guard let failure = start() else { return true }
            failures.append(failure)
            // One that an agent before this one started may have been quicker.
            guard try !isServed() else { return true }
            try putLink()
        } catch {
            failures.append("\(error)")
        }
        let reason = failures.joined(separator: "; ")
        throw VolumeError(.internal, "cannot let kubelet wait for volumes at '\(path)': \(reason)")
    }

    private func mount() throws(KernelError) -> MountTable.Mount? {
        guard let mount = try MountTable.current().mount(at: path),
            mount.fileSystem.isExactly(PlaceGate.fileSystem)
        else { return nil }
        return mount
    }

    /// Whether a gate is mounted, and its process lives and answers.
    private func isServed() throws(KernelError) -> Bool {
        guard try mount() != nil else { return false }
        return try FileLock.tryTake(PlaceGate.lock(path), for: "the agent, for a look") == nil && answers()
    }

    /// Whether it answers in time; one that is stopped does not.
    private func answers() -> Bool {
        let answer = Mutex<CInt?>(nil)
        // A thread that gets no answer ends when the gate does.
        startThread {
            var status = statvfs()
            var error: CInt
            repeat { error = statvfs(path, &status) == 0 ? 0 : errno } while error == EINTR
            answer.withLock { $0 = error }
        }
        try? Waiting.wait(answerLimit, "statvfs", path) { answer.withLock { $0 } != nil }
        return answer.withLock { $0 } == 0
    }

    /// Removes what gate there is, and leaves the link in its place.
    private func putLink() throws(KernelError) {
        let lock = try takeLock()
        while try mount() != nil { try Mounting.detach(path) }
        if try FileKind.of(path) != .symbolicLink {
            try KernelFile.removeDirectory(path)
            guard symlink(places, path) == 0 else { throw KernelError("symlink", Errno(rawValue: errno), path) }
        }
        withExtendedLifetime(lock) {}
    }

    /// Ends the gate that has the lock, whether it is mounted or not, and takes it.
    private func takeLock() throws(KernelError) -> FileLock {
        let file = PlaceGate.lock(path)
        let control = "\(path).fusectl"
        var lock: FileLock?
        try Waiting.wait(Self.killLimit, "flock", file) { () throws(KernelError) in
            lock = try FileLock.tryTake(file, for: "the agent, for a change")
            guard lock == nil else { return true }
            // Whoever waits for it is told; what waits in the kernel would hinder its end.
            if let mount = try mount() {
                try? FuseConnections.mounted(fallback: control).abort(Int(mount.device.minor))
            }
            try holder()?.send(SIGKILL)
            return false
        }
        guard let lock else { throw KernelError("flock", .resourceBusy, file) }
        // Where /sys is read-only the control file system was mounted beside the gate, and is not needed any more.
        try? Mounting.detach(control)
        try? KernelFile.removeDirectory(control)
        return lock
    }

    /// The gate of this path that has written its number into the lock.
    private func holder() -> ProcessIdentity? {
        guard let line = KernelFile.firstLine(PlaceGate.lock(path)),
            let pid = line.behind(PlaceGate.owner).flatMap({ Int32($0) }),
            let process = ProcessIdentity(of: pid),
            let words = (try? KernelFile.text("/proc/\(pid)/cmdline"))?.parts(at: "\0"),
            words.containsExactly(PlaceGate.word), words.containsExactly(path)
        else { return nil }
        return process
    }

    /// Starts one.
    ///
    /// - Returns: Why it does not serve; then its process has been killed.
    private func start() -> String? {
        do throws(KernelError) {
            let null = try OwnedDescriptor(opening: "/dev/null", O_RDWR)
            return try OwnedDescriptor.withPipe { (readEnd, writeEnd) throws(KernelError) in
                let pid = try ProcessControl.spawn(
                    command[0],
                    isDetached: true,
                    arguments: command + [path, places],
                    environment: ProcessControl.inheritedEnvironment(),
                    descriptors: [null.rawValue, writeEnd.rawValue, writeEnd.rawValue]
                )
                let process = ProcessIdentity(of: pid)
                _ = consume writeEnd
                guard let failure = hindrance(readEnd) else { return nil }
                try process?.send(SIGKILL)
                return failure
            }
        } catch {
            return "\(error)"
        }
    }

    /// Waits until a process says that it serves; returns why it does not.
    private func hindrance(_ output: borrowing OwnedDescriptor) -> String? {
        let deadline = ContinuousClock.now + startLimit
        var said: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let lines = String(decoding: said, as: UTF8.self).parts(at: "\n")
            // Others may stand around it, such as a library's.
            guard !lines.dropLast().containsExactly(PlaceGate.ready) else { return nil }
            let text = lines.joined(separator: " ").suffix(500)
            var entry = pollfd(fd: output.rawValue, events: Int16(POLLIN), revents: 0)
            let rest = CInt(max((deadline - .now) / .milliseconds(1), 0))
            let isReady = poll(&entry, 1, rest)
            if isReady < 0, errno == EINTR { continue }
            guard isReady > 0, rest > 0 else {
                return "its process is not ready after \(startLimit); it said: '\(text)'"
            }
            let count = read(output.rawValue, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return "its process ended and said: '\(text)'" }
            said = (said + chunk[..<count]).suffix(2 * chunk.count)
        }
    }
}
