internal import SystemPackage

/// The control files of FUSE connections, which can abort a server's connection.
///
/// See: Documentation/filesystems/fuse.rst, "FUSE control filesystem". The number of a connection is the minor device
/// number of its mount.
public struct FuseConnections: Sendable {
    /// Where fusectl is mounted.
    public let root: String

    /// Reads below `root`.
    public init(root: String) { self.root = root }

    /// Finds the control file system, or mounts it: at its own path, or at `fallback` if /sys is read-only.
    public static func mounted(fallback: String) throws(KernelError) -> FuseConnections {
        let usual = "/sys/fs/fuse/connections"
        let table = try MountTable.current()
        for place in [usual, fallback] where table.mount(at: place)?.fileSystem == "fusectl" {
            return FuseConnections(root: place)
        }
        do throws(KernelError) {
            try Mounting.mount("fusectl", at: usual, fileSystem: "fusectl", options: MountOptions([]))
            return FuseConnections(root: usual)
        } catch {
            try KernelFile.makeDirectories(fallback)
            try Mounting.mount("fusectl", at: fallback, fileSystem: "fusectl", options: MountOptions([]))
            return FuseConnections(root: fallback)
        }
    }

    /// Aborts a connection: all present and later requests fail; succeeds if there is no such connection.
    public func abort(_ connection: Int) throws(KernelError) {
        do throws(KernelError) {
            try KernelFile.write("1", to: "\(root)/\(connection)/abort")
        } catch  where error.isNotFound {
            return
        }
    }

    /// How many requests wait for the server; `nil` if there is no such connection.
    public func waiting(_ connection: Int) -> Int? {
        KernelFile.firstLine("\(root)/\(connection)/waiting").flatMap { Int($0) }
    }
}
