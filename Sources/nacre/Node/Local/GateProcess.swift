import ExactText
import Glibc
import LinuxKernel
import PlaceGate
import SystemPackage
import Volumes

/// The process of the directory in which kubelet waits for volumes (`PlaceGate`).
///
/// It outlives the agent: a pod that comes while the agent is restarted waits as well, and costs kubelet no back-off. It ends
/// when its directory is unmounted. Where it cannot run, a symbolic link takes its place: then kubelet tries again by itself.
struct GateProcess: Sendable {
    /// Where kubelet looks: `/run/nacre/node-agent`.
    let path: String
    /// Where the volumes are mounted: `/run/nacre/node-volumes`.
    let places: String
    /// The program, and its first words.
    var command = ["/proc/self/exe", PlaceGateCommand.name]

    private static let startLimit = Duration.seconds(30)

    /// Leaves one there.
    ///
    /// Blocks, for no longer than a process takes to start; a gate that is frozen does not make it wait.
    ///
    /// - Returns: Whether there was none.
    /// - Throws: `VolumeError` if it cannot be started; then the link is there.
    func attend() throws(VolumeError) -> Bool {
        let failure: String
        do throws(KernelError) {
            try KernelFile.makeDirectories(places)
            guard try !isServed() else { return false }
            try clear()
            try KernelFile.makeDirectories(path)
            guard let said = try start() else { return true }
            try clear()
            try KernelFile.removeDirectory(path)
            guard symlink(places, path) == 0 else { throw KernelError("symlink", Errno(rawValue: errno), path) }
            failure = said
        } catch {
            failure = "\(error)"
        }
        throw VolumeError(.internal, "cannot let kubelet wait for volumes at '\(path)': \(failure)")
    }

    /// Whether a gate is mounted, and its process lives.
    private func isServed() throws(KernelError) -> Bool {
        guard try MountTable.current().mount(at: path)?.fileSystem.isExactly(PlaceGate.fileSystem) == true else {
            return false
        }
        return try FileLock.tryTake(PlaceGateCommand.lock(path), for: "the agent, for a look") == nil
    }

    /// Removes what a dead gate left, or the link; what an earlier agent mounted here goes where volumes are now.
    private func clear() throws(KernelError) {
        while try MountTable.current().mount(at: path)?.fileSystem.isExactly(PlaceGate.fileSystem) == true {
            try Mounting.detach(path)
        }
        switch try FileKind.of(path) {
        case .symbolicLink: try KernelFile.remove(path)
        case .directory:
            for name in try KernelFile.names(in: path) where try FileKind.of("\(places)/\(name)") == nil {
                try KernelFile.rename("\(path)/\(name)", to: "\(places)/\(name)")
            }
        default: break
        }
    }

    /// Starts one; returns what it said if it does not serve.
    private func start() throws(KernelError) -> String? {
        let null = try OwnedDescriptor(opening: "/dev/null", O_RDWR)
        return try OwnedDescriptor.withPipe { (readEnd, writeEnd) throws(KernelError) in
            _ = try ProcessControl.spawn(
                command[0],
                isDetached: true,
                arguments: command + [path, places],
                environment: Environment.value("LD_LIBRARY_PATH").map { ["LD_LIBRARY_PATH": $0] } ?? [:],
                descriptors: [null.rawValue, writeEnd.rawValue, writeEnd.rawValue]
            )
            _ = consume writeEnd
            var entry = pollfd(fd: readEnd.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, CInt(Self.startLimit / .milliseconds(1))) > 0 else {
                return "its process is not ready after \(Self.startLimit)"
            }
            // It closes its end when it serves.
            let said = String(decoding: try readEnd.readToEnd(), as: UTF8.self)
            return said.isExactly(PlaceGateCommand.ready) ? nil : "its process said: \(said)"
        }
    }
}
