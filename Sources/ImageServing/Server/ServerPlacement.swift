internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import SystemPackage

/// Where a server process goes, so that it is not killed with our service and its allocations wait for no pod's pages.
public enum ServerPlacement: Sendable, Hashable, Codable {
    /// The root of every cgroup hierarchy: what a node wants.
    case root
    /// This memory cgroup, by its directory; the others stay.
    case memoryCgroup(String)
    /// Where its parent is; for tests of what then happens.
    case stay
}

extension ServerPlacement {
    /// Tells a process that was started where to go; the first that it is told.
    func write(to pipe: borrowing OwnedDescriptor) throws(KernelError) {
        guard let text = try? JSONEncoder().encode(self) else {
            throw KernelError("encode", .invalidArgument, "placement")
        }
        try pipe.writeAll(Array(text) + [UInt8(ascii: "\n")])
    }

    /// Goes there, and asks to be spared when memory runs out.
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
