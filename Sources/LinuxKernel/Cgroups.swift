internal import ExactText
internal import SystemPackage

/// The cgroups of a process, and ways out of them.
///
/// See: cgroups(7). A process that serves I/O must not be in a limited memory cgroup: its allocations would wait for
/// the writeback of pages that only it can write. Nor in the one of a unit or a container that is killed as a whole.
public struct Cgroups: Sendable {
    /// One hierarchy: a cgroup v1 controller, or v2.
    public struct Membership: Sendable, Hashable {
        /// Controllers, such as `memory`; empty for v2.
        public let controllers: [String]
        /// The cgroup in its hierarchy: `/kubepods/…`.
        public let path: String
    }

    /// The hierarchies of a process.
    public let memberships: [Membership]

    /// Reads the text of `/proc/PID/cgroup`.
    public init(text: String) {
        memberships = text.parts(at: "\n", omittingEmpty: true).compactMap { line in
            let fields = line.parts(at: ":", most: 2)
            guard fields.count == 3 else { return nil }
            return Membership(controllers: fields[1].parts(at: ",", omittingEmpty: true), path: String(fields[2]))
        }
    }

    /// Those of a process; `self` for our own.
    public static func of(_ process: String) throws(KernelError) -> Cgroups {
        Cgroups(text: try KernelFile.text("/proc/\(process)/cgroup"))
    }

    /// Where the hierarchy of `membership` is mounted with its root.
    public static func root(of membership: Membership, in table: MountTable) -> String? {
        table.mounts.first { mount in
            guard mount.root == "/" else { return false }
            guard let controller = membership.controllers.first else { return mount.fileSystem == "cgroup2" }
            return mount.fileSystem == "cgroup" && mount.superOptions.contains(controller)
        }?.mountPoint
    }

    /// Moves a process to the root of every hierarchy, and returns the failures, one sentence each.
    ///
    /// Including `cpuset`: kubelet kills every process in any of the cgroups of a deleted pod.
    public static func moveToRoot(_ pid: Int32) -> [String] {
        guard let cgroups = try? of("\(pid)"), let table = try? MountTable.current() else {
            return ["the cgroups of process \(pid) cannot be read"]
        }
        return cgroups.memberships.compactMap { membership in
            guard membership.path != "/" else { return nil }
            let name = membership.controllers.isEmpty ? "cgroup v2" : membership.controllers.joined(separator: ",")
            guard let root = root(of: membership, in: table) else {
                return "\(name): stays in \(membership.path), the root of the hierarchy is not mounted here"
            }
            do throws(KernelError) {
                try move(pid, to: root)
                return nil
            } catch {
                return "\(name): stays in \(membership.path): \(error)"
            }
        }
    }

    /// Moves a process to the cgroup whose directory is `directory`.
    public static func move(_ pid: Int32, to directory: String) throws(KernelError) {
        try KernelFile.write("\(pid)", to: "\(directory)/cgroup.procs")
    }
}
