internal import ExactText
internal import Glibc
internal import SystemPackage

/// Finds the users of a mount, because the kernel only returns EBUSY.
public enum MountUsers {
    /// The processes that have files or their working directory below a mount point, and the mounts on it.
    ///
    /// Only links are read, so a file system that does not answer does not block.
    ///
    /// - Parameters:
    ///   - mountPoint: The mount point, an absolute path.
    ///   - limit: How many to name.
    /// - Returns: One sentence each: `process 77 (postgres) has '/mnt/base/1' open`.
    public static func users(of mountPoint: String, limit: Int = 6) -> [String] {
        var users: [String] = []
        for mount in (try? MountTable.current().mounts(below: mountPoint)) ?? [] {
            users.append("'\(mount.mountPoint)' is mounted on it")
        }
        for pid in ((try? KernelFile.names(in: "/proc")) ?? []).compactMap({ Int32($0) }).sorted() where pid != getpid()
        {
            guard users.count < limit else { break }
            guard let use = use(by: pid, below: mountPoint) else { continue }
            users.append("process \(pid) (\(KernelFile.firstLine("/proc/\(pid)/comm") ?? "?")) \(use)")
        }
        return users
    }

    private static func use(by pid: Int32, below mountPoint: String) -> String? {
        let directory = "/proc/\(pid)"
        for (name, verb) in [("cwd", "works in"), ("root", "has its root in"), ("exe", "runs")] {
            if let target = link("\(directory)/\(name)"), target.isAtOrBelow(mountPoint) {
                return "\(verb) '\(target)'"
            }
        }
        for descriptor in (try? KernelFile.names(in: "\(directory)/fd")) ?? [] {
            if let target = link("\(directory)/fd/\(descriptor)"), target.isAtOrBelow(mountPoint) {
                return "has '\(target)' open"
            }
        }
        return nil
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
