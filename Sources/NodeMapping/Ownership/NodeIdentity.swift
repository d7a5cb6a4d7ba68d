internal import Glibc
public import LinuxKernel
internal import RADOS
public import RBD
internal import SystemPackage

/// A node, as it must be told from every other one, and from itself before its last boot.
public struct NodeIdentity: Sendable, Hashable, Codable {
    /// The node's name, for people.
    public let name: String
    /// A random number that is kept in the state directory: two nodes may have one name, by mistake.
    public let host: String
    /// `/proc/sys/kernel/random/boot_id`.
    public let bootID: String

    /// Puts an identity together.
    public init(name: String, host: String, bootID: String) {
        self.name = name
        self.host = host
        self.bootID = bootID
    }

    /// The identity of this node; draws its number at the first call on a state directory.
    public static func current(name: String, stateDirectory: String) throws(KernelError) -> NodeIdentity {
        let path = "\(stateDirectory)/host"
        let bootPath = "/proc/sys/kernel/random/boot_id"
        guard let bootID = KernelFile.firstLine(bootPath) else { throw KernelError("read", .ioError, bootPath) }
        if let host = KernelFile.firstLine(path), !host.isEmpty {
            return NodeIdentity(name: name, host: host, bootID: bootID)
        }
        let randomPath = "/proc/sys/kernel/random/uuid"
        guard let host = KernelFile.firstLine(randomPath) else { throw KernelError("read", .ioError, randomPath) }
        try KernelFile.makeDirectories(stateDirectory)
        try KernelFile.replace(path, with: Array("\(host)\n".utf8))
        return NodeIdentity(name: name, host: host, bootID: bootID)
    }

    /// What is written into the lock of an image that this node has.
    ///
    /// - Parameters:
    ///   - address: The client's address in the cluster; `Cluster.addresses()` in any form.
    ///   - mapper: `krbd`, `nbd`, `fuse`.
    ///   - process: Who serves the image; nothing where the kernel does.
    ///   - keeper: Who starts such processes.
    /// - Returns: The record, as of now.
    public func record(
        address: String,
        mapper: String,
        process: ProcessIdentity? = nil,
        keeper: ProcessIdentity? = nil
    ) -> HolderRecord {
        HolderRecord(
            node: name,
            address: ClientAddress.plain(address),
            since: Int64(time(nil)),
            mapper: mapper,
            host: host,
            bootID: bootID,
            process: process.map { .init(pid: $0.pid, startTime: $0.startTime) },
            keeper: keeper.map { .init(pid: $0.pid, startTime: $0.startTime) }
        )
    }
}
