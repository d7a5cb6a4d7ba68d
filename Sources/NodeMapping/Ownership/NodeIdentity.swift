internal import ExactText
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
    ///
    /// A state directory that was copied to another machine, with a golden image say, gets a number of its own there: beside
    /// the number stands the machine on which it was drawn.
    ///
    /// - Parameters:
    ///   - name: The node's name.
    ///   - stateDirectory: Such as `/var/lib/nacre`.
    /// - Returns: The identity.
    /// - Throws: `KernelError`.
    public static func current(name: String, stateDirectory: String) throws(KernelError) -> NodeIdentity {
        try current(name: name, stateDirectory: stateDirectory, machine: machine)
    }

    static func current(
        name: String,
        stateDirectory: String,
        machine: String?
    ) throws(KernelError) -> NodeIdentity {
        let path = "\(stateDirectory)/host"
        let bootPath = "/proc/sys/kernel/random/boot_id"
        guard let bootID = KernelFile.firstLine(bootPath) else { throw KernelError("read", .ioError, bootPath) }
        let lines = (try FileKind.of(path) == nil ? "" : KernelFile.text(path)).parts(at: "\n", omittingEmpty: true)
        if let host = lines.first {
            let drawnOn = lines.dropFirst().first
            // Two ways of telling a machine say nothing of each other.
            let isCopy = drawnOn.map { drawnOn in
                machine.map { $0.parts(at: ":")[0].isExactly(drawnOn.parts(at: ":")[0]) && !$0.isExactly(drawnOn) }
                    ?? false
            }
            guard isCopy != true else { return try draw(name, bootID, machine, path) }
            if drawnOn == nil, machine != nil { try write(host, machine, path) }
            return NodeIdentity(name: name, host: host, bootID: bootID)
        }
        try KernelFile.makeDirectories(stateDirectory)
        return try draw(name, bootID, machine, path)
    }

    private static func draw(
        _ name: String,
        _ bootID: String,
        _ machine: String?,
        _ path: String
    ) throws(KernelError) -> NodeIdentity {
        let randomPath = "/proc/sys/kernel/random/uuid"
        guard let host = KernelFile.firstLine(randomPath) else { throw KernelError("read", .ioError, randomPath) }
        try write(host, machine, path)
        return NodeIdentity(name: name, host: host, bootID: bootID)
    }

    private static func write(_ host: String, _ machine: String?, _ path: String) throws(KernelError) {
        try KernelFile.replace(path, with: Array("\(host)\n\(machine.map { "\($0)\n" } ?? "")".utf8))
    }

    /// What tells this machine from its copies: its firmware's number, which a hypervisor gives anew to each; else systemd's,
    /// which golden images are to be made without.
    ///
    /// See: machine-id(5); `/sys/class/dmi/id/product_uuid` is for root alone, and the same in every container.
    private static var machine: String? {
        for (kind, path) in [("dmi", "/sys/class/dmi/id/product_uuid"), ("machine-id", "/etc/machine-id")] {
            if let line = KernelFile.firstLine(path), line.utf8.count >= 32 { return "\(kind):\(line)" }
        }
        return nil
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
