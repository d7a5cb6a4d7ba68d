internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import SystemPackage

/// The cgroup of a server process, so that it is not killed with the service and its allocations do not wait for a
/// pod's pages.
public enum ServerPlacement: Sendable, Hashable, Codable {
    /// The root of every cgroup hierarchy, as on a node.
    case root
    /// This memory cgroup, by its directory; other cgroups are kept.
    case memoryCgroup(String)
    /// The cgroup of its parent; for tests.
    case stay
}

extension ServerPlacement {
    /// Sends its placement to a started process; this is the first message.
    func write(to pipe: borrowing OwnedDescriptor) throws(KernelError) {
        guard let text = try? JSONEncoder().encode(self) else {
            throw KernelError("encode", .invalidArgument, "placement")
        }
        try pipe.writeAll(Array(text) + [UInt8(ascii: "\n")])
    }

    /// Moves this process there, and excludes it from the OOM killer.
    ///
    /// - Returns: What the host does not allow.
    func enter() -> [String] {
        var complaints: [String] = []
        switch self {
        case .root:
            complaints = Cgroups.moveToRoot(getpid())
        case .memoryCgroup(let directory):
            do throws(KernelError) {
                try Cgroups.move(getpid(), to: directory)
            } catch {
                complaints.append("cannot move to \(directory): \(error)")
            }
        case .stay: break
        }
        do throws(KernelError) {
            try ProcessControl.setOutOfMemoryScore(-1000)
        } catch {
            complaints.append("cannot be spared when memory runs out: \(error)")
        }
        return complaints
    }
}
